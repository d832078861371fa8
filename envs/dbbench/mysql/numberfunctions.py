"""MySQL's functions of numbers, registered like those of functions.py."""

from __future__ import annotations

import math
from collections.abc import Callable

from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.functions import function
from envs.dbbench.mysql.numbers import double_text
from envs.dbbench.mysql.strict import warn, warn_value
from envs.dbbench.mysql.types import DOUBLE, TEXT

# --- numbers


@function("hex_number", "u", TEXT)
def hex_number(number: int | str) -> str:
    return f"{int(number) % 2**64:X}"


@function("CONV", "tii", TEXT)
def conv(text: str, base: int, target: int) -> str | None:
    """A number of one base in another; from a negative base, and to one, numbers have a sign."""
    if not 2 <= abs(base) <= 36 or not 2 <= abs(target) <= 36 or not text:
        return None
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    written = text.strip().upper()[:70]
    negative, written = written.startswith("-"), written.lstrip("+-")
    number = 0
    for char_ in written:
        place = digits.find(char_)
        if not 0 <= place < abs(base):
            break
        number = min(number * abs(base) + place, 2**64 - 1)
    if not 0 <= digits.find(written[:1] or "?") < abs(base):
        warn_value("DECIMAL", text)
    number = (2**64 - number) % 2**64 if negative else number
    signed = target < 0 and number >= 2**63
    number = 2**64 - number if signed else number
    out = ""
    while number:
        number, place = divmod(number, abs(target))
        out = digits[place] + out
    return ("-" if signed else "") + (out or "0")


def _real(names: str, call: Callable[[float], float]) -> None:
    def guarded(number: float) -> float | None:
        try:
            result = call(number)
        except (ValueError, OverflowError):
            return None
        return None if result != result else result

    function(names, "r", DOUBLE)(guarded)


for _names, _call in {
    "SQRT": math.sqrt, "EXP": math.exp, "SIN": math.sin,
    "COS": math.cos, "TAN": math.tan, "ASIN": math.asin, "ACOS": math.acos, "DEGREES": math.degrees,
    "RADIANS": math.radians, "COT": lambda x: 1 / math.tan(x) if x else math.nan,
}.items():  # fmt: skip
    _real(_names, _call)


@function("ATAN", "r|r", DOUBLE)
def atan(y: float, x: float | None = None) -> float:
    return math.atan(y) if x is None else math.atan2(y, x)


@function("ATAN2", "rr", DOUBLE)
def atan2(y: float, x: float) -> float:
    return math.atan2(y, x)


def _logarithm(names: str, call: Callable[[float], float]) -> None:
    def guarded(number: float) -> float | None:
        if number <= 0:
            warn(3020)
            return None
        return call(number)

    function(names, "r", DOUBLE)(guarded)


for _names, _call in {"LN": math.log, "LOG2": math.log2, "LOG10": math.log10}.items():
    _logarithm(_names, _call)


@function("LOG", "r|r", DOUBLE)
def log(first: float, second: float | None = None) -> float | None:
    base, number = (math.e, first) if second is None else (first, second)
    if base <= 0 or base == 1 or number <= 0:
        warn(3020)
        return None
    return math.log(number) if second is None else math.log(number) / math.log(base)


@function("POW POWER", "rr", DOUBLE)
def power(base: float, exponent: float) -> float | None:
    try:
        result = base**exponent
    except (OverflowError, ZeroDivisionError):
        raise MySQLError(1690, "DOUBLE", f"pow({double_text(base)},{double_text(exponent)})") from None
    return None if isinstance(result, complex) else result
