"""ONLY_FULL_GROUP_BY: what may stand beside aggregates (manual: "MySQL Handling of GROUP BY")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.scope import Scope
from envs.dbbench.mysql.tree import Call, Column, Literal, Node, Operation, Select, children, descendants
from envs.dbbench.mysql.types import INT, Value
from envs.dbbench.mysql.words import AGGREGATES

if TYPE_CHECKING:
    from envs.dbbench.mysql.translate import Translator


def check(t: Translator, node: Select, scope: Scope, keys: list[str], grouped: bool) -> None:
    """Raises 1055 or 1140 for a column that is neither grouped nor aggregated, 3065 for DISTINCT with such an order."""
    if grouped:
        known = set(keys) | _determined(t, node, scope, keys)
        number = 1055 if node.group else 1140
        for position, item in enumerate(scope.items, 1):
            if column := _loose(t, item.expression, scope, known):
                raise MySQLError(number, position, "SELECT list", column)
        if node.group:
            for position, order in enumerate(node.order, 1):
                if column := _loose(t, order.expression, scope, known):
                    raise MySQLError(number, position, "ORDER BY clause", column)
    elif node.distinct:
        known = {value.sql for value in scope.item_values}
        for position, order in enumerate(node.order, 1):
            if column := _loose(t, order.expression, scope, known):
                raise MySQLError(3065, position, column, "DISTINCT")


def grouping_call(arguments: list[Value]) -> Value:
    """GROUPING(...): a mark that `answer_grouping` replaces once the level of WITH ROLLUP is known."""
    bits = " + ".join(f"{2**i} * \x05{value.sql}\x06" for i, value in enumerate(reversed(arguments)))
    return Value(f"({bits})", INT)


def answer_grouping(sql: str, keys: list[str], kept: int) -> str:
    """The SQL of a level that keeps the first keys: GROUPING of a key left out is 1. Error 3602 for what is no key."""

    def answer(match: re.Match[str]) -> str:
        if match[1] not in keys:
            raise MySQLError(3602, 1)
        return str(int(keys.index(match[1]) >= kept))

    return re.sub("\x05(.*?)\x06", answer, sql) if "\x05" in sql else sql


def needs_sorting(node: Select) -> bool:
    """Whether an aggregate makes MySQL sort the rows by the group's keys before it groups."""
    parts = [*node.items, node.having, *node.order]
    calls = (call for part in parts if part is not None for call in (part, *descendants(part)))
    return any(
        isinstance(call, Call)
        and call.window is None
        and (
            call.name == "GROUP_CONCAT"
            or (call.distinct and call.name in AGGREGATES and call.name not in ("MIN", "MAX"))
        )
        for call in calls
    )


def _loose(t: Translator, node: Node, scope: Scope, known: set[str]) -> str | None:
    """The full name of the first column of the block below `node` that is not determined by the group."""
    if t.sql_of.get(id(node)) in known:
        return None
    if isinstance(node, Column):
        binding = t.bound.get(id(node))
        if binding is None or binding.scope is not scope or binding.item is not None:
            return None
        return None if scope.mark(binding.sql) in known else binding.full_name
    if isinstance(node, Call) and node.window is None and (node.name in AGGREGATES or node.name == "ANY_VALUE"):
        return None
    return next((found for child in children(node) if (found := _loose(t, child, scope, known))), None)


def _determined(t: Translator, node: Select, scope: Scope, keys: list[str]) -> set[str]:
    """Columns that WHERE makes functionally dependent: equal to a constant, or to a column that is determined."""
    known: set[str] = set()
    pairs = []
    for condition in _conjuncts(node.where):
        if not isinstance(condition, Operation) or condition.operator not in ("=", "<=>"):
            continue
        left, right = condition.operands
        for column, other in ((left, right), (right, left)):
            if not isinstance(column, Column):
                continue
            if isinstance(other, Literal) and other.kind == "string":
                known.add(t.sql_of[id(column)])
            elif isinstance(other, Column):
                pairs.append((t.sql_of[id(column)], t.sql_of[id(other)]))
    followers: dict[str, list[str]] = {}
    for follower, determinant in pairs:
        followers.setdefault(determinant, []).append(follower)
    pending = [*known, *keys]
    while pending:
        found = followers.pop(pending.pop(), [])
        known.update(found)
        pending += found
    return known


def _conjuncts(node: Node | None) -> list[Node]:
    if isinstance(node, Operation) and node.operator == "and":
        return [part for operand in node.operands for part in _conjuncts(operand)]
    return [] if node is None else [node]
