"""MySQL's operators on translated values: which of its comparisons and arithmetics applies to which types."""

from __future__ import annotations

from collections.abc import Callable

from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.jsoncalls import comparison_key
from envs.dbbench.mysql.temporal import parse_moment
from envs.dbbench.mysql.types import (
    INT,
    NOT_FIXED,
    UINT,
    Type,
    Value,
    as_decimal,
    as_double,
    as_integer,
    as_number,
    as_text,
    as_truth,
    decimal,
    number_of_literal,
)


def compare(operator: str, left: Value, right: Value) -> str:
    """SQL of a comparison, 1, 0 or NULL. `operator`: = <> < <= > >= or <=>."""
    operator = "IS" if operator == "<=>" else operator
    a, b = comparable(left, right)
    return f"({a} {operator} {b})"


def comparable(left: Value, right: Value) -> tuple[str, str]:
    """Both sides in the representation in which MySQL compares their types, the left with its collation.

    A string against a number compares as DOUBLEs, a date against a constant string as dates.
    Raises 1525 for a constant that is no date.
    """
    a, b = left.type, right.type
    if "null" in (a.kind, b.kind):
        return left.sql, right.sql
    if "json" in (a.kind, b.kind):
        return comparison_key(left), comparison_key(right)
    if a.kind == b.kind == "text":
        return f"{left.sql} COLLATE {_collation(left, right)}", right.sql
    if a.temporal or b.temporal:
        return _comparable_dates(left, right)
    if a.real or b.real or "text" in (a.kind, b.kind):
        return as_double(left), as_double(right)
    if "decimal" in (a.kind, b.kind):
        return f"{as_decimal(left)} COLLATE m_decimal", as_decimal(right)
    return left.sql, right.sql


def _collation(left: Value, right: Value) -> str:
    """A hexadecimal literal takes the collation of what it is compared with."""
    literal = [number_of_literal(value) is not None for value in (left, right)]
    binary = (left.type.binary and not literal[0]) or (right.type.binary and not literal[1])
    return "BINARY" if binary or all(literal) else "m_text"


def _comparable_dates(left: Value, right: Value) -> tuple[str, str]:
    a, b = left.type, right.type
    if a.numeric or b.numeric:
        return as_double(left), as_double(right)
    if a.temporal and b.temporal:
        if a.kind == b.kind == "date":
            return left.sql, right.sql
        if "time" in (a.kind, b.kind):
            return f"m_temporal_number({left.sql})", f"m_temporal_number({right.sql})"
        return _as_datetime(left), _as_datetime(right)
    date, text = (left, right) if a.temporal else (right, left)
    if date.type.kind == "time":  # a time compares with a string as a string
        return f"{left.sql} COLLATE m_text", right.sql
    if isinstance(text.literal, str):
        moment = parse_moment(text.literal)
        if moment is None or not moment.is_whole():
            raise MySQLError(1525, date.type.kind.upper(), text.literal)
        text_sql = f"'{moment.date_text()} {moment.time_text()}'"
    else:
        text_sql = f"m_date_order({text.sql})"
    return (_as_datetime(date), text_sql) if date is left else (text_sql, _as_datetime(date))


def _as_datetime(value: Value) -> str:
    return value.sql if value.type.kind == "datetime" else f"({value.sql} || ' 00:00:00')"


def between(value: Value, low: Value, high: Value, negated: bool) -> str:
    """One common type for all three, unlike two comparisons."""
    types = [value.type, low.type, high.type]
    if all(t.kind in ("text", "null") for t in types) or any(t.temporal for t in types):
        sql = f"({compare('>=', value, low)} AND {compare('<=', value, high)})"
    elif all(t.integer or t.kind == "null" for t in types):
        sql = f"({value.sql} BETWEEN {low.sql} AND {high.sql})"
    elif any(t.real or t.kind == "text" for t in types):
        sql = f"({as_double(value)} BETWEEN {as_double(low)} AND {as_double(high)})"
    else:
        sql = f"({as_decimal(value)} COLLATE m_decimal BETWEEN {as_decimal(low)} AND {as_decimal(high)})"
    return f"(NOT {sql})" if negated else sql


def compare_rows(operator: str, left: list[Value], right: list[Value]) -> str:
    """SQL of a comparison of two rows, item by item."""
    if operator in ("=", "<=>", "in"):
        word = "<=>" if operator == "<=>" else "="
        return "(" + " AND ".join(compare(word, a, b) for a, b in zip(left, right, strict=True)) + ")"
    if operator == "<>":
        return "(" + " OR ".join(compare("<>", a, b) for a, b in zip(left, right, strict=True)) + ")"
    strict = operator[0]
    sql = compare(operator, left[-1], right[-1])
    for a, b in zip(reversed(left[:-1]), reversed(right[:-1]), strict=True):
        sql = f"({compare(strict, a, b)} OR ({compare('=', a, b)} AND {sql}))"
    return sql


def contains(value: Value, items: list[Value], negated: bool) -> str:
    """`value IN (items)`: each item compares by its own type."""
    groups: dict[str, list[str]] = {}
    for item in items:
        left, right = comparable(value, item)
        groups.setdefault(left, []).append(right)
    sql = " OR ".join(f"{left} IN ({', '.join(rights)})" for left, rights in groups.items())
    return f"(NOT ({sql}))" if negated else f"({sql})"


