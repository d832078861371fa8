"""Dates as MySQL reads, writes and counts them. Values are text in MySQL's own form: `2012-01-31`,
`2012-01-31 10:20:30`, `-12:30:00`.

Sources: the reference manual's "Date and Time Literals" and "Date and Time Functions"; the lenient reading of
strings follows the server's `str_to_datetime` (any punctuation separates, two-digit years, no separators at all).
"""

from __future__ import annotations

import calendar
import datetime
import re
from dataclasses import dataclass

MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December"]  # fmt: skip
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

_PUNCTUATION = set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_SPACE = set(" \t\n\r\v\f")


@dataclass(slots=True)
class Moment:
    """A date with an optional time of day. Month and day may be 0, as MySQL allows. `excess`: text follows it."""

    year: int = 0
    month: int = 0
    day: int = 0
    hour: int = 0
    minute: int = 0
    second: int = 0
    micro: int = 0
    has_time: bool = False
    excess: bool = False

    def date_text(self) -> str:
        return f"{self.year:04d}-{self.month:02d}-{self.day:02d}"

    def time_text(self) -> str:
        fraction = f".{self.micro:06d}" if self.micro else ""
        return f"{self.hour:02d}:{self.minute:02d}:{self.second:02d}{fraction}"

    def text(self) -> str:
        return f"{self.date_text()} {self.time_text()}" if self.has_time else self.date_text()

    def is_real(self) -> bool:
        """Whether the calendar has this day (no zero parts)."""
        return self.year > 0 and self.month > 0 and self.day > 0

    def is_zero(self) -> bool:
        return not (self.year or self.month or self.day)

    def is_whole(self) -> bool:
        """Whether month and day are given; the year may be 0."""
        return self.month > 0 and self.day > 0

    def python(self) -> datetime.datetime:
        return datetime.datetime(self.year, self.month, self.day, self.hour, self.minute, self.second, self.micro)

    @classmethod
    def of(cls, moment: datetime.datetime, has_time: bool) -> Moment:
        return cls(moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second,
                   moment.microsecond, has_time)  # fmt: skip


def parse_moment(text: str) -> Moment | None:
    """A date or datetime from a string, or None where MySQL makes NULL of it."""
    text = text.strip(" \t\n\r\v\f")
    if not text or not ("0" <= text[0] <= "9"):
        return None
    head = re.match(r"[0-9T]+", text)
    assert head is not None
    digits = head.end()
    if digits == len(text) or text[digits] == ".":
        fields, widths, end = _packed_fields(text, 4 if digits in (4, 8) or digits >= 14 else 2)
    else:
        read = _separated_fields(text)
        if read is None:
            return None
        fields, widths, end = read
    if len(fields) < 3:
        return None
    count = len(fields)
    fields += [0] * (7 - count)
    year, month, day, hour, minute, second, micro = fields[:7]
    moment = Moment(year, month, day, hour, minute, second, micro, count > 3, end < len(text))
    if len(widths) > 6 and widths[6] < 6:
        moment.micro *= 10 ** (6 - widths[6])
    if widths[0] == 2 and any(fields):
        moment.year += 2000 if moment.year < 70 else 1900
    return moment if in_range(moment) else None


def _packed_fields(text: str, year_width: int) -> tuple[list[int], list[int], int]:
    """The fields' values, their widths, and where they end."""
    fields: list[int] = []
    widths: list[int] = []
    at, width = 0, year_width
    while at < len(text) and len(fields) < 7 and text[at].isdigit():
        part = re.compile(rf"[0-9]{{1,{width}}}").match(text, at)
        if part is None:
            break
        fields.append(int(part.group()))
        widths.append(len(part.group()))
        at, width = part.end(), 2
        if len(fields) == 3 and text[at : at + 1] == "T":
            at += 1
        elif len(fields) == 6:
            if text[at : at + 1] != ".":
                break
            at, width = at + 1, 6
        else:
            while at < len(text) and text[at] in _PUNCTUATION:
                at += 1
    return fields, widths, at


