"""Functions of dates and times whose type or SQL depends on their arguments' types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envs.dbbench.mysql import datesums
from envs.dbbench.mysql.calls import as_moment, handles
from envs.dbbench.mysql.tree import Call
from envs.dbbench.mysql.types import DATETIME, TEXT, TIME, Value, as_text

if TYPE_CHECKING:
    from envs.dbbench.mysql.translate import Translator

LIBRARIES = (datesums,)  # imported for what it registers


@handles("TIMESTAMP", 1, 2)
def _timestamp(t: Translator, arguments: list[Value], call: Call) -> Value:
    if len(arguments) == 1:
        return Value(f"m_datetime({as_moment(arguments[0])})", DATETIME)
    return Value(f"m_timestamp_sum({as_moment(arguments[0])}, {as_text(arguments[1])})", DATETIME)


@handles("ADDTIME SUBTIME", 2)
def _sum_of_times(t: Translator, arguments: list[Value], call: Call) -> Value:
    first, second = arguments
    name = "add_times" if call.name == "ADDTIME" else "subtract_times"
    kind = first.type.kind
    text = f"({first.sql} || ' 00:00:00')" if kind == "date" else as_text(first)
    result = TIME if kind == "time" else DATETIME if first.type.temporal else TEXT
    return Value(f"m_{name}({text}, {as_text(second)})", result)
