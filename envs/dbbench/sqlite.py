"""SQLite in memory behind the sandbox. An episode begins from a prepared image of its tables, on a guarded connection
(connection.py)."""

from __future__ import annotations

import logging
import re
import sqlite3
from functools import lru_cache
from time import monotonic
from typing import Any

from envs.dbbench.backend import Reply
from envs.dbbench.connection import POOLS, Connection
from envs.dbbench.image import Image, image_of
from envs.dbbench.inlining import is_explosive
from envs.dbbench.limits import TooLarge
from envs.dbbench.mysql.budget import MAX_TABLES, PlanningTimeout
from envs.dbbench.mysql.dialect import Plan, plan
from envs.dbbench.mysql.errors import USER, MySQLError, Unsupported
from envs.dbbench.mysql.parameters import bound
from envs.dbbench.mysql.scope import Schema
from envs.dbbench.mysql.session import Session
from envs.dbbench.mysql.strict import strict_mode
from envs.dbbench.mysql.tree import Prepared
from envs.dbbench.mysql.variables import assign
from envs.dbbench.task import Table
from envs.dbbench.transactions import Transactions
from envs.errors import InternalError

_log = logging.getLogger(__name__)

_CACHED_LENGTH = 2000
_LATE = "the statement took too long and was stopped"
_LARGE = "the result is too large"
# Errors of MySQL's that stand for the sandbox's own limits.
_STOPPED = {3024: "time", 3699: "time", 1104: "size", 1114: "size", 1153: "size", 1436: "size"}


class SQLiteBackend:
    """The default backend. `dialect`: "mysql" answers as MySQL does, "sqlite" as SQLite.

    Args:
        deadline: seconds that a statement may take.
    """

    def __init__(self, dialect: str, deadline: float) -> None:
        self._dialect = dialect
        self._deadline = deadline
        self._image: Image
        self._connection: Connection | None = None
        self._statements: dict[str, str] = {}
        self._transactions: Transactions

    def reset(self, tables: tuple[Table, ...]) -> None:
        image = image_of(tables, self._dialect)
        if self._connection is not None and image is self._image:
            self._connection.load(image)
        else:
            self.close()
            self._image = image
            self._connection = POOLS[self._dialect].take(image)
        self._transactions = Transactions(self._connection.save, self._connection.restore)
        self._statements.clear()

    def execute(self, sql: str) -> Reply:
        if self._image.refusal is not None:
            return Reply.failed(self._image.refusal)
        if self._dialect == "sqlite":
            return self._execute_plain(sql)
        assert self._connection is not None
        session, schema, seconds = self._connection.session, self._image.schema, self._deadline
        cached = len(sql) <= _CACHED_LENGTH and "@" not in sql
        end = monotonic() + seconds
        try:
            todo = _plan(sql, schema, seconds, session.sql_mode) if cached else plan(sql, schema, seconds, session)
            if cached and todo.of_session:
                todo = plan(sql, schema, seconds, session)
        except PlanningTimeout:
            return _refused(MySQLError(3024))
        if todo.prepared is not None:
            return self._prepared(todo.prepared)
        reply = self._execute_plan(todo, end - monotonic())
        _remember(session, todo, reply, self._connection.changed)
        return reply

    def _execute_plan(self, todo: Plan, seconds: float) -> Reply:
        try:
            if todo.transaction:
                self._transactions.apply(todo.transaction, todo.savepoint)
            if todo.kind == "changes":
                self._transactions.before_change()
        except MySQLError as error:
            return Reply.failed(error)
        if todo.error is not None:
            return _refused(todo.error)
        if not todo.sql:
            return Reply.of(list(todo.rows))
        try:
            rows = self._rows(todo, seconds)
        except InternalError:
            raise
        except (MySQLError, Unsupported) as error:
            return _refused(error)
        except sqlite3.Error as error:
            return _refused(_as_mysql(error, self._image))
        except UnicodeError:
            return Reply.failed(MySQLError(1300, "\\xED"))
        except (TooLarge, MemoryError):
            return _refused(MySQLError(1104))
        except Exception as error:
            _log.exception("the MySQL layer failed on the result of a statement")
            raise InternalError(f"the MySQL layer failed on a result: {type(error).__name__}: {error}") from error
        return Reply.of(rows if todo.kind in ("rows", "diagnostics") else [])

    def _rows(self, todo: Plan, seconds: float) -> list[tuple[Any, ...]]:
        """The rows of a planned statement in MySQL's order, as its driver gives them."""
        assert self._connection is not None
        with strict_mode(todo.strict):
            rows = self._connection.run(todo.sql, todo.params or {}, seconds)
        if todo.writes:
            self._connection.write([(write.sql, write.cells) for write in todo.writes], rows)
            return []
        if todo.targets:
            assign(self._connection.session, todo.targets, rows)
            return []
        if todo.sorting is not None:
            rows = todo.sorting.apply(rows)
        if not todo.converts:
            return rows
        return [
            tuple(cell if change is None else change(cell) for cell, change in zip(row, todo.converters, strict=True))
            for row in rows
        ]

    def _execute_plain(self, sql: str) -> Reply:
        assert self._connection is not None
        if is_explosive(sql):
            return Reply.failed("the statement is too complex", "size")
        try:
            return Reply.of(self._connection.run(sql, {}, self._deadline))
        except MySQLError as error:
            return Reply.failed(error.text)
        except (sqlite3.Error, sqlite3.Warning, TooLarge, MemoryError, OverflowError, ValueError) as error:
            text = _plainly(error)
            return Reply.failed(text, {_LATE: "time", _LARGE: "size"}.get(text, ""))

    def _prepared(self, statement: Prepared) -> Reply:
        """PREPARE, EXECUTE and DEALLOCATE PREPARE. A statement is prepared as its text."""
        assert self._connection is not None
        session, name = self._connection.session, statement.name.lower()
        try:
            if statement.action == "prepare":
                sql = statement.sql
                if sql is None:
                    sql = str(session.read(statement.variables[0], "text") or "NULL")
                planned = plan(bound(sql, None), self._image.schema, self._deadline, session)
                if planned.error is not None or planned.prepared is not None:
                    return Reply.failed(planned.error or MySQLError(1295))
                self._statements[name] = sql
                return Reply.of([])
            if name not in self._statements:
                command = "EXECUTE" if statement.action == "execute" else "DEALLOCATE PREPARE"
                raise MySQLError(1243, statement.name, command)
            if statement.action == "execute":
                return self.execute(bound(self._statements[name], statement.variables))
        except PlanningTimeout:
            return _refused(MySQLError(3024))
        except MySQLError as error:
            return Reply.failed(error)
        del self._statements[name]
        return Reply.of([])

    def dump(self, index: int) -> list[tuple[str | None, ...]]:
        if self._image.refusal is not None:
            return []
        assert self._connection is not None
        return self._connection.rows(self._image.names[index])

    def close(self) -> None:
        if self._connection is not None:
            POOLS[self._dialect].give(self._connection, self._image)
            self._connection = None


