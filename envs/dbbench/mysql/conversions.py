"""Conversions between MySQL's types that SQLite does not have, or that MySQL warns about; runtime.py registers them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from envs.dbbench.mysql import numbers
from envs.dbbench.mysql.strict import warn, warn_value


def uint_text(number: int | float | str) -> str:
    return number.lstrip("0") or "0" if isinstance(number, str) else str(int(number))


def unsigned(number: int) -> int | str:
    """A number as UINT: modulo 2**64, as text of 20 digits where SQLite's integers end."""
    number = min(number, 2**64 - 1) if number >= 0 else max(number, -(2**63)) % 2**64
    return number if number < 2**63 else f"{number:020d}"


def count(number: int | str) -> int:
    return min(int(number), 2**63 - 1)


def signed(number: int | str) -> int:
    """An unsigned number's bits as a BIGINT."""
    return (int(number) + 2**63) % 2**64 - 2**63


def cast_unsigned(text: str) -> int | str:
    return unsigned(_cast_integer(text))


def cast_signed(text: str) -> int:
    return max(min(_cast_integer(text), 2**63 - 1), -(2**63))


def _cast_integer(text: str) -> int:
    if text[-1:] in " \t\n\r\v\f" or not numbers.is_integer(text):  # white space behind it counts, unlike before it
        warn_value("INTEGER", text)
    return numbers.integer_of(text)


def cast_year(number: int) -> int | None:
    """CAST(number AS YEAR): 0 and 1901 to 2155, two digits as usual."""
    year = number + (2000 if 0 < number < 70 else 1900 if 70 <= number < 100 else 0)
    if year and not 1901 <= year <= 2155:
        warn_value("YEAR", year)
        return None
    return year


def cast_year_text(text: str) -> int | None:
    if not numbers.is_integer(text):
        warn_value("YEAR", text)
        if not numbers.begins_with_number(text):
            return None
    return cast_year(numbers.integer_of(text) or 2000)


def cast_char(text: str, length: int) -> str:
    if len(text) > length:
        warn_value(f"CHAR({length})", text)
    return text[:length]


def literal_double(text: str) -> float:
    """The number that a string of the statement's own begins with."""
    warn_value("DOUBLE", text)
    return numbers.double_of(text)


def literal_integer(text: str) -> int:
    warn_value("INTEGER", text)
    return max(min(numbers.integer_of(text), 2**63 - 1), -(2**63))


def literal_decimal(text: str) -> str:
    if not numbers.begins_with_number(text):
        warn_value("DECIMAL", text)
    return numbers.fixed(numbers.decimal_of(text), 30)


def text_decimal(text: str) -> str:
    """A string as DECIMAL: one that begins with no number is refused, what follows a number is not looked at."""
    if not numbers.begins_with_number(text):
        warn(1366, "DECIMAL", "0", "", -1)
    return numbers.fixed(numbers.decimal_of(text), 30)


def number_unsigned(number: float | str) -> int | str:
    return unsigned(round_integer(number) if not isinstance(number, int) else number)


def double_text(number: float, scale: int) -> str:
    return numbers.double_text(number) if scale >= 31 else f"{numbers.round_double(number, scale):.{scale}f}"


def fit_decimal(text: str, scale: int) -> str:
    return numbers.fixed(numbers.decimal_of(text), scale)


def cast_decimal(text: str, precision: int, scale: int, literal: int = 0) -> str:
    if not numbers.begins_with_number(text):
        literal_decimal(text) if literal else text_decimal(text)
    value = Decimal(numbers.fixed(numbers.decimal_of(text), scale))
    largest = Decimal(10 ** (precision - scale)) - Decimal(1).scaleb(-scale)
    if abs(value) > largest:
        warn(1264, "cast", 1)
    return f"{max(min(value, largest), -largest):f}"


def round_integer(number: float | str) -> int:
    return numbers.rint(number) if isinstance(number, float) else int(numbers.fixed(Decimal(number), 0))


CONVERSIONS: dict[str, Callable[..., Any]] = {
    "uint_text": uint_text, "cast_unsigned": cast_unsigned, "cast_signed": cast_signed, "cast_year": cast_year,
    "cast_year_text": cast_year_text, "cast_char": cast_char, "literal_double": literal_double,
    "literal_integer": literal_integer, "literal_decimal": literal_decimal, "text_decimal": text_decimal,
    "number_unsigned": number_unsigned, "double_text": double_text, "decimal": fit_decimal,
    "cast_decimal": cast_decimal, "round_integer": round_integer,
    "count": count, "signed": signed,
}  # fmt: skip
