"""SQLite in memory behind the sandbox: prepared images, one connection reused, and limits that a query cannot leave.

A reset is `deserialize` of an image of the task's tables. Threats and what stops them:

- ATTACH, PRAGMA, DDL, transactions, extensions, functions that allocate or format at will: the authorizer;
- endless or explosive queries: a progress handler with a deadline, an operation budget and an eye on memory;
- long values, growing tables, huge results: SQLite's limits, max_page_count, a capped fetch;
- user functions that run long: they look at the deadline themselves (mysql/runtime.py, mysql/regexp.py).
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from envs.dbbench.backend import Reply
from envs.dbbench.mysql import runtime
from envs.dbbench.mysql.dialect import Plan, plan
from envs.dbbench.mysql.errors import USER, MySQLError
from envs.dbbench.mysql.scope import Schema
from envs.dbbench.task import Table

_log = logging.getLogger(__name__)

MAX_PAGES = 4096  # of 4 KiB: 16 MiB for an episode's tables
MAX_VALUE = 1_000_000  # bytes of a value or a row
MAX_ROWS = 100_000
MAX_RESULT = 8_000_000  # characters of a reply's cells
MAX_GROWTH = 64 * 2**20  # bytes of memory that a statement may add
MAX_OPERATIONS = 20_000_000
_STEP = 500  # operations between two looks at the clock
# Seconds before memory is looked at: the process has other threads, whose memory is not this statement's.
_PATIENCE = 0.02
_IMAGES = 1024
_CACHED_LENGTH = 5000

_DENIED_FUNCTIONS = frozenset(
    """
    edit format fts3_tokenizer fts5 load_extension printf randomblob readfile rtreecheck rtreedepth rtreenode
    soundex sqlite_compileoption_get sqlite_compileoption_used sqlite_log sqlite_offset sqlite_source_id unhex
    writefile zeroblob
    """.split()  # noqa: SIM905
)
_ALLOWED_ACTIONS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE})
_ROW_ACTIONS = frozenset({sqlite3.SQLITE_READ, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_PRAGMAS = frozenset({"table_info", "table_xinfo", "table_list"})

_pools: dict[str, deque[_Connection]] = {"mysql": deque(), "sqlite": deque()}
_images: OrderedDict[tuple[int, str], tuple[tuple[Table, ...], Image]] = OrderedDict()


class Image:
    """A task's tables as SQLite's bytes, with the names under which the agent knows them.

    `refusal` is what MySQL answers to such a CREATE TABLE: then there are no tables, and every statement fails so.
    """

    def __init__(self, tables: tuple[Table, ...], dialect: str) -> None:
        self.schema = Schema(tuple((table.name, table.columns) for table in tables))
        self.refusal = _refusal(tables) if dialect == "mysql" else None
        self.names = [f"t{i}" if dialect == "mysql" else _quoted(table.name) for i, table in enumerate(tables)]
        connection = sqlite3.connect(":memory:", isolation_level=None)
        for name, table in zip(self.names, tables, strict=True):
            columns = [
                f"c{j} TEXT" if dialect == "mysql" else f"{_quoted(column)} TEXT"
                for j, column in enumerate(table.columns)
            ]
            connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
            holes = ", ".join("?" * len(table.columns))
            connection.executemany(f"INSERT INTO {name} VALUES ({holes})", table.rows)
        self.data = connection.serialize()
        connection.close()


class SQLiteBackend:
    """The default backend. `dialect`: "mysql" answers as MySQL does, "sqlite" as SQLite.

    Args:
        deadline: seconds that a statement may take.
    """

    def __init__(self, dialect: str, deadline: float) -> None:
        self._dialect = dialect
        self._deadline = deadline
        self._connection = _acquire(dialect)
        self._image: Image | None = None
        self._saved: bytes | None = None

    def reset(self, tables: tuple[Table, ...]) -> None:
        self._image = _image(tables, self._dialect)
        self._saved = None
        self._connection.load(self._image.data)

    def execute(self, sql: str) -> Reply:
        assert self._image is not None
        if self._image.refusal is not None:
            return Reply.failed(self._image.refusal)
        if self._dialect == "sqlite":
            return self._execute_plain(sql)
        planned = _plan if len(sql) <= _CACHED_LENGTH else plan
        return self._execute_plan(planned(sql, self._image.schema))

    def _execute_plan(self, todo: Plan) -> Reply:
        if todo.error is not None:
            return Reply.failed(todo.error)
        if todo.transaction:
            self._transaction(todo.transaction)
            return Reply.of([])
        if not todo.sql:
            return Reply.of(list(todo.rows))
        try:
            rows = self._connection.run(todo.sql, todo.params or {}, self._deadline)
            if todo.sorting is not None:
                rows = todo.sorting.apply(rows)
            if todo.converts:
                rows = [
                    tuple(
                        cell if change is None else change(cell)
                        for cell, change in zip(row, todo.converters, strict=True)
                    )
                    for row in rows
                ]
        except MySQLError as error:
            return Reply.failed(error)
        except sqlite3.Error as error:
            return Reply.failed(_as_mysql(error, self._image))
        except UnicodeError:
            return Reply.failed(MySQLError(1300, "\\xED"))
        except MemoryError:
            return Reply.failed(MySQLError(1104))
        return Reply.of(rows)

    def _execute_plain(self, sql: str) -> Reply:
        try:
            return Reply.of(self._connection.run(sql, {}, self._deadline))
        except MySQLError as error:
            return Reply.failed(error.text)
        except (sqlite3.Error, sqlite3.Warning, MemoryError, OverflowError, ValueError) as error:
            return Reply.failed(_plainly(error))

    def _transaction(self, what: str) -> None:
        if what == "begin":
            self._saved = self._connection.save()
        elif what == "rollback" and self._saved is not None:
            self._connection.load(self._saved)
        if what != "begin":
            self._saved = None

    def dump(self, index: int) -> list[tuple[str | None, ...]]:
        assert self._image is not None
        if self._image.refusal is not None:
            return []
        rows = self._connection.raw.execute(f"SELECT * FROM {self._image.names[index]}").fetchall()
        return [tuple(None if cell is None else str(cell) for cell in row) for row in rows]

    def close(self) -> None:
        self._connection.load(None)
        _pools[self._dialect].append(self._connection)


class _Connection:
    """A guarded connection, opened through SQLAlchemy and kept for many episodes."""

    def __init__(self, dialect: str) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        # AUTOCOMMIT: the driver's own BEGIN would be refused by the authorizer.
        engine = create_engine(
            "sqlite://",
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"check_same_thread": False, "cached_statements": 64},
        )
        self._alchemy = engine.connect()
        raw = self._alchemy.connection.dbapi_connection
        assert isinstance(raw, sqlite3.Connection)
        self.raw: sqlite3.Connection = raw
        self.failures: list[BaseException] = []
        self._watch: runtime.Watch = runtime.Watch()
        if dialect == "mysql":
            runtime.install(raw, self.failures, self._watch)
        for limit, value in {
            sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE, sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1_000_000,
            sqlite3.SQLITE_LIMIT_ATTACHED: 0, sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
            sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0, sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
            sqlite3.SQLITE_LIMIT_COLUMN: 500,
        }.items():  # fmt: skip
            raw.setlimit(limit, value)
        raw.execute("PRAGMA temp_store = MEMORY")
        raw.execute("PRAGMA trusted_schema = OFF")
        self._authorizer: Callable[..., int] = _authorizer(dialect)
        self._operations: int = 0
        self._memory: int = 0

    def load(self, data: bytes | None) -> None:
        """Replaces the database; None leaves an empty one."""
        self.raw.set_authorizer(None)
        self.raw.deserialize(data if data is not None else _EMPTY)
        self.raw.execute(f"PRAGMA max_page_count = {MAX_PAGES}")
        self.raw.set_authorizer(self._authorizer)

    def save(self) -> bytes:
        data: bytes = self.raw.serialize()
        return data

    def run(self, sql: str, params: dict[str, Any], deadline: float) -> list[tuple[Any, ...]]:
        """All rows of a statement. Raises sqlite3.Error, or the MySQLError that a function raised."""
        self.failures.clear()
        self._watch.start(deadline)
        self._operations, self._memory = 0, 0
        self.raw.set_progress_handler(self._progress, _STEP)
        try:
            cursor = self._alchemy.exec_driver_sql(sql, params).cursor
            return [] if cursor is None or cursor.description is None else _fetched(cursor)
        except Exception as error:
            for failure in self.failures:
                if isinstance(failure, MySQLError):
                    raise failure from None
            original = getattr(error, "orig", None)
            raise original if isinstance(original, Exception) else error from None
        finally:
            self.raw.set_progress_handler(None, 0)

    def _progress(self) -> bool:
        """Called every _STEP operations; True interrupts."""
        self._operations += _STEP
        if self._watch.expired() or self._operations > MAX_OPERATIONS:
            return True
        if self._memory and self._watch.elapsed() < _PATIENCE:
            return False
        memory = _resident()
        self._memory = self._memory or memory
        return memory - self._memory > MAX_GROWTH


def _fetched(cursor: Any) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    size = 0
    while batch := cursor.fetchmany(50):
        rows += batch
        size += sum(len(cell) if isinstance(cell, str | bytes) else 8 for row in batch for cell in row)
        if len(rows) > MAX_ROWS or size > MAX_RESULT:
            cursor.close()
            raise MemoryError
    return rows


def _resident() -> int:
    """This process's memory in bytes, 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, ValueError):
        return 0


