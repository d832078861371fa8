"""MySQL's functions that need Python, by name: what they take, what they return, and the function itself.

`@function(names, takes, returns)`: `takes` has a letter an argument (t text, i integer, u integer, as text where it is
beyond BIGINT, r double, d date or datetime as text, c time as text), those after "|" optional, "*" repeats the last.
NULL in, NULL out. Results are capped at MAX_TEXT characters: beyond, NULL, which is MySQL's answer beyond
max_allowed_packet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from envs.dbbench.mysql.types import Type

MAX_TEXT = 1_000_000


@dataclass(frozen=True, slots=True)
class Function:
    """A function callable from SQLite under the name `f"m_{name.lower()}"`."""

    name: str
    takes: str
    returns: Type
    call: Callable[..., Any]
    nulls: bool

    @property
    def arity(self) -> tuple[int, int]:
        needed = self.takes.partition("|")[0]
        least = len(needed.rstrip("*"))
        return least, 99 if "*" in self.takes else len(self.takes.replace("|", ""))

    def kind(self, position: int) -> str:
        letters = self.takes.replace("|", "").replace("*", "")
        return letters[min(position, len(letters) - 1)]

    def strict(self) -> Callable[..., Any]:
        """The callable for SQLite: NULL for NULL, too long a text is NULL."""
        call = self.call
        if self.nulls:
            return call

        def wrapped(*arguments: Any) -> Any:
            if None in arguments:
                return None
            result = call(*arguments)
            return None if isinstance(result, str) and len(result) > MAX_TEXT else result

        return wrapped


# MySQL's functions in upper case, those that only translations use in lower case.
FUNCTIONS: dict[str, Function] = {}


def function(names: str, takes: str, returns: Type, nulls: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Registers a function under its names. `nulls`: it sees NULLs itself."""

    def register(call: Callable[..., Any]) -> Callable[..., Any]:
        for name in names.split():
            FUNCTIONS[name] = Function(name, takes, returns, call, nulls)
        return call

    return register
