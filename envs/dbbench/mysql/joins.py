"""Joins of MySQL's as SQLite's: their tables, USING and NATURAL, and when the conditions of ON are resolved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envs.dbbench.mysql.budget import MAX_TABLES
from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.operators import compare
from envs.dbbench.mysql.scope import Condition, Scope, Source
from envs.dbbench.mysql.tree import Join
from envs.dbbench.mysql.types import Value

if TYPE_CHECKING:
    from envs.dbbench.mysql.queries import QueryTranslator


def add_source(source: Source, scope: Scope) -> None:
    """Raises 1066 for a second table of the same name, 1116 for one table too many."""
    if any(other.alias == source.alias for other in scope.sources):
        raise MySQLError(1066, source.alias)
    if len(scope.sources) == MAX_TABLES:
        raise MySQLError(1116, MAX_TABLES)
    scope.sources.append(source)


def join(t: QueryTranslator, node: Join, scope: Scope) -> str:
    """SQL of a join. In a query block the condition of ON is a mark, which `with_conditions` fills in."""
    waiting, scope.conditions = scope.conditions, None if scope.conditions is None else []
    first = len(scope.sources)
    left_sql = t._from(node.left, scope)
    lefts, scope.conditions = scope.conditions, None if waiting is None else []
    split = len(scope.sources)
    right_sql = t._from(node.right, scope)
    t.budget.spend(len(left_sql) + len(right_sql))
    condition, own = "1", []
    if node.on is not None and waiting is not None:
        own = [Condition(f"\x03{t.number()}\x03", node.on, scope.sources[first:])]
        condition = own[0].mark
    elif node.on is not None:
        condition = scope.finish(t._clause(node.on, "on clause", scope), False)
    elif node.using is not None or node.natural:
        condition = _common_columns(node, scope, split)
    if waiting is not None:
        # The server keeps the tables of a join last to first, and resolves their conditions so.
        scope.conditions = [*(scope.conditions or []), *own, *(lefts or []), *waiting]
    if node.kind == "right":
        return f"({right_sql} LEFT JOIN {left_sql} ON {condition})"
    word = "LEFT JOIN" if node.kind == "left" else "JOIN"
    return f"({left_sql} {word} {right_sql} ON {condition})"


def with_conditions(t: QueryTranslator, sql: str, scope: Scope) -> str:
    """Fills in the conditions of ON, which MySQL resolves behind the select list and WHERE. Each sees the tables of its
    own join."""
    everything = scope.sources
    for condition in scope.conditions or []:
        scope.sources = condition.sources
        on = scope.finish(t._clause(condition.on, "on clause", scope), False)
        sql = sql.replace(condition.mark, on)
    scope.sources = everything
    return sql


def _common_columns(node: Join, scope: Scope, split: int) -> str:
    left, right = scope.sources[:split], scope.sources[split:]
    rights = {c.name.lower(): (s, c) for s in right for c in s.columns}
    lefts = {c.name.lower(): (s, c) for s in left for c in s.columns}
    names = [name.lower() for name in node.using or []] if node.using else [n for n in lefts if n in rights]
    conditions = ["1"]
    for name in names:
        if name not in lefts or name not in rights:
            raise MySQLError(1054, name, "from clause")
        kept, dropped = (rights, lefts) if node.kind == "right" else (lefts, rights)
        scope.hidden.add((dropped[name][0].alias, name))
        scope.merged.append((kept[name][0].alias, kept[name][1].name))
        a, b = lefts[name][1], rights[name][1]
        conditions.append(compare("=", Value(a.sql, a.type), Value(b.sql, b.type)))
    return " AND ".join(conditions)
