"""What a database behind the sandbox has to do, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from envs.dbbench.mysql.errors import Unsupported
from envs.dbbench.task import Table


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a statement.

    Attributes:
        rows: what a query returned, as the driver gives it; empty for a change and for an error.
        error: None, or the refusal as connectors print it: `1146 (42S02): Table 'dbbx.x' doesn't exist`.
        text: what the agent sees: the rows as a Python list, or the error.
        unsupported: the error is not the database's: MySQL can do it, the layer that answers as MySQL cannot.
    """

    rows: list[tuple[Any, ...]]
    error: str | None
    text: str
    unsupported: bool = False

    @classmethod
    def of(cls, rows: list[tuple[Any, ...]]) -> Reply:
        return cls(rows, None, str(rows))

    @classmethod
    def failed(cls, error: object) -> Reply:
        return cls([], str(error), str(error), isinstance(error, Unsupported))


class Backend(Protocol):
    """A database that holds one episode at a time. What an agent's statement does is a Reply, never an exception."""

    def reset(self, tables: tuple[Table, ...]) -> None:
        """Forgets the last episode and loads these tables, every column TEXT."""

    def execute(self, sql: str) -> Reply:
        """Runs one statement of the agent's under the deadline."""
        ...

    def dump(self, index: int) -> list[tuple[str | None, ...]]:
        """All rows of the episode's table number `index`, whose columns are TEXT.

        Raises:
            TooLarge: they have grown beyond limits.MAX_RESULT.
        """
        ...

    def close(self) -> None:
        """Gives the database back; nothing of the episode remains."""
