"""The sandbox: a task's tables in a database of its own, for statements nobody has looked at."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from envs.dbbench.backend import Backend, Reply
from envs.dbbench.hashing import combined_hash
from envs.dbbench.limits import TooLarge
from envs.dbbench.task import Cell, DBTask
from envs.errors import ContractError, TaskError

DEADLINE = 0.6

Opener = Callable[[str, str, float], Backend]


def _open_sqlite(url: str, dialect: str, deadline: float) -> Backend:
    from envs.dbbench.sqlite import SQLiteBackend

    return SQLiteBackend(dialect, deadline)


def _open_mysql(url: str, dialect: str, deadline: float) -> Backend:
    from envs.dbbench.mysql_server import MySQLServer

    return MySQLServer(url, deadline)


def _open_postgres(url: str, dialect: str, deadline: float) -> Backend:
    from envs.dbbench.postgres_server import PostgresServer

    return PostgresServer(url, deadline)


# The URL's scheme up to "+" or ":" -> what opens it with (url, dialect, deadline), and the dialects that it speaks.
OPENERS: dict[str, tuple[Opener, tuple[str, ...]]] = {
    "sqlite": (_open_sqlite, ("mysql", "sqlite")),
    "mysql": (_open_mysql, ("mysql",)),
    "mariadb": (_open_mysql, ("mysql",)),
    "postgresql": (_open_postgres, ("postgres",)),
}


class Sandbox:
    """Runs an agent's statements on a task's tables, and forgets everything at the end.

    Args:
        task: its tables are loaded; every column is TEXT.
        backend: a SQLAlchemy URL. `sqlite://` is in memory and needs nothing; `mysql+pymysql://user:password@host/`
            is MySQL or MariaDB, `postgresql+psycopg://user:password@host/database` PostgreSQL, each for a user who may
            create schemas and users.
        dialect: how `sqlite://` answers: "mysql" as MySQL 9 does, to error numbers and texts, "sqlite" as it is.
            Servers answer as themselves: "mysql" for MySQL and MariaDB, "postgres" for PostgreSQL.
        deadline: seconds that a statement may take.

    Raises:
        TaskError: for an unknown backend, or a dialect that it does not speak.
        BackendError: a server, its driver, or the right to create a schema on it is missing.
    """

    def __init__(
        self, task: DBTask, backend: str = "sqlite://", dialect: str = "mysql", deadline: float = DEADLINE
    ) -> None:
        scheme = backend.partition(":")[0].partition("+")[0]
        if scheme not in OPENERS:
            raise TaskError(f"unknown backend {scheme!r}", remedy=f"Use a URL of {', '.join(sorted(OPENERS))}.")
        opener, dialects = OPENERS[scheme]
        if dialect not in dialects:
            remedy = f"Use one of {', '.join(dialects)}."
            raise TaskError(f"{scheme} does not answer in the dialect {dialect!r}", remedy=remedy)
        self._tables = task.tables
        self._backend: Backend | None = opener(backend, dialect, deadline)
        try:
            self._backend.reset(task.tables)
        except BaseException:
            self.close()
            raise

    def execute(self, sql: str) -> Reply:
        """Runs one statement. Whatever it is, the answer is a Reply; what fails or is refused says so in MySQL's words.

        Raises:
            InternalError: the sandbox's own code failed. The tables are as they were before the statement.
            ContractError: after close().
        """
        return self._open().execute(sql)

    def reset(self, task: DBTask | None = None) -> None:
        """Starts over with the same tables, or with another task's."""
        self._tables = self._tables if task is None else task.tables
        self._open().reset(self._tables)

    def state(self) -> list[list[tuple[Cell, ...]]] | None:
        """All rows of each table as they are now; None where they have grown beyond what is read, as no task's do."""
        backend = self._open()
        try:
            return [backend.dump(i) for i in range(len(self._tables))]
        except TooLarge:
            return None

    def table_hash(self) -> str:
        """The benchmark's hash of the tables as they are now (hashing.py), "" where they have grown too large."""
        state = self.state()
        return "" if state is None else combined_hash(state)

    def close(self) -> None:
        """Gives the database back. Closing twice is harmless."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def _open(self) -> Backend:
        if self._backend is None:
            raise ContractError("the sandbox is closed", remedy="Make a new Sandbox for each episode.")
        return self._backend

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["Reply", "Sandbox"]
