"""MySQL's functions of dates and times, registered like those of functions.py."""

from __future__ import annotations

import calendar
import datetime
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

from envs.dbbench.mysql.datearguments import read_date, read_datetime, read_micros
from envs.dbbench.mysql.dateformat import format_kind, format_moment, read_moment
from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.functions import function
from envs.dbbench.mysql.strict import warn, warn_datetime, warn_value
from envs.dbbench.mysql.temporal import (
    DAYS,
    MONTHS,
    Moment,
    day_number,
    moment_of_number,
    parse_moment,
    shifted,
    time_text,
    week,
)
from envs.dbbench.mysql.types import DATE, DATETIME, INT, TEXT, TIME, Type


def _part(names: str, part: Callable[[Moment], int | str | None], returns: Type = INT, whole: bool = False) -> None:
    """A function of one date; `whole`: NULL for dates with zero parts."""

    def call(text: str) -> int | str | None:
        moment = read_date(text, whole)
        if moment is None or (whole and not moment.year):
            return None
        return part(moment)

    function(names, "d", returns)(call)


_part("YEAR", lambda m: m.year)
_part("MONTH", lambda m: m.month)
_part("DAY DAYOFMONTH", lambda m: m.day)
_part("QUARTER", lambda m: (m.month + 2) // 3)
_part("DAYOFWEEK", lambda m: (day_number(m) + 6) % 7 + 1, whole=True)
_part("WEEKDAY", lambda m: (day_number(m) + 5) % 7, whole=True)
_part("DAYOFYEAR", lambda m: day_number(m) - day_number(Moment(m.year, 1, 1)) + 1, whole=True)
_part("WEEKOFYEAR", lambda m: week(m, 3)[1], whole=True)
_part("TO_DAYS", day_number, whole=True)
_part("MONTHNAME", lambda m: MONTHS[m.month - 1] if m.month else None, TEXT)
_part("DAYNAME", lambda m: DAYS[(day_number(m) + 5) % 7], TEXT, whole=True)
_part("DATE", lambda m: m.date_text(), DATE, whole=True)
_part("LAST_DAY", lambda m: _last_day(m), DATE)


def _last_day(moment: Moment) -> str | None:
    if not moment.month or not moment.year:
        warn_datetime(moment.date_text())
        return None
    last = calendar.monthrange(moment.year, moment.month)[1]
    return f"{moment.year:04d}-{moment.month:02d}-{last:02d}"


@function("datetime", "d", DATETIME)
def to_datetime(text: str) -> str | None:
    moment = read_datetime(text, whole=True)
    return None if moment is None else f"{moment.date_text()} {moment.time_text()}"


@function("TO_SECONDS", "d", INT)
def to_seconds(text: str) -> int | None:
    moment = read_datetime(text, whole=True)
    if moment is None or not moment.year:
        return None
    return (day_number(moment) * 24 + moment.hour) * 3600 + moment.minute * 60 + moment.second


@function("CONVERT_TZ", "dtt", DATETIME)
def convert_tz(text: str, source: str, target: str) -> str | None:
    """Between offsets; the server has no table of named zones but SYSTEM, which is UTC here."""
    start, end = _offset(source), _offset(target)
    moment = read_datetime(text, whole=True) if start is not None and end is not None else None
    if moment is None or start is None or end is None or not moment.year:
        return None
    try:
        return Moment.of(moment.python() + datetime.timedelta(minutes=end - start), True).text()
    except OverflowError:
        return None


def _offset(zone: str) -> int | None:
    """The minutes east of UTC of `+05:30`, None for an unknown zone."""
    if zone.upper() == "SYSTEM":
        return 0
    match = re.fullmatch(r"([+-])([0-9]{1,2}):([0-9]{2})", zone)
    if match is None or int(match.group(3)) > 59:
        return None
    minutes = int(match.group(2)) * 60 + int(match.group(3))
    minutes = -minutes if match.group(1) == "-" else minutes
    return minutes if -839 <= minutes <= 840 else None


@function("WEEK", "d|i", INT)
def week_of(text: str, mode: int = 0) -> int | None:
    moment = read_date(text, whole=True)
    return week(moment, mode & 7)[1] if moment and moment.year else None


@function("YEARWEEK", "d|i", INT)
def yearweek(text: str, mode: int = 0) -> int | None:
    moment = read_date(text, whole=True)
    if moment is None or not moment.year:
        return None
    year, number = week(moment, (mode & 7) | 2)
    return year * 100 + number


def _time_part(names: str, divisor: int, modulus: int) -> None:
    def call(text: str) -> int | None:
        micros = read_micros(text)
        return None if micros is None else abs(micros) // divisor % modulus

    function(names, "c", INT)(call)


_time_part("HOUR", 3_600_000_000, 1000)
_time_part("MINUTE", 60_000_000, 60)
_time_part("SECOND", 1_000_000, 60)
_time_part("MICROSECOND", 1, 1_000_000)


@function("TIME", "c", TIME)
def time(text: str) -> str | None:
    micros = read_micros(text)
    return None if micros is None else time_text(micros)


@function("TIME_TO_SEC", "c", INT)
def time_to_sec(text: str) -> int | None:
    micros = read_micros(text)
    return None if micros is None else int(micros / 1_000_000)


@function("seconds_time", "r", TIME)
def seconds_time(seconds: float) -> str:
    """SEC_TO_TIME."""
    if abs(seconds) > 3_020_399:
        warn_value("time", f"{seconds:g}")
    return time_text(round(max(min(seconds, 3020399), -3020399) * 1_000_000))


@function("clock_time", "iir", TIME)
def clock_time(hour: int, minute: int, second: float) -> str | None:
    if not 0 <= minute < 60 or not 0 <= second < 60:
        return None
    if abs(hour) > 838:
        warn_value("time", f"{hour}:{minute:02d}:{int(second):02d}")
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
    a = read_date(first, whole=True)
    b = read_date(second, whole=True) if a else None
    return day_number(a) - day_number(b) if a and b and a.year and b.year else None


@function("TIMEDIFF", "tt", TIME)
def timediff(first: str, second: str) -> str | None:
    a, b = parse_moment(first), parse_moment(second)
    if a and b and a.has_time and b.has_time and a.is_real() and b.is_real():
        return time_text((a.python() - b.python()) // datetime.timedelta(microseconds=1))
    left = read_micros(first)
    right = None if left is None else read_micros(second)
    return None if left is None or right is None else time_text(left - right)


@function("timestampdiff", "tdd", INT)
def timestampdiff(unit: str, first: str, second: str) -> int | None:
    a = read_datetime(first, whole=True)
    b = read_datetime(second, whole=True) if a else None
    if a is None or b is None or not a.year or not b.year:
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
    moment = read_datetime(text)
    return None if moment is None or not pattern else format_moment(moment, pattern[:1000])


@function("TIME_FORMAT", "ct", TEXT)
def time_format(text: str, pattern: str) -> str | None:
    micros = read_micros(text)
    if micros is None:
        return None
    seconds, micro = divmod(abs(micros), 1_000_000)
    moment = Moment(0, 0, 0, seconds // 3600, seconds // 60 % 60, seconds % 60, micro, True)
    return format_moment(moment, pattern[:1000])


def _read(kind: str) -> Callable[[str, str], str | None]:
    def call(text: str, pattern: str) -> str | None:
        moment = read_moment(text[:1000], pattern[:1000])
        # A date without a year, month or day is none; a time has no date.
        if moment is None or (kind != "time" and not (moment.year and moment.is_whole())):
            warn(1411, "datetime", text, "str_to_date")
            return None
        if moment.excess:
            warn_value(format_kind(pattern), text)
        if kind == "time":
            moment.hour += 24 * moment.day
            return moment.time_text()
        return moment.date_text() if kind == "date" else f"{moment.date_text()} {moment.time_text()}"

    return call


function("str_to_date_date", "tt", DATE)(_read("date"))
function("str_to_date_time", "tt", TIME)(_read("time"))
function("str_to_date_datetime", "tt", DATETIME)(_read("datetime"))


@function("add_interval", "dtti", TEXT)
def add_interval(text: str, amount: str, unit: str, sign: int) -> str | None:
    moment = read_datetime(text, whole=True)
    if moment is None or not moment.year:
        return None
    result = shifted(moment, amount, unit, sign)
    if result is None:
        warn(1441, "datetime")
    return result


def _months(period: int, function_name: str) -> int:
    year, month = divmod(period, 100)
    if period < 0 or not 1 <= month <= 12:
        raise MySQLError(1210, function_name)
    return (year + (2000 if year < 70 else 1900 if year < 100 else 0)) * 12 + month - 1


@function("PERIOD_ADD", "ii", INT)
def period_add(period: int, count: int) -> int:
    year, month = divmod(_months(period, "period_add") + count, 12)
    return (year * 100 + month + 1 + 2**63) % 2**64 - 2**63  # in the server's 64 bits


@function("PERIOD_DIFF", "ii", INT)
def period_diff(first: int, second: int) -> int:
    months = _months(first, "period_diff") - _months(second, "period_diff")
    return (months + 2**63) % 2**64 - 2**63


@function("UNIX_TIMESTAMP", "d", INT)
def unix_timestamp(text: str) -> int | None:
    moment = read_datetime(text, whole=True)
    if moment is None or not moment.year:
        return 0
    seconds = int(moment.python().replace(tzinfo=datetime.UTC).timestamp())
    return max(seconds, 0)


@function("unix_datetime", "ti", DATETIME)
def unix_datetime(seconds: str, digits: int) -> str | None:
    """FROM_UNIXTIME of a DECIMAL, with digits behind the point as the number has."""
    number = Decimal(seconds)
    if not 0 <= number < 32_536_771_200:
        return None
    micros = int((number * 1_000_000).to_integral_value(ROUND_HALF_UP))
    text = Moment.of(datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=micros), True).text()
    return f"{text[:19]}.{micros % 1_000_000:06d}"[: 20 + digits] if digits else text[:19]


@function("cast_date", "d", DATE)
def cast_date(text: str) -> str | None:
    moment = read_date(text, whole=True)
    return None if moment is None else moment.date_text()


@function("cast_datetime", "d", DATETIME)
def cast_datetime(text: str) -> str | None:
    moment = read_datetime(text, whole=True)
    if moment is None:
        return None
    if moment.micro >= 500_000 and moment.is_real():  # DATETIME keeps no fraction: it rounds
        later = moment.python().replace(microsecond=0) + datetime.timedelta(seconds=1)
        moment = Moment.of(later, True)
    moment.micro = 0
    return f"{moment.date_text()} {moment.time_text()}"


@function("cast_time", "c", TIME)
def cast_time(text: str) -> str | None:
    micros = read_micros(text)
    return None if micros is None else time_text(round(micros / 1_000_000) * 1_000_000)


@function("number_date", "i", DATETIME)
def number_date(number: int | str) -> str | None:
    moment = moment_of_number(int(number))  # an UNSIGNED beyond SQLite's integers is text
    if moment is None:
        warn_datetime(number)
    return None if moment is None else moment.text()
