"""Reading a Python literal out of a model's text, as the benchmark's `eval` would read it, without running anything.

`ast.literal_eval` alone parts from `eval` where a text happens to be arithmetic: the unquoted season `[2008-2009]` is
`[-1]` to the official scorers, and so not the season. This module works out operators on constants and looks up the
builtin names, both within bounds, and nothing else: no call, no attribute, no comprehension, no variable.

A text over `MAX_CHARS` is not read, which keeps time and memory small whatever the text is.
"""

from __future__ import annotations

import ast
import builtins
import operator
import warnings
from collections.abc import Callable
from typing import Any

MAX_CHARS = 100_000
_MAX_SIZE = 1_000  # characters or bits of the result of an operator
_SOURCE = "<answer>"
_BUILTINS = frozenset(name for name in dir(builtins) if name != "_")  # an interactive session adds "_"

# Python warns of "\d" or of `"a" (1)` in source code; in a model's answer that is nobody's fault.
warnings.filterwarnings("ignore", module=_SOURCE)

_UNARY: dict[type, Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, container: item in container,
    ast.NotIn: lambda item, container: item not in container,
}


def read_literal(text: str) -> object:
    """The value of `text`, which may be arithmetic on constants.

    Raises:
        ValueError: for everything else: no expression, an unknown name, a call, a text too long or too deep.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"longer than {MAX_CHARS} characters")
    try:
        return _value(ast.parse(text.lstrip(" \t"), _SOURCE, "eval").body)
    except (SyntaxError, TypeError, ArithmeticError, LookupError, RecursionError, MemoryError) as error:
        raise ValueError(f"not a literal: {type(error).__name__}") from error


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.List():
            return _items(node.elts)
        case ast.Tuple():
            return tuple(_items(node.elts))
        case ast.Set():
            return set(_items(node.elts))
        case ast.Dict():
            return {_value(_present(key)): _value(item) for key, item in zip(node.keys, node.values, strict=True)}
        case ast.Name() if node.id in _BUILTINS:
            return getattr(builtins, node.id)
        case ast.UnaryOp():
            return _UNARY[type(node.op)](_value(node.operand))
        case ast.BinOp():
            return _binary(node)
        case ast.BoolOp():
            return _either(node)
        case ast.Compare():
            return _compare(node)
        case ast.IfExp():
            return _value(node.body if _value(node.test) else node.orelse)
        case ast.Subscript():
            return _value(node.value)[_value(node.slice)]
        case ast.JoinedStr() if all(isinstance(part, ast.Constant) for part in node.values):
            return "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    raise ValueError(f"{type(node).__name__} is not read")


def _items(nodes: list[ast.expr]) -> list[Any]:
    items: list[Any] = []
    for node in nodes:
        if isinstance(node, ast.Starred):
            items.extend(_value(node.value))
        else:
            items.append(_value(node))
    return items


def _present(key: ast.expr | None) -> ast.expr:
    if key is None:
        raise ValueError("** is not read")
    return key


def _binary(node: ast.BinOp) -> Any:
    function = _BINARY.get(type(node.op))
    if function is None:
        raise ValueError(f"{type(node.op).__name__} is not read")
    left, right = _value(node.left), _value(node.right)
    if _size(node.op, left, right) > _MAX_SIZE:
        raise ValueError("too large to work out")
    return function(left, right)


def _size(op: ast.operator, left: Any, right: Any) -> float:
    """Bits or characters of the result, roughly: what `eval` would work on for minutes is refused."""
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length()
        sizes = {ast.Pow: bits * abs(right), ast.LShift: bits + right, ast.Mult: bits + right.bit_length()}
        return sizes.get(type(op), 0)
    if isinstance(op, ast.Mult) and isinstance(left, (str, bytes)) and isinstance(right, int):
        return len(left) * right
    if isinstance(op, ast.Mult) and isinstance(left, int) and isinstance(right, (str, bytes)):
        return left * len(right)
    if isinstance(op, ast.Add) and isinstance(left, (str, bytes, list, tuple)):
        return len(left) + len(right)
    if isinstance(left, (float, complex)) or isinstance(right, (float, complex)) or isinstance(left, (set, dict)):
        return 0
    return float("inf")  # "%999999999d" % 1, [[0] * 999] * 999


def _either(node: ast.BoolOp) -> Any:
    wanted = isinstance(node.op, ast.Or)
    value: Any = None
    for operand in node.values:
        value = _value(operand)
        if bool(value) is wanted:
            break
    return value


def _compare(node: ast.Compare) -> Any:
    left = _value(node.left)
    result: Any = True
    for op, comparator in zip(node.ops, node.comparators, strict=True):
        function = _COMPARE.get(type(op))
        if function is None:
            raise ValueError(f"{type(op).__name__} is not read")
        right = _value(comparator)
        result = function(left, right)
        if not result:
            break
        left = right
    return result