def arithmetic(operator: str, left: Value, right: Value, strict: bool = False) -> Value:
    """`+ - * / % div` with the result's type by the manual's "Arithmetic Operators". `strict`: a division by zero is
    seen (strict.py)."""
    constant = left.constant and right.constant
    if operator == "div" and "text" in (left.type.kind, right.type.kind):
        return _divided_texts(left, right)
    left, right = as_number(left), as_number(right)
    result = _result_type(operator, left.type, right.type)
    if left.type.real or right.type.real:
        return Value(*_real(operator, left, right, result, strict), constant=constant)
    exact = "decimal" in (left.type.kind, right.type.kind)
    if operator == "/" or exact:
        carried = _carried(operator, left.type, right.type)
        sql = f"m_operate('{operator}', {as_decimal(left)}, {as_decimal(right)}, {carried})"
        result = decimal(result.scale, carried) if result.kind == "decimal" else result
        return Value(f"CAST({sql} AS INTEGER)" if operator == "div" else sql, result, constant=constant)
    if operator in "+-":
        return Value(_chained(operator, left, right, left.sql, right.sql), result, chain="+", constant=constant)
    if strict and operator in ("%", "div"):
        return Value(f"m_divide_integers('{operator}', {left.sql}, {right.sql})", result, constant=constant)
    return Value(f"({left.sql} {'/' if operator == 'div' else operator} {right.sql})", result, constant=constant)


def _divided_texts(left: Value, right: Value) -> Value:
    """DIV of strings: its operands are decimals, unlike those of the other operators."""
    sql = f"m_operate('div', {as_decimal(left)}, {as_decimal(right)}, 0)"
    return Value(f"CAST({sql} AS INTEGER)", INT, constant=left.constant and right.constant)


def unsigned(operator: str, operands: list[Value], text: str) -> Value:
    """`+ - * %` with an unsigned side: beyond 0 to 2**64 - 1 error 1690, whose text is in the parameter `text`."""
    left, right = (as_integer(as_number(operand)) for operand in operands)
    constant = all(operand.constant for operand in operands)
    return Value(f"m_unsigned('{operator}', {left}, {right}, {text})", UINT, constant=constant)


def _carried(operator: str, left: Type, right: Type) -> int:
    """The digits that an exact result carries."""
    a, b = left.carried, right.carried
    if operator == "/":
        return quotient_digits(a, b)
    return 0 if operator == "div" else min(a + b if operator == "*" else max(a, b), 30)


def quotient_digits(left: int, right: int) -> int:
    """A quotient's digits: the server's decimals grow by words of nine (strings/decimal.cc)."""
    words = -(-left // 9) + -(-right // 9)
    more = max(4 - (9 * words - left - right), 0)
    return min(9 * (words + -(-more // 9)), 30)


def _chained(operator: str, left: Value, right: Value, left_sql: str, right_sql: str) -> str:
    if left.chain == "+" and left_sql == left.sql:
        left_sql = left_sql[1:-1]
    return f"({left_sql} {operator} {right_sql})"


def _real(operator: str, left: Value, right: Value, result: Type, strict: bool) -> tuple[str, Type]:
    a, b = as_double(left), as_double(right)
    if operator == "%":
        return f"m_remainder({a}, {b})", result
    if operator == "div":
        return f"m_quotient({a}, {b})", INT
    if operator in "+-":
        return _chained(operator, left, right, a, b), result
    if strict and operator == "/":
        return f"m_divide({a}, {b})", result
    return f"({a} {operator} {b})", result


def _result_type(operator: str, left: Type, right: Type) -> Type:
    if operator == "div":
        return INT
    scales = (left.scale, right.scale)
    scale = {"*": sum(scales), "/": (max(scales) if left.real or right.real else left.scale) + 4}.get(
        operator, max(scales)
    )
    if left.real or right.real:
        return Type("double", min(scale, NOT_FIXED))
    if operator == "/" or "decimal" in (left.kind, right.kind):
        return decimal(scale)
    return UINT if "uint" in (left.kind, right.kind) else INT


def negate(value: Value) -> Value:
    if value.is_literal and isinstance(value.literal, int) and value.literal < 0:
        return Value(f"'{-value.literal}'", decimal(0), constant=True)  # Item_func_neg::resolve_type
    if value.is_literal and isinstance(value.literal, int | float):
        return Value(f"(-{value.sql})", value.type, -value.literal, True, constant=True)
    value = as_number(value)
    if value.type.kind == "decimal":
        sql = f"m_operate('-', '0', {value.sql}, {value.type.scale})"
        return Value(sql, value.type, constant=value.constant)
    kind = INT if value.type.kind == "uint" else value.type
    if kind.real:
        return Value(f"(-1.0 * {value.sql})", kind, constant=value.constant)  # -0.0, which SQLite's sign does not make
    return Value(f"(- {value.sql})", kind, constant=value.constant)


def bitwise(operator: str, left: Value, right: Value) -> Value:
    return Value(f"m_bitwise('{operator}', {as_integer(left)}, {as_integer(right)})", UINT)


def logical(operator: str, operands: list[Value]) -> Value:
    """AND and OR of any number of operands, XOR of two."""
    constant = all(operand.constant for operand in operands)
    if operator == "xor":
        left, right = (f"(({as_truth(operand)}) <> 0)" for operand in operands)
        return Value(f"({left} <> {right})", INT, constant=constant)
    word = f" {operator.upper()} "
    return Value(f"({word.join(as_truth(operand) for operand in operands)})", INT, constant=constant)


def like(value: Value, pattern: Value, escape: str, negated: bool, param: Callable[[str], str]) -> Value:
    binary = int(value.type.binary or pattern.type.binary)
    sql = f"m_like({as_text(value)}, {as_text(pattern)}, {param(escape)}, {binary})"
    return Value(f"(NOT {sql})" if negated else sql, INT)
