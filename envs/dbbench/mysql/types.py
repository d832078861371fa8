"""Static types of expressions, and SQL that converts between them as MySQL does.

SQLite stores: INT as integer, UINT as integer (from 2**63 on as 20 digits of text, which sorts behind), DOUBLE as real,
DECIMAL as text with the scale's digits, dates and times as text in MySQL's form.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.numbers import fixed, is_double, is_integer

NOT_FIXED = 31
_PLACE = re.compile(r"[-+(]*\d+\)*")  # what SQLite takes for a column's place in GROUP BY and ORDER BY
NUMERIC = frozenset({"int", "uint", "decimal", "double", "float"})
TEMPORAL = frozenset({"date", "datetime", "time"})


@dataclass(frozen=True, slots=True)
class Type:
    """`kind`: null, int, uint, decimal, double, float, text, json, date, datetime, time.

    `scale`: digits behind the point, NOT_FIXED for a double without a fixed number. `binary`: text that compares by
    its bytes. `digits`: how many digits a decimal carries, where those are more than it shows (`scale`), as in
    quotients; else 0. `raw`: a binary string, which the driver returns as bytes (binary.py).
    """

    kind: str
    scale: int = 0
    binary: bool = False
    digits: int = 0
    raw: bool = False

    @property
    def numeric(self) -> bool:
        return self.kind in NUMERIC

    @property
    def temporal(self) -> bool:
        return self.kind in TEMPORAL

    @property
    def integer(self) -> bool:
        return self.kind in ("int", "uint")

    @property
    def carried(self) -> int:
        """The digits behind the point that a value really has."""
        return self.digits or self.scale

    @property
    def real(self) -> bool:
        return self.kind in ("double", "float")


NULL = Type("null")
INT = Type("int")
UINT = Type("uint")
DOUBLE = Type("double", NOT_FIXED)
FLOAT = Type("float", NOT_FIXED)
TEXT = Type("text")
BINARY = Type("text", binary=True)
RAW = Type("text", binary=True, raw=True)
JSON = Type("json")
DATE = Type("date")
DATETIME = Type("datetime")
TIME = Type("time")


def decimal(scale: int, digits: int = 0) -> Type:
    scale, digits = min(scale, 30), min(digits, 30)
    return Type("decimal", scale, digits=digits if digits > scale else 0)


@dataclass(slots=True)
class Value:
    """A translated expression: its SQL for SQLite, its type, and the Python value of a literal.

    `chain` is the operator family of an unparenthesised left-associative chain in `sql`; long sums would otherwise
    nest deeper than SQLite's parser allows.
    """

    sql: str
    type: Type
    literal: str | int | float | None = None
    is_literal: bool = False
    chain: str = ""
    constant: bool = False
    columns: int = 1


def number_of_literal(value: Value) -> int | None:
    """A hexadecimal or bit literal as a number, which it is where one is wanted. None for other values."""
    from envs.dbbench.mysql.binary import to_bytes

    if not (value.is_literal and value.type.raw and isinstance(value.literal, str)):
        return None
    return int.from_bytes(to_bytes(value.literal)[-8:], "big")


def as_text(value: Value) -> str:
    kind = value.type.kind
    if kind == "int":
        return f"CAST({value.sql} AS TEXT)"
    if kind == "uint":
        return f"m_uint_text({value.sql})"
    if value.type.real:
        return f"m_double_text({value.sql}, {value.type.scale})"
    if value.type.digits:
        return f"m_decimal({value.sql}, {value.type.scale})"
    return value.sql


def as_stored(value: Value) -> str:
    """What a TEXT column keeps of a value. A fixed number of decimals does not survive in a DOUBLE."""
    if value.type.real:
        return f"m_double_text({value.sql}, {NOT_FIXED})"
    return as_text(value)


def as_double(value: Value) -> str:
    kind = value.type.kind
    if value.type.real or kind == "null":
        return value.sql
    if kind in ("int", "uint", "decimal"):
        return f"CAST({value.sql} AS REAL)"
    if kind == "json":
        return f"m_json_number({value.sql})"
    if (number := number_of_literal(value)) is not None:
        return f"{float(number)!r}"
    if kind == "text":
        if isinstance(value.literal, str) and value.is_literal and not is_double(value.literal):
            return f"m_literal_double({value.sql})"
        return f"CAST({value.sql} AS REAL)"
    return f"CAST(m_temporal_number({value.sql}) AS REAL)"


def as_decimal(value: Value) -> str:
    """Only for what is exact: int, uint, decimal and dates."""
    kind = value.type.kind
    if kind in ("decimal", "null"):
        return value.sql
    if kind in ("int", "uint"):
        return f"CAST({value.sql} AS TEXT)"
    if (number := number_of_literal(value)) is not None:
        return f"'{number}'"
    if kind == "json":
        return f"m_decimal(m_double_text({as_double(value)}, {NOT_FIXED}), 30)"
    if kind == "text":
        return f"m_{'literal' if value.is_literal else 'text'}_decimal({value.sql})"
    if value.type.real:
        return f"m_decimal({as_text(value)}, 30)"
    return f"CAST(m_temporal_number({value.sql}) AS TEXT)"


def as_integer(value: Value) -> str:
    """Rounded, as functions take their integer arguments."""
    kind = value.type.kind
    if kind in ("int", "uint", "null"):
        return value.sql
    if (number := number_of_literal(value)) is not None:
        return f"CAST({number} AS INTEGER)" if number < 2**63 else f"'{number:020d}'"
    if kind == "text":
        if isinstance(value.literal, str) and value.is_literal and not is_integer(value.literal):
            return f"m_literal_integer({value.sql})"
        return f"CAST({value.sql} AS INTEGER)"
    if kind in TEMPORAL:
        return f"CAST(m_temporal_number({value.sql}) AS INTEGER)"
    return f"m_round_integer({as_double(value) if kind == 'json' else value.sql})"


def as_count(value: Value) -> str:
    """The same for what counts or measures, as of a BIGINT: beyond it the largest one."""
    return f"m_count({as_integer(value)})" if value.type.kind == "uint" else as_integer(value)


def as_number(value: Value) -> Value:
    """The operand of arithmetic: a string is a DOUBLE, a hexadecimal literal and a date an integer."""
    if number_of_literal(value) is not None:
        return Value(as_integer(value), UINT, constant=True)
    if value.type.kind in ("text", "json"):
        return Value(as_double(value), DOUBLE, constant=value.constant)
    if value.type.temporal:
        return Value(as_integer(value), INT, constant=value.constant)
    return value


def as_truth(value: Value) -> str:
    """An SQLite condition: 1, 0 or NULL."""
    kind = value.type.kind
    if kind in ("int", "uint", "double", "float", "null"):
        return value.sql
    if kind in TEMPORAL:
        return f"(m_temporal_number({value.sql}) <> 0)"
    return f"({as_double(value)} <> 0)"


def common_type(types: list[Type]) -> Type:
    """The type of CASE, IF, COALESCE, UNION ... over the branches' types."""
    known = [t for t in types if t.kind != "null"]
    if not known:
        return NULL
    kinds = {t.kind for t in known}
    if len(kinds) == 1 and kinds <= TEMPORAL:
        return known[0]
    if kinds <= {"date", "datetime"}:
        return DATETIME
    if kinds == {"json"}:
        return JSON
    if not kinds <= NUMERIC:
        return common_text(known)
    if kinds & {"double", "float"}:
        scales = [t.scale for t in known]
        return Type("double", max(scales))
    if "decimal" in kinds:
        return decimal(max(t.scale for t in known))
    if kinds == {"int"} or kinds == {"uint"}:
        return known[0]
    return decimal(0)


