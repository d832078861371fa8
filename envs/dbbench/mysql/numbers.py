"""Numbers as MySQL makes, rounds and prints them. DECIMAL values are text with their scale's digits: `12.50`."""

from __future__ import annotations

import math
import re
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, InvalidOperation, localcontext

from envs.dbbench.mysql.errors import MySQLError

MAX_SCALE = 30
MAX_DIGITS = 81
"""Before the point of a DECIMAL that is computed with; a number with more is LARGEST, as the server reads it."""
LARGEST = Decimal("9" * 65)
CONTEXT = Context(prec=120, rounding=ROUND_HALF_UP)
_PREFIX = re.compile(r"[ \t\n\r\v\f]*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_INTEGER = re.compile(r"[ \t\n\r\v\f]*([+-]?\d+)", re.ASCII)


_WHOLE = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)
_WHOLE_INTEGER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)


def is_double(text: str) -> bool:
    """Whether a string is a number in full, white space around it aside."""
    return _WHOLE.fullmatch(text) is not None


def is_integer(text: str) -> bool:
    return _WHOLE_INTEGER.fullmatch(text) is not None and -(2**63) <= int(text[:80]) < 2**64


def begins_with_number(text: str) -> bool:
    return _PREFIX.match(text[:400]) is not None


def double_of(text: str) -> float:
    """The number a string begins with, 0 without one."""
    match = _PREFIX.match(text[:400])
    return float(match.group(1)) if match else 0.0


def integer_of(text: str) -> int:
    """CAST(text AS SIGNED) before the range is looked at."""
    match = _INTEGER.match(text[:80])
    return int(match.group(1)) if match else 0


def decimal_of(text: str) -> Decimal:
    match = _PREFIX.match(text[:400])
    if match is None:
        return Decimal(0)
    digits, _, exponent = match.group(1).lower().partition("e")
    if len(exponent) > 6:
        exponent = "-99999" if exponent.startswith("-") else "99999"
    value = Decimal(f"{digits}e{exponent or 0}")
    if not value or value.adjusted() < -200:
        return Decimal(0)
    return value if value.adjusted() < MAX_DIGITS else LARGEST.copy_sign(value)


def literal(digits: str) -> tuple[str, int]:
    """A DECIMAL literal as text, and its scale."""
    whole, _, fraction = digits.partition(".")
    if len(whole.lstrip("0")) > MAX_DIGITS:
        return f"{LARGEST}", 0
    return ("0" if not whole else "") + digits.rstrip("."), len(fraction)


def fixed(value: Decimal, scale: int) -> str:
    """`value` rounded half away from zero to `scale` digits, as text. Raises 1690 for one too large."""
    return _quantized(value, scale, ROUND_HALF_UP)


def truncated(value: Decimal, scale: int) -> str:
    return _quantized(value, scale, ROUND_DOWN)


def _quantized(value: Decimal, scale: int, rounding: str) -> str:
    with localcontext(CONTEXT):
        try:
            result = value.quantize(Decimal(1).scaleb(-scale), rounding=rounding)
        except InvalidOperation:
            raise MySQLError(1690, "DECIMAL", "expression") from None
        return f"{result or abs(result):f}"


def arithmetic(operator: str, left: Decimal, right: Decimal, scale: int) -> str | None:
    """A DECIMAL operation to `scale` digits; None for a division by zero."""
    with localcontext(CONTEXT):
        if operator in ("/", "%", "div") and not right:
            return None
        if operator == "+":
            result = left + right
        elif operator == "-":
            result = left - right
        elif operator == "*":
            result = left * right
        elif operator == "/":
            result = left / right
        elif operator == "%":
            result = left - right * (left / right).to_integral_value(rounding=ROUND_DOWN)
        else:
            result = (left / right).to_integral_value(rounding=ROUND_DOWN)
    return truncated(result, scale) if operator == "/" else fixed(result, scale)


def compare_decimals(left: str, right: str) -> int:
    """SQLite's collation callback for DECIMAL texts."""
    if left == right:
        return 0
    a, b = decimal_of(left), decimal_of(right)
    return (a > b) - (a < b)


def double_text(value: float) -> str:
    """A DOUBLE as MySQL prints it (my_gcvt): shortest digits, e-notation beyond 15 places."""
    if value != value or math.isinf(value):
        return "0"
    if value == 0:
        return "0" if math.copysign(1, value) > 0 else "-0"
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).rstrip("0") or "0"
    point = len(digits) + exponent  # the decimal point's place counted from the first digit
    prefix = "-" if sign else ""
    if -14 <= point <= 15:
        if point <= 0:
            return f"{prefix}0.{'0' * -point}{text}"
        if len(text) <= point:
            return prefix + text.ljust(point, "0")
        return f"{prefix}{text[:point]}.{text[point:]}"
    mantissa = text if len(text) == 1 else f"{text[0]}.{text[1:]}"
    return f"{prefix}{mantissa}e{point - 1}"


def round_double(value: float, places: int) -> float:
    """ROUND of a DOUBLE: half to even of the scaled value, like the C library's rint."""
    if abs(places) > 308:
        return value if places > 0 else 0.0
    factor = 10.0 ** abs(places)
    scaled = value / factor if places < 0 else value * factor
    if math.isinf(scaled) or math.isnan(scaled) or abs(scaled) > 2**53:
        return value
    whole = float(round(scaled))
    return whole * factor if places < 0 else whole / factor


def truncate_double(value: float, places: int) -> float:
    if abs(places) > 308:
        return value if places > 0 else 0.0
    factor = 10.0 ** abs(places)
    scaled = value / factor if places < 0 else value * factor
    if math.isinf(scaled) or abs(scaled) > 2**53:
        return value
    whole = float(math.trunc(scaled))
    return whole * factor if places < 0 else whole / factor


def rint(value: float) -> int:
    """A DOUBLE as an integer, saturating at BIGINT's ends."""
    if value >= 9.2233720368547758e18:
        return 2**63 - 1
    if value <= -9.2233720368547758e18:
        return -(2**63)
    return round(value)
