"""CAST and CONVERT."""

from __future__ import annotations

from envs.dbbench.mysql import calls, jsoncalls
from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.tree import (
    Cast,
)
from envs.dbbench.mysql.types import (
    DATE,
    DATETIME,
    DOUBLE,
    FLOAT,
    INT,
    RAW,
    TEXT,
    TIME,
    UINT,
    Value,
    as_count,
    as_decimal,
    as_double,
    as_integer,
    as_number,
    as_text,
    decimal,
    number_of_literal,
)


def cast(value: Value, node: Cast, strict: bool = False) -> Value:
    """CAST and CONVERT. Raises 1425 to 1427 and 1439 for sizes that MySQL refuses. `strict`: see strict.py."""
    if node.type not in ("CHAR", "BINARY", "JSON") and number_of_literal(value) is not None:
        value = as_number(value)
    kind, source = node.type, value.type.kind
    if kind in ("CHAR", "BINARY") and (node.precision or 0) >= 2**32:
        raise MySQLError(1439, f"cast as {kind.lower()}", 2**32 - 1)
    if kind == "CHAR":
        text = as_text(value)
        sql = text if node.precision is None else f"m_cast_char({text}, {node.precision})"
        return Value(sql, TEXT, value.literal, constant=value.constant)
    if kind == "BINARY":
        text = as_text(value)
        sql = text if node.precision is None else f"m_fit_bytes({text}, {node.precision})"
        return Value(sql, RAW, value.literal, constant=value.constant)
    if kind == "SIGNED":
        checked = f"m_cast_signed({value.sql})" if strict else f"CAST({value.sql} AS INTEGER)"
        if source == "uint":
            return Value(f"m_signed({value.sql})", INT)
        return Value(as_integer(value) if source != "text" else checked, INT)
    if kind == "UNSIGNED":
        if source == "text":
            return Value(f"m_cast_unsigned({value.sql})", UINT)
        return Value(f"m_number_unsigned({value.sql if value.type.numeric else as_integer(value)})", UINT)
    if kind in ("DOUBLE", "FLOAT"):
        single = kind == "FLOAT" and (node.precision or 0) <= 24
        return Value(f"m_single({as_double(value)})" if single else as_double(value), FLOAT if single else DOUBLE)
    if kind == "DECIMAL":
        return _cast_decimal(value, node)
    if kind == "YEAR":
        return _cast_year(value)
    if kind == "JSON":
        return jsoncalls.cast_json(value, node)
    return Value(f"m_cast_{kind.lower()}({calls.as_moment(value) if kind != 'TIME' else as_text(value)})",
                 {"DATE": DATE, "TIME": TIME}.get(kind, DATETIME))  # fmt: skip


def _cast_decimal(value: Value, node: Cast) -> Value:
    precision = node.precision or 10
    scale = node.scale or 0
    if precision > 65:
        raise MySQLError(1426, precision, "cast", 65)
    if scale > 30:
        raise MySQLError(1425, scale, "cast", 30)
    if scale > precision:
        raise MySQLError(1427, "")
    text = value.sql if value.type.kind == "text" else as_text(value) if value.type.real else as_decimal(value)
    return Value(f"m_cast_decimal({text}, {precision}, {scale}, {int(value.is_literal)})", decimal(scale))


def _cast_year(value: Value) -> Value:
    if value.type.temporal:
        return Value(f"m_year({value.sql})", INT)
    text = "" if value.type.numeric else "_text"
    return Value(f"m_cast_year{text}({value.sql if text else as_count(value)})", INT)
