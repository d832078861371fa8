"""How functions read dates and times of strings: what is none, or not in full, is reported (strict.py).

The zero date is none (NO_ZERO_DATE). Dates with a month or a day of 0 are for functions that take single parts only.
"""

from __future__ import annotations

from envs.dbbench.mysql.strict import warn_datetime, warn_value
from envs.dbbench.mysql.temporal import Moment, parse_moment, read_time


def read_date(text: str, whole: bool = False) -> Moment | None:
    """The argument of a function of dates. `whole`: month and day must not be 0."""
    moment = _read(text, whole)
    if moment is None or moment.excess:
        warn_value("date", text)
    return moment


def read_datetime(text: str, whole: bool = False) -> Moment | None:
    """The argument of a function of dates with a time of day."""
    moment = _read(text, whole)
    if moment is None:
        warn_datetime(text)
    elif moment.excess:
        warn_value("datetime", text)
    return moment


def _read(text: str, whole: bool) -> Moment | None:
    moment = parse_moment(text)
    return None if moment is None or moment.is_zero() or (whole and not moment.is_whole()) else moment


def read_micros(text: str) -> int | None:
    """The argument of a function of times, in microseconds."""
    micros, complete = read_time(text)
    if not complete:
        warn_value("time", text)
    return micros
