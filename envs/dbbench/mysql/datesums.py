"""EXTRACT of parts of the day, ADDTIME, SUBTIME, TIMESTAMP of a date and a time, and how dates compare with strings."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from envs.dbbench.mysql.datearguments import read_date, read_micros
from envs.dbbench.mysql.functions import function
from envs.dbbench.mysql.strict import warn
from envs.dbbench.mysql.temporal import Moment, parse_moment, time_text
from envs.dbbench.mysql.types import DATETIME, INT, TEXT

_CLOCK_UNITS = {"HOUR": "h", "MINUTE": "m", "SECOND": "s", "MICROSECOND": "f"}


@function("extract_time", "tt", INT)
def extract_time(unit: str, text: str) -> int | None:
    """EXTRACT of a unit with a part of the day in it: HOUR, DAY_SECOND, MINUTE_MICROSECOND ..."""
    micros = read_micros(text)
    if micros is None:
        return None
    moment = parse_moment(text) if unit.startswith("DAY") and len(text) >= 12 else None
    seconds, micro = divmod(abs(micros), 1_000_000)
    parts = {"d": moment.day if moment else 0, "h": seconds // 3600, "m": seconds // 60 % 60, "s": seconds % 60}
    first, _, last = unit.partition("_")
    letters = "dhmsf"
    begin = letters.index({"DAY": "d", **_CLOCK_UNITS}[first])
    end = letters.index(_CLOCK_UNITS[last or first])
    number = 0
    for letter in letters[begin : end + 1]:
        number = number * 1_000_000 + micro if letter == "f" else number * 100 + parts[letter]
    return -number if micros < 0 else number


def _sum(sign: int) -> Callable[[str, str], str | None]:
    def call(first: str, second: str) -> str | None:
        """ADDTIME and SUBTIME: a time to a time, or to a date with a time of day."""
        left = read_micros(first)
        right = None if left is None else read_micros(second)
        moment = parse_moment(first)
        if left is None or right is None:
            return None
        if moment is None or not (moment.has_time and moment.is_whole() and moment.year and len(first) >= 12):
            return time_text(max(min(left + sign * right, 3_020_399_000_000), -3_020_399_000_000))
        try:
            return Moment.of(moment.python() + sign * datetime.timedelta(microseconds=right), True).text()
        except OverflowError:
            warn(1441, "addtime" if sign > 0 else "subtime")
            return None

    return call


function("add_times", "tt", TEXT)(_sum(1))
function("subtract_times", "tt", TEXT)(_sum(-1))


@function("timestamp_sum", "dt", DATETIME)
def timestamp_sum(text: str, time_of_day: str) -> str | None:
    """TIMESTAMP with two arguments."""
    moment = read_date(text, whole=True)
    micros = None if moment is None else read_micros(time_of_day)
    if moment is None or micros is None or not moment.year:
        return None
    try:
        return Moment.of(moment.python() + datetime.timedelta(microseconds=micros), True).text()
    except OverflowError:
        warn(1441, "timestamp")
        return None


@function("date_order", "t", TEXT)
def date_order(text: str) -> str:
    """What a string compares by where it is compared with a date: one that is no date comes before all dates."""
    moment = read_date(text, whole=True)
    return "0000-00-00 00:00:00" if moment is None else f"{moment.date_text()} {moment.time_text()}"
