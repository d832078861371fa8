"""Expressions as MySQL prints them in the text of error 1690."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envs.dbbench.mysql.tree import Call, Cast, Column, Literal, Node, Operation, Variable

if TYPE_CHECKING:
    from envs.dbbench.mysql.translate import Translator

_CASTS = {"SIGNED": "signed", "UNSIGNED": "unsigned", "CHAR": "char charset utf8mb4", "BINARY": "char charset binary"}


def printed(t: Translator, node: Node) -> str:
    """The expression with its columns' full names; what is seldom in arithmetic is left out."""
    if isinstance(node, Literal):
        return f"'{node.value}'" if node.kind == "string" else node.value or "NULL"
    if isinstance(node, Column):
        binding = t.bound.get(id(node))
        names = binding.full_name if binding is not None and binding.full_name else node.written
        return ".".join(f"`{name}`" for name in names.split("."))
    if isinstance(node, Operation) and len(node.operands) == 2:
        left, right = (printed(t, operand) for operand in node.operands)
        return f"({left} {node.operator.upper() if node.operator == 'div' else node.operator} {right})"
    if isinstance(node, Operation) and node.operator == "negate":
        return f"-({printed(t, node.operands[0])})"
    if isinstance(node, Cast):
        size = "" if node.precision is None else f"({node.precision})"
        return f"cast({printed(t, node.operand)} as {_CASTS.get(node.type, node.type.lower())}{size})"
    if isinstance(node, Call):
        return f"{node.name.lower()}({','.join(printed(t, argument) for argument in node.arguments)})"
    return f"@{node.name}" if isinstance(node, Variable) else "..."
