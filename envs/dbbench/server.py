"""Real servers behind the sandbox: what MySQL, MariaDB and PostgreSQL have in common.

An episode has a schema of its own and a user of its own, both of one name. The user may SELECT, INSERT, UPDATE and
DELETE there, and nothing else anywhere. Threats and what stops them:

- other data, files, DDL, the server itself: the user's missing rights;
- a session that lifts its own limits, locks, waits, runs SQL made of text: refused before it reaches the server;
- endless queries: the server's own time limit, then a watchdog that ends the session from a second connection;
- a session that the agent ends or breaks: as long as the server takes another, that is the agent's own error, and the
  tables are read back by the user who made them;
- huge results, growing tables: a capped fetch, a count of changed rows, the watchdog's eye on this process's memory;
- a crash of this process: the name is locked on the server for as long as the process is connected. The next start on
  that server, from whatever host, drops every schema whose lock is free.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from envs.dbbench.backend import Reply
from envs.dbbench.limits import MAX_RESULT, MAX_ROWS, TooLarge, fetch
from envs.dbbench.server_schema import ServerSchema, original, run
from envs.dbbench.task import Table
from envs.dbbench.watchdog import Watchdog

if TYPE_CHECKING:
    from sqlalchemy import Connection

GRACE = 0.15  # seconds that the server's own limit has before the watchdog ends the session


_RETURNING = re.compile("returning", re.IGNORECASE)


class Refused(Exception):
    """A statement that is not for the agent, or was stopped; `str()` is what the agent reads, `stopped` Reply's."""

    def __init__(self, text: object, stopped: str = "") -> None:
        super().__init__(text)
        self.stopped = stopped