@lru_cache(maxsize=4096)
def _plan(sql: str, schema: Schema, seconds: float, sql_mode: str) -> Plan:
    """The plan of a statement without variables: of the session only the SQL mode matters."""
    return plan(sql, schema, seconds, Session(sql_mode))


def _remember(session: Session, todo: Plan, reply: Reply, changed: int) -> None:
    """Keeps what ROW_COUNT(), FOUND_ROWS(), SHOW WARNINGS and @@autocommit will answer."""
    if todo.transaction.startswith("autocommit "):
        session.settings["autocommit"] = int(todo.transaction == "autocommit on")
    if todo.kind != "diagnostics":
        session.diagnostics = []
    if reply.error is not None:
        session.row_count = -1
        if numbered := re.match(r"(\d+) \(\w+\): (.*)", reply.error, re.DOTALL):
            session.diagnostics = [(int(numbered[1]), numbered[2])]
    elif todo.kind == "rows":
        session.row_count, session.found_rows = -1, len(reply.rows)
    else:
        session.row_count = changed if todo.kind == "changes" else 0


def _refused(error: MySQLError | Unsupported) -> Reply:
    return Reply.failed(error, _STOPPED.get(error.number, "") if isinstance(error, MySQLError) else "")


def _as_mysql(error: sqlite3.Error, image: Image) -> MySQLError:
    """A refusal of SQLite's in MySQL's words. Raises InternalError where no statement should be refused so."""
    text = str(error)
    if "too many columns" in text:
        return MySQLError(1117)
    if "tables in a join" in text:
        return MySQLError(1116, MAX_TABLES)
    table = image.schema.tables[0][0] if image.schema.tables else ""
    if "interrupted" in text:
        return MySQLError(3024)
    if "full" in text:
        return MySQLError(1114, table)
    if "too big" in text or "too long" in text:
        return MySQLError(1153)
    if "misuse of" in text or "aggregate functions are not allowed" in text:
        return MySQLError(1111)
    if "not authorized" in text or "prohibited" in text:
        return MySQLError(1142, "EXECUTE", USER, table)
    if "overflow" in text and "integer" in text:
        return MySQLError(1690, "BIGINT", "expression")
    if "stack overflow" in text or "too large" in text or "too many" in text:
        return MySQLError(1436, 1028576)
    _log.error("SQLite refused a translated statement: %s", text)
    raise InternalError(f"SQLite refused a translated statement: {text}") from error


def _plainly(error: BaseException) -> str:
    if "interrupted" in str(error):
        return _LATE
    if isinstance(error, TooLarge | MemoryError):
        return _LARGE
    return str(error) or type(error).__name__