_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def _empty_image() -> bytes:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA user_version = 1")  # an untouched database has no image
    data = connection.serialize()
    connection.close()
    return data


_EMPTY = _empty_image()


def _acquire(dialect: str) -> _Connection:
    try:
        return _pools[dialect].pop()
    except IndexError:
        return _Connection(dialect)


def _image(tables: tuple[Table, ...], dialect: str) -> Image:
    """The image of these tables, made once. Keyed by identity: hashing all cells would cost more than a reset."""
    key = (id(tables), dialect)
    known = _images.get(key)
    if known is None or known[0] is not tables:
        known = _images[key] = (tables, Image(tables, dialect))
        while len(_images) > _IMAGES:
            _images.popitem(last=False)
    return known[1]


@lru_cache(maxsize=4096)
def _plan(sql: str, schema: Schema) -> Plan:
    return plan(sql, schema)


def _authorizer(dialect: str) -> Callable[..., int]:
    """Refuses everything but SELECT, INSERT, UPDATE and DELETE on the episode's tables."""
    own_table = re.compile(r"t\d+").fullmatch if dialect == "mysql" else None

    def authorize(action: int, first: str | None, second: str | None, *_: object) -> int:
        if action in _ALLOWED_ACTIONS:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            return sqlite3.SQLITE_DENY if (second or "").lower() in _DENIED_FUNCTIONS else sqlite3.SQLITE_OK
        if action in _ROW_ACTIONS:
            name = (first or "").lower()
            if own_table is not None:
                return sqlite3.SQLITE_OK if not name or own_table(name) else sqlite3.SQLITE_DENY
            internal = name.startswith(("sqlite_", "pragma_"))
            readable = action == sqlite3.SQLITE_READ and name in ("sqlite_master", "sqlite_schema")
            return sqlite3.SQLITE_DENY if internal and not readable else sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_PRAGMA and own_table is None and (first or "").lower() in _PRAGMAS:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    return authorize


