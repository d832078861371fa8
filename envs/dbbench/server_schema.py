"""An episode's place on a real server: a schema and a user of one name, gone with the episode or with its process."""

from __future__ import annotations

import hashlib
import itertools
import os
import platform
import re
import secrets
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar

from envs.dbbench.password import password_of
from envs.errors import BackendError, TaskError
from envs.installation import install

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

NAME = re.compile(r"ta-[0-9a-f]{6}-\d+-[0-9a-f]{8}-[0-9a-f]{4}")
_number = itertools.count()
_engines: dict[URL, Engine] = {}


class ServerSchema(ABC):
    """A schema, and a user who may SELECT, INSERT, UPDATE and DELETE in it and nothing else anywhere.

    The name is locked on the server for as long as this process is connected. The first schema of a process on a
    server drops all those whose lock is free: their processes are dead, on whatever host they ran.

    Args:
        url: of a user who may create schemas and users. The episodes never use it.
        deadline: seconds that a statement may take.

    Raises:
        BackendError: there is no server, no driver, or no right to create a schema and a user.
        TaskError: a URL that cannot be read, or names another driver.
    """

    driver: ClassVar[str]
    extra: ClassVar[str]
    """What to install for the driver: an extra of this package."""
    rights: ClassVar[str]
    """What to do where the URL's user has too few rights."""

    def __init__(self, url: str, deadline: float) -> None:
        self.deadline = deadline
        self.name = _new_name()
        self._password = secrets.token_urlsafe(18) + "aA1!"  # a server may ask for every kind of character
        self._control: Connection | None = None
        self._url = self._read(url)
        with self._reported("cannot make a schema and a user for the episode", self.rights):
            self._control = self._engine().connect()
            try:
                self._lock(self._control, self.name)
                self._create(self._control)
            except BaseException:
                with suppress(Exception):
                    self._drop(self._control, self.name)
                self._control.invalidate()  # the lock ends with its connection
                raise

    def remove(self) -> None:
        """Drops schema and user. Twice is harmless."""
        if self._control is None:
            return
        control, self._control = self._control, None
        with self._reported("cannot drop the episode's schema", "The next start drops it."), control:
            self._drop(control, self.name)
            self._unlock(control, self.name)

    def _connect(self) -> Any:
        dialect = self._engine().dialect
        url = self._url.set(username=self.name, password=self._password, **self._home())
        args, options = dialect.create_connect_args(url)
        return dialect.connect(*args, **{**options, **self._limits()})

    def _engine(self) -> Engine:
        """The pool of this URL's connections. The first one of a process sweeps up after dead ones."""
        if self._url not in _engines:
            from sqlalchemy import create_engine
            from sqlalchemy.pool import QueuePool

            engine = create_engine(
                self._url, isolation_level="AUTOCOMMIT", poolclass=QueuePool, pool_pre_ping=True, max_overflow=-1
            )
            with engine.connect() as control:
                self._sweep(control)
            _engines[self._url] = engine
        return _engines[self._url]

    def _sweep(self, control: Connection) -> None:
        for name in filter(NAME.fullmatch, self._names(control)):
            if self._lock(control, name):
                try:
                    self._drop(control, name)
                except Exception as error:
                    warnings.warn(f"a dead episode's schema {name} remains: {original(error)}", stacklevel=2)
                self._unlock(control, name)

    def _read(self, text: str) -> URL:
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            raise TaskError("not a database URL", remedy=f"It reads {self.driver}://user:password@host/.") from None
        if "+" in url.drivername and url.drivername.partition("+")[2] != self.driver.partition("+")[2]:
            raise TaskError(f"no driver {url.drivername!r} here", remedy=f"Use {self.driver}://...")
        return url.set(drivername=self.driver, password=password_of(url.password))

    @contextmanager
    def _reported(self, what: str, remedy: str) -> Iterator[None]:
        """Turns what the driver raises into a BackendError that says what to do."""
        try:
            yield
        except BackendError:
            raise
        except ModuleNotFoundError as error:
            raise self._failure(
                f"the driver {error.name} is not installed", None, f"Type: {install(self.extra)}"
            ) from error
        except Exception as error:
            cause = original(error)
            remedy = "Start the server, or mend the URL." if self._is_gone(cause) else remedy
            raise self._failure(what, cause, remedy) from error

    def _failure(self, what: str, error: BaseException | None, remedy: str) -> BackendError:
        reason = f" ({str(error).strip()})" if error is not None else ""
        return BackendError(what + reason, where=self._url.render_as_string(hide_password=True), remedy=remedy)

    # ------------------------------------------------------------------------------- where the servers differ

    @abstractmethod
    def _lock(self, control: Connection, name: str) -> bool:
        """Takes the lock that keeps a name from being swept; False if a living process has it."""

    @abstractmethod
    def _unlock(self, control: Connection, name: str) -> None:
        """Gives the lock back."""

    @abstractmethod
    def _names(self, control: Connection) -> list[str]:
        """The schemas of this server."""

    @abstractmethod
    def _create(self, control: Connection) -> None:
        """Makes the schema, and a user who may change its rows."""

    @abstractmethod
    def _drop(self, control: Connection, name: str) -> None:
        """Ends the user's sessions and drops user and schema, whatever there is of them."""

    @abstractmethod
    def _home(self) -> dict[str, Any]:
        """The parts of the URL that say where the agent's session begins."""

    @abstractmethod
    def _limits(self) -> dict[str, Any]:
        """The driver's options for a connection of the agent's."""

    @abstractmethod
    def _is_gone(self, error: BaseException) -> bool:
        """Whether the error means that there is no server, or no connection any more."""


def run(control: Connection, statement: str) -> None:
    """Runs a statement without parameters, in which "%" is itself."""
    control.exec_driver_sql(statement.replace("%", "%%")).close()


def _new_name() -> str:
    """Says to who looks at the server whose it is: host, process, time; at most 32 characters, as users of MySQL's."""
    host = hashlib.blake2b(platform.node().encode(), digest_size=3).hexdigest()
    return f"ta-{host}-{os.getpid()}-{int(time.time()):08x}-{next(_number) & 0xFFFF:04x}"


def original(error: BaseException) -> BaseException:
    """The driver's error behind SQLAlchemy's."""
    cause = getattr(error, "orig", None)
    return cause if isinstance(cause, BaseException) else error


def _after_fork() -> None:
    for engine in _engines.values():
        engine.dispose(close=False)  # the connections are the parent's
    _engines.clear()


os.register_at_fork(after_in_child=_after_fork)