class ServerBackend(ServerSchema):
    """A database on a server, for one episode at a time.

    Args:
        url: of a user who may create schemas and users. The episodes never use it.
        deadline: seconds that a statement may take.

    Raises:
        BackendError: there is no server, no driver, or no right to create a schema and a user.
        TaskError: a URL that cannot be read, or names another driver.
    """

    too_late: ClassVar[str]
    too_large: ClassVar[str]
    too_many: ClassVar[str]

    def __init__(self, url: str, deadline: float) -> None:
        super().__init__(url, deadline)
        self.tables: tuple[Table, ...] = ()
        self._session: Any = None
        self._refusal: str | None = None
        self._changed = 0

    # ------------------------------------------------------------------------------------------ what Sandbox calls

    def reset(self, tables: tuple[Table, ...]) -> None:
        self._disconnect()
        assert self._control is not None
        with self._reported("cannot load the episode's tables", "See the server's log."):
            if self.tables:
                run(self._control, f"DROP TABLE IF EXISTS {', '.join(map(self._place, self.tables))}")
            self.tables, self._refusal, self._changed = tables, None, 0
            try:
                for table in tables:
                    self._load(self._control, table)
            except Exception as error:
                if not self._is_tables_fault(original(error)):
                    raise
                self._refusal = self._worded(original(error))

    def execute(self, sql: str) -> Reply:
        if self._refusal is not None:
            return Reply.failed(self._refusal)
        sql = sql.encode("utf-8", "replace").decode()  # a lone surrogate has no bytes to send
        try:
            statement = self._screened(sql)
            return Reply.of(self._run(statement) if statement else [])
        except Refused as refusal:
            return Reply.failed(refusal.args[0], refusal.stopped)
        except RecursionError:  # a JSON value whose lists nest deeper than Python prints
            return Reply.failed(self.too_large, "size")

    def dump(self, index: int) -> list[tuple[str | None, ...]]:
        """All rows of a table, in the agent's session, where a transaction may be open. Where that cannot be read,
        whatever the agent did to it, in the session of the user who made the table: it sees what is committed."""
        if self._refusal is not None:
            return []
        try:
            return self._read_back(index)
        except TooLarge:
            raise
        except Exception:
            self._disconnect()
        with self._reported("cannot read the tables back", "See the server's log."):
            rows = self._read_as_owner(self.tables[index])
        if rows is None:
            raise TooLarge
        return rows

    def _read_as_owner(self, table: Table) -> list[tuple[str | None, ...]] | None:
        """All rows of a table, or None for more than is read."""
        assert self._control is not None
        place = self._place(table).replace("%", "%%")
        lengths = ", ".join(f"COALESCE(SUM(CHAR_LENGTH({self._quoted(name)})), 0)" for name in table.columns)
        sizes = self._control.exec_driver_sql(f"SELECT COUNT(*), {lengths.replace('%', '%%')} FROM {place}").one()
        if sizes[0] > MAX_ROWS or sum(map(int, sizes[1:])) > MAX_RESULT:
            return None
        return [tuple(row) for row in self._control.exec_driver_sql(f"SELECT * FROM {place}")]

    def _read_back(self, index: int) -> list[tuple[str | None, ...]]:
        rows: list[tuple[str | None, ...]] = []
        cursor = self._cursor(self._connected())
        try:
            self._before_dump(cursor)
            cursor.execute(f"SELECT * FROM {self._place(self.tables[index])}")
            fetch(cursor, rows)
        except BaseException:
            self._leave(cursor)
            raise
        return rows

    def close(self) -> None:
        self._disconnect()
        self.remove()

    # ---------------------------------------------------------------------------------------- one statement's life

    def _run(self, statement: str) -> list[tuple[Any, ...]]:
        session = self._connected()
        cursor = self._cursor(session)
        watchdog = Watchdog(self.deadline + GRACE, self._stopper(session))
        rows: list[tuple[Any, ...]] = []
        try:
            with watchdog:
                self._send(cursor, statement)
                if cursor.description is None:
                    self._count(cursor.rowcount)
                else:
                    fetch(cursor, rows)
                    self._count(len(rows) if _RETURNING.search(statement) else 0)
        except TooLarge:
            self._leave(cursor)  # most of the result is still on its way
            raise Refused(self.too_large, "size") from None
        except Refused:
            self._leave(cursor)
            raise
        except Exception as error:
            if watchdog.fired:
                self._leave(cursor)
                late = watchdog.fired == "late"
                raise Refused(self.too_late if late else self.too_large, "time" if late else "size") from None
            if self._is_gone(error):
                self._leave(cursor)
                self._connected()  # a BackendError where the server is gone, and not this session alone
                raise Refused(self._worded(error), "session") from None
            if not self._is_answer(error):
                self._leave(cursor)  # the driver could not read what came, and the rest of it is still on its way
                raise Refused(self._worded(error), "session") from None
            text = self._worded(error)
            raise Refused(text, "time" if text.startswith(self.too_late) else "") from None
        if watchdog.fired:
            self._leave(cursor)
        else:
            cursor.close()
        return rows

    def _leave(self, cursor: Any) -> None:
        """Drops the session, whatever is still on its way."""
        self._abandon(cursor)
        self._disconnect()

    def _count(self, changed: int) -> None:
        self._changed += max(changed, 0)
        if changed > 0 and self._changed > MAX_ROWS:
            raise Refused(self.too_many, "size")

    # ------------------------------------------------------------------------------------------------- connections

    def _connected(self) -> Any:
        """The agent's own connection, made where there is none."""
        if self._session is None:
            with self._reported("the episode's user cannot connect", self.rights):
                try:
                    self._session = self._connect()
                except Exception as error:
                    if not self._is_crowded(original(error)):
                        raise
            if self._session is None:  # the agent's own sessions, still busy with what was stopped
                raise Refused(self.too_late, "session")
        return self._session

    def _disconnect(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(Exception):
                session.close()

    def _stopper(self, session: Any) -> Callable[[], None]:
        number = self._number(session)

        def stop() -> None:
            self._hang_up(session)
            second = self._connect()
            try:
                second.cursor().execute(self._end_of(number))
            finally:
                second.close()

        return stop

    # ------------------------------------------------------------------------------- where the servers differ

    @abstractmethod
    def _load(self, control: Connection, table: Table) -> None:
        """Creates a table with its rows."""

    @abstractmethod
    def _place(self, table: Table) -> str:
        """The table's quoted name with its schema's."""

    @abstractmethod
    def _quoted(self, name: str) -> str:
        """A name between the server's quotes."""

    @abstractmethod
    def _is_answer(self, error: BaseException) -> bool:
        """Whether the error is the server's answer to a statement, so that the session is as good as before."""

    @abstractmethod
    def _is_crowded(self, error: BaseException) -> bool:
        """Whether the error means that the episode's user has all the connections that it may."""

    @abstractmethod
    def _number(self, session: Any) -> int:
        """The server's number of a connection."""

    @abstractmethod
    def _end_of(self, number: int) -> str:
        """The statement that ends the connection of this number."""

    @abstractmethod
    def _cursor(self, session: Any) -> Any:
        """A cursor that holds as little of a result as the driver can."""

    @abstractmethod
    def _screened(self, sql: str) -> str:
        """The statement to send, or "" for none. Raises Refused."""

    @abstractmethod
    def _worded(self, error: BaseException) -> str:
        """The driver's error as the agent reads it."""

    @abstractmethod
    def _is_tables_fault(self, error: BaseException) -> bool:
        """Whether the error means that no server would take such a table."""

    def _send(self, cursor: Any, statement: str) -> None:
        cursor.execute(statement)

    def _abandon(self, cursor: Any) -> None:
        """Makes the driver forget an unread result. Only MySQL's needs it."""

    def _hang_up(self, session: Any) -> None:
        """Lets the waiting thread go at once. Only PostgreSQL's needs it: the others' server hangs up."""

    def _before_dump(self, cursor: Any) -> None:
        """Makes the session able to read, whatever the agent left. Only PostgreSQL's needs it."""
