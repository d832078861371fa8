"""Functions of dates and times whose type or SQL depends on their arguments' types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envs.dbbench.mysql import datesums
from envs.dbbench.mysql.calls import as_moment
from envs.dbbench.mysql.handlers import handles
from envs.dbbench.mysql.tree import Call
from envs.dbbench.mysql.types import DATETIME, TEXT, TIME, Value, as_count, as_decimal, as_double, as_text

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


def _seconds(value: Value) -> str:
    """A number of seconds, which MySQL reads of a string as DECIMAL."""
    return f"CAST({as_decimal(value)} AS REAL)" if value.type.kind == "text" else as_double(value)


@handles("SEC_TO_TIME", 1)
def _sec_to_time(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value(f"m_seconds_time({_seconds(arguments[0])})", TIME)


@handles("MAKETIME", 3)
def _maketime(t: Translator, arguments: list[Value], call: Call) -> Value:
    hour, minute, second = arguments
    return Value(f"m_clock_time({as_count(hour)}, {as_count(minute)}, {_seconds(second)})", TIME)


@handles("FROM_UNIXTIME", 1, 2)
def _from_unixtime(t: Translator, arguments: list[Value], call: Call) -> Value:
    seconds = arguments[0]
    real = seconds.type.kind == "text" or seconds.type.real
    digits = 6 if real else min(seconds.type.scale, 6)
    sql = f"m_unix_datetime({as_decimal(seconds)}, {digits})"
    if len(arguments) == 1:
        return Value(sql, DATETIME)
    return Value(f"m_date_format({sql}, {as_text(arguments[1])})", TEXT)


_FORMATS = {
    "DATE": {"USA": "%m.%d.%Y", "EUR": "%d.%m.%Y", "INTERNAL": "%Y%m%d", "ISO": "%Y-%m-%d", "JIS": "%Y-%m-%d"},
    "DATETIME": {"USA": "%Y-%m-%d %H.%i.%s", "EUR": "%Y-%m-%d %H.%i.%s", "INTERNAL": "%Y%m%d%H%i%s",
                 "ISO": "%Y-%m-%d %H:%i:%s", "JIS": "%Y-%m-%d %H:%i:%s"},
    "TIME": {"USA": "%h:%i:%s %p", "EUR": "%H.%i.%s", "INTERNAL": "%H%i%s", "ISO": "%H:%i:%s", "JIS": "%H:%i:%s"},
}  # fmt: skip


def get_format(t: Translator, kind: str, place: Value) -> Value:
    """GET_FORMAT: how dates are written at a place, as a format of DATE_FORMAT."""
    formats = _FORMATS["DATETIME" if kind == "TIMESTAMP" else kind]
    whens = " ".join(f"WHEN {t.param(name)} THEN {t.param(pattern)}" for name, pattern in formats.items())
    literal = formats.get(place.literal.upper()) if isinstance(place.literal, str) else None
    return Value(f"(CASE upper({as_text(place)}) {whens} END)", TEXT, literal, constant=place.constant)