def _separated_fields(text: str) -> tuple[list[int], list[int], int] | None:
    fields: list[int] = []
    widths: list[int] = []
    at = 0
    while at < len(text) and len(fields) < 7 and "0" <= text[at] <= "9":
        part = re.compile(r"[0-9]{1,6}" if len(fields) == 6 else r"[0-9]+").match(text, at)
        assert part is not None
        digits = part.group().lstrip("0") or "0"
        if len(digits) > 6:
            return None
        fields.append(int(digits))
        widths.append(len(part.group()))
        at = part.end()
        if len(fields) == 3 and text[at : at + 1] == "T":
            at += 1
            continue
        if len(fields) == 6:
            if text[at : at + 1] != ".":
                break
            at += 1
            continue
        while at < len(text) and text[at] in (_PUNCTUATION | _SPACE):
            # White space separates the day from the hour, and nothing else.
            if text[at] in _SPACE and len(fields) != 3:
                return None
            at += 1
    return fields, widths, at


def in_range(moment: Moment) -> bool:
    """Whether all parts are in range and the calendar has the day; month and day may be 0."""
    if moment.month > 12 or moment.day > 31 or moment.year > 9999:
        return False
    if moment.hour > 23 or moment.minute > 59 or moment.second > 59:
        return False
    if moment.month and moment.day:
        leap = moment.year % 4 == 0 and (moment.year % 100 != 0 or moment.year % 400 == 0)
        longest = 29 if moment.month == 2 and leap else calendar.monthrange(2001, moment.month)[1]
        return moment.day <= longest
    return True


def moment_of_number(number: int) -> Moment | None:
    """20120131 or 20120131102030 (and two-digit years) as a date."""
    if number <= 0:
        return None
    digits = str(number)
    digits = digits.zfill(next((width for width in (6, 8, 12, 14) if len(digits) <= width), 99))
    return parse_moment(digits) if len(digits) <= 14 else None


_DATETIME = re.compile(r"[0-9]+[^\w\s]+[0-9]+[^\w\s]+[0-9]+\s+[0-9]|[0-9]{12}")
_LONGEST = (838 * 3600 + 59 * 60 + 59) * 1_000_000


def parse_time(text: str) -> int | None:
    """Microseconds of a TIME from `[-][D ]HH:MM[:SS[.f]]`, `HHMMSS` or a datetime's time part; None for NULL."""
    return read_time(text)[0]


def read_time(text: str) -> tuple[int | None, bool]:
    """The TIME that a string begins with, in microseconds, and whether the string is a TIME in full and in range.

    Follows the server's `str_to_time`.
    """
    text = text.strip(" \t\n\r\v\f")
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text)
    if len(body) >= 12 and _DATETIME.match(body):
        moment = parse_moment(body)
        if moment is None:
            return None, False
        day = ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000_000 + moment.micro
        return day, not moment.excess
    match = re.match(r"([0-9]*)( *)", body)
    assert match is not None
    first, at = int(match.group(1)[:40] or 0), match.end()
    if match.group(2) and re.match(r"[0-9].", body[at:]):
        parts = re.compile(r"([0-9]+)(?::([0-9]+))?(?::([0-9]+))?").match(body, at)
        assert parts is not None
        days, hours, minutes, seconds = first, *(int(part[:40]) if part else 0 for part in parts.groups())
        at = parts.end()
    elif parts := re.compile(r":([0-9]+)(?::([0-9]+))?").match(body, at):
        days, hours, minutes, seconds = 0, first, int(parts.group(1)[:40]), int((parts.group(2) or "0")[:40])
        at = parts.end()
    else:
        days, hours, minutes, seconds = 0, first // 10000, first // 100 % 100, first % 100
    fraction = re.compile(r"\.([0-9]*)").match(body, at)
    micro = int(fraction.group(1)[:6].ljust(6, "0")) if fraction else 0
    at = fraction.end() if fraction else at
    if at == 0 or first > 2**32 or minutes > 59 or seconds > 59 or re.match(r"[eE][-+]?[0-9]", body[at:]):
        return None, False
    total = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000_000 + micro
    return sign * min(total, _LONGEST), total <= _LONGEST and at == len(body)


def time_text(micros: int) -> str:
    """`HH:MM:SS[.ffffff]` of a number of microseconds."""
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    seconds, micro = divmod(micros, 1_000_000)
    fraction = f".{micro:06d}" if micro else ""
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def day_number(moment: Moment) -> int:
    """TO_DAYS: days since year 0."""
    return datetime.date(moment.year, moment.month, moment.day).toordinal() + 365


