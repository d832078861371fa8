"""Functions whose type or SQL depends on their arguments' types: IF, COALESCE, ROUND, SUM, STR_TO_DATE ..."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envs.dbbench.mysql import (
    binary,
    datefunctions,
    informationcalls,
    jsoncalls,
    miscellaneous,
    numberfunctions,
    regexp,
    textfunctions,
)
from envs.dbbench.mysql.dateformat import format_kind
from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.functions import FUNCTIONS, Function
from envs.dbbench.mysql.handlers import HANDLERS, handles
from envs.dbbench.mysql.operators import arithmetic, compare, quotient_digits
from envs.dbbench.mysql.tree import Call, Interval
from envs.dbbench.mysql.types import (
    DATE,
    DATETIME,
    DOUBLE,
    INT,
    NOT_FIXED,
    TEXT,
    TIME,
    UINT,
    Type,
    Value,
    as_count,
    as_decimal,
    as_double,
    as_integer,
    as_number,
    as_text,
    as_truth,
    choice,
    common_text,
    common_type,
    convert,
    decimal,
    ordered,
)

if TYPE_CHECKING:
    from envs.dbbench.mysql.translate import Translator

# Imported for what they register.
LIBRARIES = (binary, datefunctions, informationcalls, jsoncalls, miscellaneous, numberfunctions, regexp, textfunctions)


def arity(name: str) -> tuple[int, int] | None:
    """Fewest and most arguments of a native function, None for an unknown one."""
    if name in HANDLERS:
        return HANDLERS[name][:2]
    return FUNCTIONS[name].arity if name in FUNCTIONS else None


def plain(entry: Function, arguments: list[Value]) -> Value:
    """A function of functions.py: every argument converted to what it takes."""
    converted = [_argument(entry.kind(i), argument) for i, argument in enumerate(arguments)]
    returns = entry.returns
    if entry.name in textfunctions.COLLATED:
        returns = common_text([value.type for i, value in enumerate(arguments) if entry.kind(i) == "t"])
    return Value(f"m_{entry.name.lower()}({', '.join(converted)})", returns)


def _argument(kind: str, value: Value) -> str:
    if kind == "i":
        return as_count(value)
    if kind == "u":
        return as_integer(value)
    if kind == "r":
        return as_double(value)
    if kind == "d":
        return as_moment(value)
    return as_text(value)


def as_moment(value: Value) -> str:
    return f"m_number_date({as_count(value)})" if value.type.numeric else value.sql


# --- choices


@handles("IF", 3)
def _if(t: Translator, arguments: list[Value], call: Call) -> Value:
    condition, yes, no = arguments
    result = common_type([yes.type, no.type])
    sql = f"CASE WHEN {as_truth(condition)} THEN {choice(yes, result)} ELSE {choice(no, result)} END"
    return Value(f"({sql})", result)


@handles("COALESCE", 1, 99)
def _coalesce(t: Translator, arguments: list[Value], call: Call) -> Value:
    result = common_type([argument.type for argument in arguments])
    converted = [convert(argument, result) for argument in arguments]
    return Value(converted[0] if len(converted) == 1 else f"coalesce({', '.join(converted)})", result)


handles("IFNULL", 2)(_coalesce)


@handles("NULLIF", 2)
def _nullif(t: Translator, arguments: list[Value], call: Call) -> Value:
    first, second = arguments
    return Value(f"(CASE WHEN {compare('=', first, second)} THEN NULL ELSE {first.sql} END)", first.type)


@handles("ISNULL", 1)
def _isnull(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value(f"({arguments[0].sql} IS NULL)", INT)


@handles("GREATEST LEAST", 2, 99)
def _extreme(t: Translator, arguments: list[Value], call: Call) -> Value:
    result = common_type([argument.type for argument in arguments])
    items = ", ".join(convert(argument, result) for argument in arguments)
    return Value(f"m_extreme('{call.name.lower()} {'binary' if result.binary else result.kind}', {items})", result)


@handles("ANY_VALUE", 1)
def _any_value(t: Translator, arguments: list[Value], call: Call) -> Value:
    return arguments[0]


# --- numbers


@handles("ROUND TRUNCATE", 1, 2)
def _round(t: Translator, arguments: list[Value], call: Call) -> Value:
    name = call.name.lower()
    if name == "truncate" and len(arguments) < 2:
        raise MySQLError(1582, call.name)
    number = as_number(arguments[0])
    places = as_count(arguments[1]) if len(arguments) > 1 else "0"
    literal = arguments[1].literal if len(arguments) > 1 else 0
    fixed = max(literal, 0) if isinstance(literal, int) else None
    if number.type.real or number.type.kind == "null":
        scale = NOT_FIXED if fixed is None else min(fixed, NOT_FIXED)
        return Value(f"m_{name}_double({as_double(number)}, {places})", Type("double", scale))
    if number.type.kind == "decimal":
        scale = number.type.scale if fixed is None else min(fixed, 30)
        return Value(f"m_{name}_decimal({number.sql}, {places}, {scale})", decimal(scale))
    if fixed is not None and isinstance(literal, int) and literal >= 0:
        return number
    return Value(f"m_{name}_whole({number.sql}, {places})", number.type)


@handles("ABS", 1)
def _abs(t: Translator, arguments: list[Value], call: Call) -> Value:
    number = as_number(arguments[0])
    if number.type.kind == "decimal":
        return Value(f"ltrim({number.sql}, '-')", number.type)
    if number.type.kind == "uint":
        return number
    return Value(f"abs({number.sql})", number.type)


@handles("SIGN", 1)
def _sign(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value(f"sign({as_double(arguments[0])})", INT)


@handles("CEIL CEILING FLOOR", 1)
def _ceil(t: Translator, arguments: list[Value], call: Call) -> Value:
    name = "floor" if call.name == "FLOOR" else "ceil"
    number = as_number(arguments[0])
    if number.type.real:
        return Value(f"CAST(m_{name}({number.sql}) AS REAL)", Type("double", 0))
    return Value(f"m_{name}_decimal({number.sql})", INT) if number.type.kind == "decimal" else number


@handles("MOD", 2)
def _mod(t: Translator, arguments: list[Value], call: Call) -> Value:
    return arithmetic("%", arguments[0], arguments[1], t.strict)


@handles("PI", 0)
def _pi(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value("3.141592653589793", Type("double", 6), constant=True)


@handles("RAND", 0, 1)
def _rand(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value("((random() & 9007199254740991) / 9007199254740992.0)", DOUBLE)


@handles("FORMAT", 2, 3)
def _format(t: Translator, arguments: list[Value], call: Call) -> Value:
    number, places = as_number(arguments[0]), as_count(arguments[1])
    if number.type.real:
        return Value(f"m_format_double({number.sql}, {places})", TEXT)
    return Value(f"m_format_decimal({as_decimal(number)}, {places})", TEXT)


@handles("FIELD", 2, 99)
def _field(t: Translator, arguments: list[Value], call: Call) -> Value:
    if all(argument.type.kind in ("text", "null") for argument in arguments):
        return Value(f"m_field_text({', '.join(a.sql for a in arguments)})", INT)
    return Value(f"m_field_number({', '.join(as_double(a) for a in arguments)})", INT)


@handles("HEX", 1)
def _hex(t: Translator, arguments: list[Value], call: Call) -> Value:
    if arguments[0].type.numeric:
        return Value(f"m_hex_number({as_integer(arguments[0])})", TEXT)
    return Value(f"m_hex({arguments[0].sql})", TEXT)


@handles("BIN OCT", 1)
def _other_base(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value(f"m_conv({as_text(arguments[0])}, 10, {2 if call.name == 'BIN' else 8})", TEXT)


@handles("INTERVAL", 2, 99)
def _interval(t: Translator, arguments: list[Value], call: Call) -> Value:
    first, *bounds = (as_double(argument) for argument in arguments)
    whens = " ".join(f"WHEN {first} < {bound} THEN {i}" for i, bound in enumerate(bounds))
    return Value(f"(CASE WHEN {first} IS NULL THEN -1 {whens} ELSE {len(bounds)} END)", INT)


# --- dates


@handles("STR_TO_DATE", 2)
def _str_to_date(t: Translator, arguments: list[Value], call: Call) -> Value:
    text, pattern = arguments
    kind = format_kind(pattern.literal) if isinstance(pattern.literal, str) else "datetime"
    entry = FUNCTIONS[f"str_to_date_{kind}"]
    return Value(f"m_{entry.name.lower()}({as_text(text)}, {as_text(pattern)})", entry.returns)


def interval(t: Translator, base: Value, amount: Value, node: Interval) -> Value:
    """DATE_ADD and `date + INTERVAL`: a string stays a string."""
    if amount.type.kind == "text" and "_" not in node.unit:
        exact = node.unit == "SECOND"
        amount = Value(as_decimal(amount), decimal(30)) if exact else Value(as_count(amount), INT)
    sql = f"m_add_interval({as_moment(base)}, {as_text(amount)}, {t.param(node.unit)}, {node.sign})"
    fine = node.unit in ("MICROSECOND", "SECOND", "MINUTE", "HOUR") or ("_" in node.unit and node.unit != "YEAR_MONTH")
    if base.type.kind == "date":
        return Value(sql, DATETIME if fine else DATE)
    return Value(sql, base.type if base.type.temporal else TEXT)


_DATE_UNITS = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY"}


def extract(t: Translator, unit: str, value: Value) -> Value:
    if unit == "YEAR_MONTH":
        return Value(f"CAST(m_date_format({as_moment(value)}, '%Y%m') AS INTEGER)", INT)
    if unit in _DATE_UNITS:
        return plain(FUNCTIONS[unit], [value])
    return Value(f"m_extract_time({t.param(unit)}, {as_text(value)})", INT)


def _now(names: str, modifier: str, pattern: str, kind: Type) -> None:
    def handler(t: Translator, arguments: list[Value], call: Call) -> Value:
        return Value(f"strftime('{pattern}', 'now'{modifier})", kind, constant=True)

    handles(names, 0, 1)(handler)


_now("NOW CURRENT_TIMESTAMP LOCALTIME LOCALTIMESTAMP SYSDATE UTC_TIMESTAMP", "", "%Y-%m-%d %H:%M:%S", DATETIME)
_now("CURDATE CURRENT_DATE UTC_DATE", "", "%Y-%m-%d", DATE)
_now("CURTIME CURRENT_TIME UTC_TIME", "", "%H:%M:%S", TIME)


# --- aggregates


def aggregate(t: Translator, call: Call, arguments: list[Value]) -> Value:
    """SUM, AVG, COUNT, MIN, MAX, GROUP_CONCAT ...; the caller has seen to where they are allowed."""
    name = call.name
    distinct = "DISTINCT " if call.distinct else ""
    if name == "COUNT":
        return _count(call, arguments)
    if name in ("MIN", "MAX"):
        return Value(f"{name}({ordered(arguments[0])})", arguments[0].type)
    if name in ("SUM", "AVG"):
        return _sum(name, distinct, as_number(arguments[0]))
    if name.startswith("JSON_"):
        return jsoncalls.aggregate(call, arguments)
    if name.startswith("BIT_"):
        return Value(f"m_bits({as_integer(arguments[0])}, '{name[4:].lower()}')", UINT)
    kind = ("std " if name.startswith("STD") else "") + ("samp" if name.endswith("SAMP") else "pop")
    return Value(f"m_variance({as_double(arguments[0])}, '{kind}')", DOUBLE)


def _count(call: Call, arguments: list[Value]) -> Value:
    if not arguments:
        return Value("COUNT(*)", INT)
    if not call.distinct:
        return Value(f"COUNT({arguments[0].sql})", INT)
    if len(arguments) == 1:
        return Value(f"COUNT(DISTINCT {ordered(arguments[0])})", INT)
    return Value(f"m_count_distinct({', '.join(argument.sql for argument in arguments)})", INT)


def _sum(name: str, distinct: str, number: Value) -> Value:
    if number.type.real:
        scale = number.type.scale
        if name == "AVG":
            scale += 4
        return Value(f"{name}({distinct}{as_double(number)})", Type("double", min(scale, NOT_FIXED)))
    if name == "SUM":
        return Value(f"m_decimal_sum({distinct}{number.sql})", decimal(number.type.scale, number.type.digits))
    scale = min(number.type.scale + 4, 30)
    digits = quotient_digits(number.type.carried, 0)
    return Value(f"m_cut(m_decimal_avg({distinct}{number.sql}), {digits})", decimal(scale, digits))
