"""Calls of JSON functions: every argument becomes the document or value that jsonfunctions.py takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envs.dbbench.mysql import jsonfunctions
from envs.dbbench.mysql.errors import MySQLError, Unsupported
from envs.dbbench.mysql.functions import FUNCTIONS
from envs.dbbench.mysql.handlers import handles
from envs.dbbench.mysql.tree import Call, Cast, Literal, Node, Operation, Subquery
from envs.dbbench.mysql.types import INT, JSON, Value, as_text

if TYPE_CHECKING:
    from envs.dbbench.mysql.translate import Translator

LIBRARIES = (jsonfunctions,)
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "div", "|", "&", "^", "<<", ">>", "~", "negate", "collate"})


def document(value: Value, argument: int, name: str) -> str:
    """An argument that is a document: JSON, or text that has to be JSON. Error 3146 for other types."""
    if value.type.kind in ("json", "null"):
        return value.sql
    if value.type.kind != "text":
        raise MySQLError(3146, argument, name)
    if value.type.raw:
        raise MySQLError(3144, "binary")
    return f"m_json_document({value.sql}, {argument}, '{name}')"


def element(value: Value, node: Node) -> str:
    """An argument that is a value, as the text of a document: a string is a JSON string, NULL is null."""
    kind, sql = value.type.kind, value.sql
    if kind == "null":
        return "'null'"
    if _is_boolean(node):
        return f"(CASE WHEN {sql} IS NULL THEN 'null' WHEN {sql} THEN 'true' ELSE 'false' END)"
    if kind in ("int", "uint", "decimal"):
        sql = as_text(value)
    elif value.type.real:
        sql = f"m_json_real({sql})"
    elif kind in ("datetime", "time"):
        sql = f"m_json_string({sql} || '.000000')"
    elif kind != "json":
        sql = f"m_json_string({sql})"
    return f"coalesce({sql}, 'null')"


def comparison_key(value: Value) -> str:
    """What a value compares by beside a JSON one."""
    sql = value.sql if value.type.kind == "json" else element(value, Literal("", "null"))
    return f"(CASE WHEN {value.sql} IS NULL THEN NULL ELSE m_json_key({sql}) END)"


def cast_json(value: Value, node: Cast) -> Value:
    """CAST(... AS JSON): text has to be JSON; NULL stays NULL."""
    if value.type.kind in ("text", "json", "null"):
        return Value(document(value, 1, "cast_as_json"), JSON, constant=value.constant)
    sql = element(value, node.operand)
    return Value(f"(CASE WHEN {value.sql} IS NULL THEN NULL ELSE {sql} END)", JSON, constant=value.constant)


def _is_boolean(node: Node) -> bool:
    """TRUE, FALSE, comparisons and conditions are true and false in JSON."""
    if isinstance(node, Operation):
        return node.operator not in _ARITHMETIC
    if isinstance(node, Subquery):
        return node.test == "exists"
    return isinstance(node, Literal) and node.kind == "boolean"


def _called(name: str, cells: list[str]) -> Value:
    return Value(f"m_{name}({', '.join(cells)})", FUNCTIONS[name].returns)


def _documents(names: str, least: int, most: int, documents: int) -> None:
    """Functions whose first arguments are documents and whose others are paths and other texts."""

    def handler(t: Translator, arguments: list[Value], call: Call) -> Value:
        name = call.name.lower()
        cells = [document(value, i, name) for i, value in enumerate(arguments[:documents], 1)]
        return _called(name, cells + [as_text(value) for value in arguments[documents:]])

    handles(names, least, most)(handler)


_documents("JSON_EXTRACT JSON_REMOVE", 2, 99, 1)
_documents("JSON_LENGTH JSON_KEYS", 1, 2, 1)
_documents("JSON_TYPE JSON_DEPTH JSON_PRETTY", 1, 1, 1)
_documents("JSON_VALUE", 2, 2, 1)
_documents("JSON_CONTAINS", 2, 3, 2)
_documents("JSON_CONTAINS_PATH", 3, 99, 1)
_documents("JSON_OVERLAPS", 2, 2, 2)
_documents("JSON_SEARCH", 3, 99, 1)
_documents("JSON_MERGE_PATCH JSON_MERGE_PRESERVE", 2, 99, 99)


@handles("JSON_MERGE", 2, 99)
def _merge(t: Translator, arguments: list[Value], call: Call) -> Value:
    return _called("json_merge_preserve", [document(value, i, "json_merge") for i, value in enumerate(arguments, 1)])


@handles("JSON_SET JSON_INSERT JSON_REPLACE JSON_ARRAY_APPEND JSON_ARRAY_INSERT", 3, 99)
def _change(t: Translator, arguments: list[Value], call: Call) -> Value:
    if len(arguments) % 2 == 0:
        raise MySQLError(1582, call.name)
    name = call.name.lower()
    cells = [document(arguments[0], 1, name)]
    for i in range(1, len(arguments), 2):
        cells += [as_text(arguments[i]), element(arguments[i + 1], call.arguments[i + 1])]
    return _called(name, cells)


@handles("JSON_ARRAY", 0, 99)
def _array(t: Translator, arguments: list[Value], call: Call) -> Value:
    return _called("json_array", [element(*pair) for pair in zip(arguments, call.arguments, strict=True)])


@handles("JSON_OBJECT", 0, 99)
def _object(t: Translator, arguments: list[Value], call: Call) -> Value:
    if len(arguments) % 2:
        raise MySQLError(1582, call.name)
    cells = []
    for i in range(0, len(arguments), 2):
        cells += [as_text(arguments[i]), element(arguments[i + 1], call.arguments[i + 1])]
    return _called("json_object", cells)


@handles("JSON_QUOTE", 1)
def _quote(t: Translator, arguments: list[Value], call: Call) -> Value:
    if arguments[0].type.kind not in ("text", "null"):
        raise MySQLError(3064, 1, "json_quote")
    return Value(f"m_json_string({arguments[0].sql})", FUNCTIONS["json_unquote"].returns)


@handles("JSON_UNQUOTE", 1)
def _unquote(t: Translator, arguments: list[Value], call: Call) -> Value:
    if arguments[0].type.kind not in ("text", "json", "null"):
        raise MySQLError(3064, 1, "json_unquote")
    return _called("json_unquote" if arguments[0].type.kind == "json" else "json_unquote_text", [arguments[0].sql])


@handles("JSON_VALID", 1)
def _valid(t: Translator, arguments: list[Value], call: Call) -> Value:
    kind, sql = arguments[0].type.kind, arguments[0].sql
    if kind == "text":
        return _called("json_valid", [sql])
    return Value("NULL" if kind == "null" else f"(CASE WHEN {sql} IS NOT NULL THEN {int(kind == 'json')} END)", INT)


@handles("JSON_STORAGE_SIZE JSON_STORAGE_FREE JSON_SCHEMA_VALID JSON_SCHEMA_VALIDATION_REPORT", 1, 2)
def _unsupported(t: Translator, arguments: list[Value], call: Call) -> Value:
    raise Unsupported(f"the function {call.name}")


def aggregate(call: Call, arguments: list[Value]) -> Value:
    """JSON_ARRAYAGG and JSON_OBJECTAGG."""
    if call.name == "JSON_ARRAYAGG":
        return Value(f"m_json_arrayagg({element(arguments[0], call.arguments[0])})", JSON)
    name, item = as_text(arguments[0]), element(arguments[1], call.arguments[1])
    return Value(f"m_json_objectagg({name}, {item})", JSON)


def member_of(value: Value, node: Node, array: Value) -> Value:
    """`value MEMBER OF (array)`."""
    if value.type.kind == "null":
        return Value("NULL", INT)
    sql = f"m_json_member({element(value, node)}, {document(array, 2, 'member of')})"
    return Value(f"(CASE WHEN {value.sql} IS NULL THEN NULL ELSE {sql} END)", INT)