_INTERVAL_PARTS = {
    "SECOND_MICROSECOND": ("s", "f"), "MINUTE_MICROSECOND": ("m", "s", "f"), "MINUTE_SECOND": ("m", "s"),
    "HOUR_MICROSECOND": ("h", "m", "s", "f"), "HOUR_SECOND": ("h", "m", "s"), "HOUR_MINUTE": ("h", "m"),
    "DAY_MICROSECOND": ("d", "h", "m", "s", "f"), "DAY_SECOND": ("d", "h", "m", "s"),
    "DAY_MINUTE": ("d", "h", "m"), "DAY_HOUR": ("d", "h"), "YEAR_MONTH": ("Y", "M"),
}  # fmt: skip
_MICROS = {"f": 1, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


_FAR = 1e18  # of any unit: beyond the calendar


def _interval_parts(amount: str, unit: str) -> tuple[int, int]:
    """(months, microseconds) of an interval."""
    if unit in _INTERVAL_PARTS:
        names = _INTERVAL_PARTS[unit]
        numbers = [int(n[:18]) for n in re.findall(r"\d+", amount)][-len(names) :]
        sign = -1 if amount.strip().startswith("-") else 1
        values = dict(zip(names[-len(numbers) :] if numbers else (), numbers, strict=False))
        months = 12 * values.get("Y", 0) + values.get("M", 0)
        return sign * months, sign * sum(_MICROS[n] * v for n, v in values.items() if n in _MICROS)
    match = re.match(r"\s*[-+]?\d*(\.\d+)?", amount)
    digits = match.group().strip() if match else ""
    number = float(digits) if re.search(r"\d", digits) else 0.0
    number = max(min(number, _FAR), -_FAR)
    if unit == "SECOND":
        return 0, round(number * 1_000_000)
    whole = int(number + (0.5 if number >= 0 else -0.5)) if match and match.group(1) else int(number)
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}.get(unit, 0) * whole
    micros = {"MICROSECOND": 1, "MINUTE": 60_000_000, "HOUR": 3_600_000_000, "DAY": 86_400_000_000,
              "WEEK": 7 * 86_400_000_000}.get(unit, 0) * whole  # fmt: skip
    return months, micros


def shifted(moment: Moment, amount: str, unit: str, sign: int) -> str | None:
    """DATE_ADD; a date stays a date unless the unit is below a day. None beyond the calendar."""
    months, micros = _interval_parts(amount, unit)
    months, micros = sign * months, sign * micros
    has_time = moment.has_time or unit in ("MICROSECOND", "SECOND", "MINUTE", "HOUR") or "_" in unit
    has_time = (has_time and unit != "YEAR_MONTH") or moment.has_time
    total = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(total, 12)
    if not 1 <= year <= 9999:
        return None
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    try:
        start = datetime.datetime(year, month + 1, day, moment.hour, moment.minute, moment.second, moment.micro)
        return Moment.of(start + datetime.timedelta(microseconds=micros), has_time).text()
    except (OverflowError, ValueError):
        return None


def week(moment: Moment, mode: int) -> tuple[int, int]:
    """(year, week) as the server's calc_week: mode bits 1 Monday first, 2 range 1-53, 4 first weekday rule."""
    monday_first, week_year, first_weekday = bool(mode & 1), bool(mode & 2), bool(mode & 4)
    if not monday_first:
        first_weekday = not first_weekday
    days = day_number(moment)
    first_day = day_number(Moment(moment.year, 1, 1))
    weekday = (first_day + 5 + (0 if monday_first else 1)) % 7
    year = moment.year
    if moment.month == 1 and moment.day <= 7 - weekday:
        if not week_year and ((first_weekday and weekday != 0) or (not first_weekday and weekday >= 4)):
            return year, 0
        week_year = True
        year -= 1
        length = 366 if calendar.isleap(year) else 365
        first_day -= length
        weekday = (weekday + 53 * 7 - length) % 7
    late = (first_weekday and weekday != 0) or (not first_weekday and weekday >= 4)
    passed = days - (first_day + (7 - weekday)) if late else days - (first_day - weekday)
    if week_year and passed >= 52 * 7:
        length = 366 if calendar.isleap(year) else 365
        weekday = (weekday + length) % 7
        if (not first_weekday and weekday < 4) or (first_weekday and weekday == 0):
            return year + 1, 1
    return year, passed // 7 + 1
