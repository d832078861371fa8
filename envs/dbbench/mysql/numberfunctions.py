"""MySQL's functions of numbers, registered like those of functions.py."""

from __future__ import annotations

import math
from collections.abc import Callable

from envs.dbbench.mysql.functions import function
from envs.dbbench.mysql.types import DOUBLE, TEXT

# --- numbers


@function("BIN", "u", TEXT)
def bin_(number: int | str) -> str:
    return f"{int(number) % 2**64:b}"


@function("OCT", "u", TEXT)
def oct_(number: int | str) -> str:
    return f"{int(number) % 2**64:o}"


@function("hex_number", "u", TEXT)
def hex_number(number: int | str) -> str:
    return f"{int(number) % 2**64:X}"


@function("CONV", "tii", TEXT)
def conv(text: str, base: int, target: int) -> str | None:
    if not 2 <= abs(base) <= 36 or not 2 <= abs(target) <= 36:
        return None
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    text = text.strip().upper()[:70]
    negative = text.startswith("-")
    number = 0
    for char_ in text.lstrip("+-"):
        place = digits.find(char_)
        if not 0 <= place < abs(base):
            break
        number = min(number * abs(base) + place, 2**64 - 1)
    number = (2**64 - number) % 2**64 if negative else number
    out = ""
    while number:
        number, place = divmod(number, abs(target))
        out = digits[place] + out
    return out or "0"


def _real(names: str, call: Callable[[float], float]) -> None:
    def guarded(number: float) -> float | None:
        try:
            result = call(number)
        except (ValueError, OverflowError):
            return None
        return None if result != result else result

    function(names, "r", DOUBLE)(guarded)


for _names, _call in {
    "SQRT": math.sqrt, "EXP": math.exp, "LN": math.log, "LOG2": math.log2, "LOG10": math.log10, "SIN": math.sin,
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


@function("LOG", "r|r", DOUBLE)
def log(first: float, second: float | None = None) -> float | None:
    if second is None:
        return math.log(first) if first > 0 else None
    return math.log(second) / math.log(first) if first > 0 and first != 1 and second > 0 else None


@function("POW POWER", "rr", DOUBLE)
def power(base: float, exponent: float) -> float | None:
    try:
        result = base**exponent
    except (OverflowError, ZeroDivisionError):
        return math.inf
    return None if isinstance(result, complex) else result
