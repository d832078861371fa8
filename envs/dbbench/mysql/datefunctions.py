"""MySQL's functions of dates and times, registered like those of functions.py."""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Callable

from envs.dbbench.mysql.dateformat import format_moment, read_moment
from envs.dbbench.mysql.functions import function
from envs.dbbench.mysql.temporal import (
    DAYS,
    MONTHS,
    Moment,
    add_interval,
    day_number,
    moment_of_number,
    parse_moment,
    parse_time,
    time_text,
    week,
)
from envs.dbbench.mysql.types import DATE, DATETIME, INT, TEXT, TIME, Type


def _part(names: str, part: Callable[[Moment], int | str | None], returns: Type = INT, real: bool = False) -> None:
    """A function of one date; `real`: NULL for dates with zero parts."""

    def call(text: str) -> int | str | None:
        moment = parse_moment(text)
        if moment is None or (real and not moment.is_real()):
            return None
        return part(moment)

    function(names, "d", returns)(call)


_part("YEAR", lambda m: m.year)
_part("MONTH", lambda m: m.month)
_part("DAY DAYOFMONTH", lambda m: m.day)
_part("QUARTER", lambda m: (m.month + 2) // 3)
_part("DAYOFWEEK", lambda m: (day_number(m) + 6) % 7 + 1, real=True)
_part("WEEKDAY", lambda m: (day_number(m) + 5) % 7, real=True)
_part("DAYOFYEAR", lambda m: day_number(m) - day_number(Moment(m.year, 1, 1)) + 1, real=True)
_part("WEEKOFYEAR", lambda m: week(m, 3)[1], real=True)
_part("TO_DAYS", day_number, real=True)
_part("MONTHNAME", lambda m: MONTHS[m.month - 1] if m.month else None, TEXT)
_part("DAYNAME", lambda m: DAYS[(day_number(m) + 5) % 7], TEXT, real=True)
_part("DATE", lambda m: m.date_text(), DATE)
_part("LAST_DAY", lambda m: _last_day(m), DATE)
_part("datetime", lambda m: f"{m.date_text()} {m.time_text()}", DATETIME)


def _last_day(moment: Moment) -> str | None:
    if not moment.month or not moment.year:
        return None
    last = calendar.monthrange(moment.year, moment.month)[1]
    return f"{moment.year:04d}-{moment.month:02d}-{last:02d}"


@function("WEEK", "d|i", INT)
def week_of(text: str, mode: int = 0) -> int | None:
    moment = parse_moment(text)
    return week(moment, mode & 7)[1] if moment and moment.is_real() else None


@function("YEARWEEK", "d|i", INT)
def yearweek(text: str, mode: int = 0) -> int | None:
    moment = parse_moment(text)
    if moment is None or not moment.is_real():
        return None
    year, number = week(moment, (mode & 7) | 2)
    return year * 100 + number


def _time_part(names: str, divisor: int, modulus: int) -> None:
    def call(text: str) -> int | None:
        micros = parse_time(text)
        return None if micros is None else abs(micros) // divisor % modulus

    function(names, "c", INT)(call)


_time_part("HOUR", 3_600_000_000, 1000)
_time_part("MINUTE", 60_000_000, 60)
_time_part("SECOND", 1_000_000, 60)
_time_part("MICROSECOND", 1, 1_000_000)


@function("TIME", "c", TIME)
def time(text: str) -> str | None:
    micros = parse_time(text)
    return None if micros is None else time_text(micros)


@function("TIME_TO_SEC", "c", INT)
def time_to_sec(text: str) -> int | None:
    micros = parse_time(text)
    return None if micros is None else int(micros / 1_000_000)


@function("SEC_TO_TIME", "r", TIME)
def sec_to_time(seconds: float) -> str:
    return time_text(round(max(min(seconds, 3020399), -3020399) * 1_000_000))


@function("MAKETIME", "iir", TIME)
def maketime(hour: int, minute: int, second: float) -> str | None:
    if not 0 <= minute < 60 or not 0 <= second < 60:
        return None
    micros = min((abs(hour) * 60 + minute) * 60_000_000 + round(second * 1_000_000), 3_020_399_000_000)
    return time_text(-micros if hour < 0 else micros)


@function("MAKEDATE", "ii", DATE)
def makedate(year: int, day: int) -> str | None:
    year += (2000 if year < 70 else 1900) if 0 <= year < 100 else 0
    if day < 1 or not 1 <= year <= 9999:
        return None
    try:
        return (datetime.date(year, 1, 1) + datetime.timedelta(days=day - 1)).isoformat()
    except OverflowError:
        return None


@function("FROM_DAYS", "i", DATE)
def from_days(number: int) -> str | None:
    return datetime.date.fromordinal(number - 365).isoformat() if 366 <= number <= 3652424 else "0000-00-00"


@function("DATEDIFF", "dd", INT)
def datediff(first: str, second: str) -> int | None:
    a, b = parse_moment(first), parse_moment(second)
    if a is None or b is None or not a.is_real() or not b.is_real():
        return None
    return day_number(a) - day_number(b)


@function("TIMEDIFF", "tt", TIME)
def timediff(first: str, second: str) -> str | None:
    a, b = parse_moment(first), parse_moment(second)
    if a and b and a.has_time and b.has_time and a.is_real() and b.is_real():
        return time_text((a.python() - b.python()) // datetime.timedelta(microseconds=1))
    left, right = parse_time(first), parse_time(second)
    return None if left is None or right is None else time_text(left - right)


@function("timestampdiff", "tdd", INT)
def timestampdiff(unit: str, first: str, second: str) -> int | None:
    a, b = parse_moment(first), parse_moment(second)
    if a is None or b is None or not a.is_real() or not b.is_real():
        return None
    start, end = a.python(), b.python()
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}.get(unit)
    if months is None:
        micros = (end - start) // datetime.timedelta(microseconds=1)
        size = {"MICROSECOND": 1, "SECOND": 10**6, "MINUTE": 60 * 10**6, "HOUR": 3600 * 10**6, "DAY": 86400 * 10**6,
                "WEEK": 604800 * 10**6}[unit]  # fmt: skip
        return int(abs(micros) // size) * (1 if micros >= 0 else -1)
    sign = 1
    if start > end:
        start, end, sign = end, start, -1
    passed = (end.year - start.year) * 12 + end.month - start.month
    if (end.day, end.time()) < (start.day, start.time()):
        passed -= 1
    return sign * (passed // months)


@function("DATE_FORMAT", "dt", TEXT)
def date_format(text: str, pattern: str) -> str | None:
    moment = parse_moment(text)
    return None if moment is None else format_moment(moment, pattern[:1000])


@function("TIME_FORMAT", "ct", TEXT)
def time_format(text: str, pattern: str) -> str | None:
    micros = parse_time(text)
    if micros is None:
        return None
    seconds, micro = divmod(abs(micros), 1_000_000)
    moment = Moment(0, 0, 0, seconds // 3600, seconds // 60 % 60, seconds % 60, micro, True)
    return format_moment(moment, pattern[:1000])


def _read(kind: str) -> Callable[[str, str], str | None]:
    def call(text: str, pattern: str) -> str | None:
        moment = read_moment(text[:1000], pattern[:1000])
        if moment is None:
            return None
        if kind == "time":
            return moment.time_text()
        return moment.date_text() if kind == "date" else f"{moment.date_text()} {moment.time_text()}"

    return call


function("str_to_date_date", "tt", DATE)(_read("date"))
function("str_to_date_time", "tt", TIME)(_read("time"))
function("str_to_date_datetime", "tt", DATETIME)(_read("datetime"))
function("add_interval", "dtti", TEXT)(add_interval)


def _months(period: int) -> int:
    year, month = divmod(period, 100)
    return (year + (2000 if year < 70 else 1900 if year < 100 else 0)) * 12 + month - 1


@function("PERIOD_ADD", "ii", INT)
def period_add(period: int, count: int) -> int:
    year, month = divmod(_months(period) + count, 12)
    return year * 100 + month + 1


@function("PERIOD_DIFF", "ii", INT)
def period_diff(first: int, second: int) -> int:
    return _months(first) - _months(second)


@function("UNIX_TIMESTAMP", "d", INT)
def unix_timestamp(text: str) -> int | None:
    moment = parse_moment(text)
    if moment is None or not moment.is_real():
        return 0
    seconds = int(moment.python().replace(tzinfo=datetime.UTC).timestamp())
    return max(seconds, 0)


@function("FROM_UNIXTIME", "i|t", DATETIME)
def from_unixtime(seconds: int, pattern: str | None = None) -> str | None:
    if not 0 <= seconds <= 32536771199:
        return None
    moment = Moment.of(datetime.datetime.fromtimestamp(seconds, datetime.UTC), True)
    return moment.text() if pattern is None else format_moment(moment, pattern[:1000])


@function("cast_date", "d", DATE)
def cast_date(text: str) -> str | None:
    moment = parse_moment(text)
    return None if moment is None else moment.date_text()


@function("cast_datetime", "d", DATETIME)
def cast_datetime(text: str) -> str | None:
    moment = parse_moment(text)
    if moment is None:
        return None
    if moment.micro >= 500_000 and moment.is_real():  # DATETIME keeps no fraction: it rounds
        later = moment.python().replace(microsecond=0) + datetime.timedelta(seconds=1)
        moment = Moment.of(later, True)
    moment.micro = 0
    return f"{moment.date_text()} {moment.time_text()}"


@function("cast_time", "c", TIME)
def cast_time(text: str) -> str | None:
    micros = parse_time(text)
    return None if micros is None else time_text(round(micros / 1_000_000) * 1_000_000)


@function("number_date", "i", DATETIME)
def number_date(number: int | str) -> str | None:
    moment = moment_of_number(int(number))  # an UNSIGNED beyond SQLite's integers is text
    return None if moment is None else moment.text()