def common_text(types: list[Type]) -> Type:
    """The kind of string that comes of several strings, numbers and dates."""
    if any(t.raw for t in types):
        return RAW
    return BINARY if any(t.binary or t.kind == "json" for t in types) else TEXT


def choice(value: Value, target: Type) -> str:
    """A branch of CASE or IF as one of `common_type`'s types: a DECIMAL keeps its own number of digits."""
    if target.kind != "decimal" or value.type.kind == "null":
        return convert(value, target)
    return f"m_decimal({value.sql}, {value.type.scale})" if value.type.digits else as_decimal(value)


def convert(value: Value, target: Type) -> str:
    """SQL of `value` in the representation of `target`, one of `common_type`'s answers."""
    if value.type == target or value.type.kind == "null":
        return value.sql
    if target.kind == "text":
        return as_text(value)
    if target.real:
        return as_double(value)
    if target.kind == "decimal":
        if value.type.kind == "decimal" and value.type.scale == target.scale and not value.type.digits:
            return value.sql
        return f"m_decimal({as_decimal(value)}, {target.scale})"
    if target.kind == "datetime" and value.type.kind == "date":
        return f"({value.sql} || ' 00:00:00')"
    return value.sql


def ordered(value: Value, sql: str | None = None) -> str:
    """The SQL with the collation under which it compares, sorts and groups."""
    sql = value.sql if sql is None else sql
    if value.type.kind == "text" and not value.type.binary:
        return f"{sql} COLLATE m_text"
    if value.type.kind == "decimal":
        return f"{sql} COLLATE m_decimal"
    return sql


