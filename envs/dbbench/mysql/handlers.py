"""Where functions register whose type or SQL depends on their arguments' types."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from envs.dbbench.mysql.tree import Call
from envs.dbbench.mysql.types import Value

if TYPE_CHECKING:
    from envs.dbbench.mysql.translate import Translator

Handler = Callable[["Translator", list[Value], Call], Value]
# Name -> (fewest arguments, most arguments, handler).
HANDLERS: dict[str, tuple[int, int, Handler]] = {}


def handles(names: str, least: int, most: int | None = None) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for name in names.split():
            HANDLERS[name] = (least, least if most is None else most, handler)
        return handler

    return register
