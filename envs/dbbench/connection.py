"""Connections to SQLite in memory that a statement cannot leave, and the pool of those without an episode.

Threats and what stops them:

- ATTACH, PRAGMA, DDL, transactions, extensions, functions that allocate or format at will: the authorizer;
- endless or explosive queries: a progress handler with a deadline, an operation budget and an eye on memory;
- long values, growing tables, huge results: SQLite's limits, max_page_count, a capped fetch;
- user functions that run long: they look at the deadline themselves (mysql/runtime.py, mysql/regexp.py);
- a statement that fails half-way, in SQLite or in a callback of ours: it runs in a savepoint and is undone.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from envs.dbbench.limits import Growth, fetch
from envs.dbbench.mysql import runtime
from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.session import Session
from envs.errors import InternalError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from envs.dbbench.image import Image

_log = logging.getLogger(__name__)

MAX_PAGES = 4096  # of 4 KiB: 16 MiB for an episode's tables
MAX_VALUE = 1_000_000  # bytes of a value or a row
MAX_OPERATIONS = 20_000_000
KEPT = 128
"""Tasks whose tables and prepared statements stay for their next episode; about a quarter of a MiB each."""
_UNDONE = 1000  # cells that are sooner put back than loaded
_PAGE_SIZE = 4096
_SPARE_PAGES = 16  # that an idle connection may keep
_STEP = 500  # operations between two looks at the clock
_PATIENCE = 0.02  # seconds before memory is looked at

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE, sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0, sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0, sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_COLUMN: 2000,
}  # fmt: skip
# What the layer's translator bounds for the other dialect.
_PLAIN_LIMITS = {sqlite3.SQLITE_LIMIT_SQL_LENGTH: 40_000, sqlite3.SQLITE_LIMIT_COLUMN: 500}
# regexp is SQLAlchemy's, of Python's `re`, which runs for hours if asked to.
_DENIED_FUNCTIONS = frozenset(
    """
    edit format fts3_tokenizer fts5 load_extension printf randomblob readfile regexp rtreecheck rtreedepth rtreenode
    soundex sqlite_compileoption_get sqlite_compileoption_used sqlite_log sqlite_offset sqlite_source_id unhex
    writefile zeroblob
    """.split()  # noqa: SIM905
)
_ALLOWED_ACTIONS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE})
_ROW_ACTIONS = frozenset({sqlite3.SQLITE_READ, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
# The savepoint of each statement. No agent can guess the name, so none can open or close it.
_SAVEPOINT = f"s{secrets.token_hex(16)}"
_PRAGMAS = {"mysql": {"page_count"}, "sqlite": {"page_count", "table_info", "table_xinfo", "table_list"}}


class Connection:
    """A guarded connection, opened through SQLAlchemy and kept for many episodes.

    Statements go to the driver's own connection: SQLAlchemy's execution costs several times what SQLite's does.
    """

    def __init__(self, dialect: str) -> None:
        self._pooled = _engine().raw_connection()
        raw = self._pooled.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        self.raw: sqlite3.Connection = raw
        self._failures: list[BaseException] = []
        self._watch: runtime.Watch = runtime.Watch()
        self.session = Session()
        """MySQL's session of the episode."""
        self.changed = 0
        """Rows that the last statement changed, -1 for a query."""
        if dialect == "mysql":
            runtime.install(raw, self._failures, self._watch, self.session)
        for limit, value in {**_LIMITS, **(_PLAIN_LIMITS if dialect == "sqlite" else {})}.items():
            raw.setlimit(limit, value)
        raw.execute("PRAGMA temp_store = MEMORY")
        raw.execute("PRAGMA trusted_schema = OFF")
        self._authorizer: Callable[..., int] = _authorizer(dialect)
        self._operations: int = 0
        self._growth: Growth = Growth()
        self.image: Image | None = None
        """What was loaded last, unless something else has replaced it."""
        self._changes: int = 0

    def load(self, image: Image) -> None:
        """Makes the database the image, by the shortest way from what it is, and the session a new one."""
        self.session.clear()
        if image is not self.image or (self.raw.total_changes != self._changes and not self._undo(image)):
            self.restore(image.data)
        self.image, self._changes = image, self.raw.total_changes

    def _undo(self, image: Image) -> bool:
        """Puts the rows back, so that prepared statements stay. False if that cannot be, or would take longer."""
        cells = sum(len(cells) for _, cells in image.inserts)
        pages = len(image.data) // _PAGE_SIZE
        if cells > _UNDONE or self.raw.execute("PRAGMA page_count").fetchone()[0] > pages + _SPARE_PAGES:
            return False
        try:
            for name in image.names:
                self.raw.execute(f"DELETE FROM {name}")
            for statement, row_cells in image.inserts:
                self.raw.execute(statement, row_cells)
        except sqlite3.DatabaseError:  # a table with a name that the authorizer denies
            return False
        return True

    def restore(self, data: bytes) -> None:
        """Replaces the database by what save() returned."""
        self.image = None
        self.raw.set_authorizer(None)
        self.raw.deserialize(data)
        self.raw.execute(f"PRAGMA max_page_count = {MAX_PAGES}")  # deserialize() resets it
        # This also makes SQLite forget its prepared statements: of two databases with as many tables it would not
        # notice that they differ.
        self.raw.set_authorizer(self._authorizer)

    def save(self) -> bytes:
        data: bytes = self.raw.serialize()
        return data

    def run(self, sql: str, params: dict[str, Any], deadline: float) -> list[tuple[Any, ...]]:
        """All rows of a statement; one that raises leaves the tables as they were.

        Raises:
            sqlite3.Error, TooLarge, MemoryError: SQLite's refusal, or a limit.
            MySQLError: a function's refusal.
            InternalError: a function, an aggregate or a collation failed.
        """
        self._failures.clear()
        self._watch.start(deadline)
        self._operations, self._growth = 0, Growth()
        self.raw.execute(f"SAVEPOINT {_SAVEPOINT}")
        self.raw.set_progress_handler(self._progress, _STEP)
        try:
            rows = self._rows_of(sql, params)
        except BaseException:
            self._undo_savepoint()
            raise
        self.raw.execute(f"RELEASE {_SAVEPOINT}")
        return rows

    def _undo_savepoint(self) -> None:
        if self.raw.in_transaction:  # SQLite has ended it where it was interrupted or full
            self.raw.execute(f"ROLLBACK TO {_SAVEPOINT}")
            self.raw.execute(f"RELEASE {_SAVEPOINT}")

    def _rows_of(self, sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        cursor = self.raw.cursor()
        try:
            cursor.execute(sql, params)
            if cursor.description is not None:
                fetch(cursor, rows)
            self.changed = cursor.rowcount
        except Exception as error:
            raise self._cause(error) from None
        finally:
            cursor.close()
            self.raw.set_progress_handler(None, 0)
        if self._failures:  # a collation cannot abort a statement: what it failed to compare counted as equal
            raise self._cause(self._failures[0])
        return rows

    def write(self, statements: list[tuple[str, tuple[int, ...]]], rows: list[tuple[Any, ...]]) -> None:
        """Runs statements for each row, all or none of them: with each the places of its parameters in the row."""
        self.changed = 0
        self.raw.execute(f"SAVEPOINT {_SAVEPOINT}")
        try:
            for sql, cells in statements:
                # A table's row may be in several rows: what comes first counts. Outer joins leave NULLs.
                firsts: dict[Any, tuple[Any, ...]] = {}
                for row in rows:
                    firsts.setdefault(row[cells[0]], tuple(row[i] for i in cells))
                firsts.pop(None, None)
                self.changed += self.raw.executemany(sql, list(firsts.values())).rowcount
        except BaseException:
            self._undo_savepoint()
            raise
        self.raw.execute(f"RELEASE {_SAVEPOINT}")

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """All rows of a table, by its quoted name."""
        statement = f"SELECT * FROM {table}"
        try:
            return self.raw.execute(statement).fetchall()
        except sqlite3.OperationalError:  # text that is no UTF-8, which CAST makes of a BLOB in the plain dialect
            self.raw.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
            try:
                return self.raw.execute(statement).fetchall()
            finally:
                self.raw.text_factory = str

    def _cause(self, error: BaseException) -> BaseException:
        """What a callback raised: SQLite passes on only that there was something, or not even that."""
        if not self._failures:
            return error
        failure = next((f for f in self._failures if not isinstance(f, Exception)), self._failures[0])
        if isinstance(failure, RecursionError):
            return MySQLError(1436, 1028576)
        if isinstance(failure, MySQLError | MemoryError) or not isinstance(failure, Exception):
            return failure
        _log.error("a function of the MySQL layer failed", exc_info=failure)
        return InternalError(f"a function of the MySQL layer failed: {type(failure).__name__}: {failure}")

    def _progress(self) -> bool:
        """Called every _STEP operations; True interrupts."""
        self._operations += _STEP
        if self._failures or self._watch.expired() or self._operations > MAX_OPERATIONS:
            return True
        return self._watch.elapsed() > _PATIENCE and self._growth.exceeded()


class Pool:
    """Connections without an episode, by the image that they hold. Threads may share it."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._lock = threading.Lock()
        self._idle: OrderedDict[Image, list[Connection]] = OrderedDict()

    def take(self, image: Image) -> Connection:
        """A connection with these tables: one that has them, else a new one, else that of the task longest unseen."""
        connection = None
        with self._lock:
            if image in self._idle or len(self._idle) >= KEPT:
                key = image if image in self._idle else next(iter(self._idle))
                connection = self._idle[key].pop()
                if not self._idle[key]:
                    del self._idle[key]
        connection = connection or Connection(self._dialect)
        connection.load(image)
        return connection

    def give(self, connection: Connection, image: Image) -> None:
        """Takes a connection back; nothing of its episode remains."""
        connection.load(image)
        with self._lock:
            self._idle.setdefault(image, []).append(connection)
            self._idle.move_to_end(image)


@lru_cache(maxsize=1)
def _engine() -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    # isolation_level: the driver's own BEGIN would be refused by the authorizer.
    options = {"check_same_thread": False, "isolation_level": None, "cached_statements": 32}
    return create_engine("sqlite://", poolclass=NullPool, connect_args=options)


@lru_cache
def _authorizer(dialect: str) -> Callable[..., int]:
    """Refuses everything but SELECT, INSERT, UPDATE and DELETE on the episode's tables."""
    own_table = re.compile(r"[tw]\d+").fullmatch if dialect == "mysql" else None

    def authorize(action: int, first: str | None, second: str | None, *_: object) -> int:
        if action in _ALLOWED_ACTIONS or (action == sqlite3.SQLITE_SAVEPOINT and second == _SAVEPOINT):
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
        if action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in _PRAGMAS[dialect]:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    # Of the layer's own names there are few; an agent's could fill a cache.
    return lru_cache(maxsize=4096)(authorize) if dialect == "mysql" else authorize


POOLS: dict[str, Pool] = {dialect: Pool(dialect) for dialect in ("mysql", "sqlite")}


def _after_fork() -> None:
    # A connection must not be used on both sides of a fork, nor a lock that another thread of the parent's held.
    POOLS.update({dialect: Pool(dialect) for dialect in POOLS})


os.register_at_fork(after_in_child=_after_fork)