# --- what the driver returns

Converter = Callable[[object], object]


def _integer(cell: object) -> object:
    if isinstance(cell, float):
        raise MySQLError(1690, "BIGINT", "expression")
    return int(cell) if isinstance(cell, str) else cell


def _decimal(cell: object) -> object:
    return None if cell is None else Decimal(str(cell))


def _double(cell: object) -> object:
    if cell is None:
        return None
    number = float(cell)  # type: ignore[arg-type]
    if number != number or number in (float("inf"), float("-inf")):
        raise MySQLError(1690, "DOUBLE", "expression")
    return number


def _float(cell: object) -> object:
    return None if cell is None else float(f"{float(cell):.6g}")  # type: ignore[arg-type]


def _bytes(cell: object) -> object:
    from envs.dbbench.mysql.binary import to_bytes

    return None if cell is None else to_bytes(str(cell))


def _date(cell: object) -> object:
    try:
        return None if cell is None else datetime.date.fromisoformat(str(cell))
    except ValueError:
        return str(cell)  # zero dates come as text


def _datetime(cell: object) -> object:
    try:
        return None if cell is None else datetime.datetime.fromisoformat(str(cell))
    except ValueError:
        return str(cell)


def _time(cell: object) -> object:
    from envs.dbbench.mysql.temporal import parse_time

    micros = None if cell is None else parse_time(str(cell))
    return None if micros is None else datetime.timedelta(microseconds=micros)


_CONVERTERS: dict[str, Converter] = {
    "int": _integer, "uint": _integer, "decimal": _decimal, "double": _double, "float": _float, "date": _date,
    "datetime": _datetime, "time": _time,
}  # fmt: skip


def converter(type_: Type) -> Converter | None:
    """What turns SQLite's value into the MySQL driver's, None where they are the same."""
    if type_.real and type_.scale < NOT_FIXED:
        return lambda cell: None if cell is None else round(float(_double(cell)), type_.scale)  # type: ignore[arg-type]
    if type_.raw:
        return _bytes
    if type_.digits:
        return lambda cell: None if cell is None else Decimal(fixed(Decimal(str(cell)), type_.scale))
    return _CONVERTERS.get(type_.kind)


def sort_key(value: Value, sql: str | None = None) -> str:
    """The SQL by which a value is sorted and grouped."""
    sql = value.sql if sql is None else sql
    if sql.lstrip("-").isdigit():
        return f"({sql} + 0)"  # SQLite takes a bare number for a column's place
    if value.type.kind == "json":
        return f"m_json_key({sql})"
    if value.type.kind == "text" and not value.type.binary:
        return f"m_text_key({sql})"
    if value.type.kind == "decimal":
        return f"m_decimal_key({sql})"
    return f"CAST({sql} AS INTEGER)" if _PLACE.fullmatch(sql) else sql