def _refusal(tables: tuple[Table, ...]) -> MySQLError | None:
    """Why MySQL would not create these tables."""
    for table in tables:
        if not table.name or table.name.endswith(" "):
            return MySQLError(1103, table.name)
        seen: set[str] = set()
        for name in (table.name, *table.columns):
            if len(name) > 64:
                return MySQLError(1059, name)
        for column in table.columns:
            if not column or column.endswith(" "):
                return MySQLError(1166, column)
            if column.lower() in seen:
                return MySQLError(1060, column)
            seen.add(column.lower())
    return None


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _as_mysql(error: sqlite3.Error, image: Image | None) -> MySQLError:
    """A refusal of SQLite's in MySQL's words."""
    text = str(error)
    table = image.schema.tables[0][0] if image is not None and image.schema.tables else ""
    if "interrupted" in text:
        return MySQLError(3024)
    if "full" in text:
        return MySQLError(1114, table)
    if "too big" in text or "too long" in text:
        return MySQLError(1153)
    if "misuse of" in text:
        return MySQLError(1111)
    if "not authorized" in text or "prohibited" in text:
        return MySQLError(1142, "EXECUTE", USER, table)
    if "overflow" in text and "integer" in text:
        return MySQLError(1690, "BIGINT", "expression")
    if "stack overflow" in text or "too large" in text or "too many" in text:
        return MySQLError(1436, 1028576)
    _log.error("SQLite refused a translated statement: %s", text)
    return MySQLError(1105)


def _plainly(error: BaseException) -> str:
    if "interrupted" in str(error):
        return "the statement took too long and was stopped"
    if isinstance(error, MemoryError):
        return "the result is too large"
    return str(error) or type(error).__name__


def _forget_connections() -> None:
    # A connection must not be used on both sides of a fork.
    for pool in _pools.values():
        pool.clear()


os.register_at_fork(after_in_child=_forget_connections)
