"""The SQL of one translated query block: its clauses in SQLite's order, its groups and rollups, its LIMIT."""

from __future__ import annotations

import re
from dataclasses import replace

from envs.dbbench.mysql import grouping
from envs.dbbench.mysql.budget import MAX_SQL
from envs.dbbench.mysql.errors import MySQLError, Unsupported
from envs.dbbench.mysql.filesort import Sorting
from envs.dbbench.mysql.scope import Scope
from envs.dbbench.mysql.tree import (
    Literal,
    OrderItem,
    Select,
    SetOperation,
    Values,
)
from envs.dbbench.mysql.types import Value, ordered, sort_key

_FEW = 50


class Block:
    """The text of one translated query block."""

    def __init__(
        self,
        node: Select,
        scope: Scope,
        source: str,
        where: str,
        keys: list[Value],
        having: str,
        order: list[tuple[Value, OrderItem]],
        grouped: bool,
    ) -> None:
        self.node, self.scope, self.source, self.keys = node, scope, source, keys
        self.having, self.order, self.grouped = having, order, grouped
        self.where = f" WHERE {scope.finish(where, False)}" if where else ""

    def sql(self, extra: str) -> str:
        if not extra and (chosen := self._chosen()):
            return chosen
        if self.having and not self.keys:
            # SQLite wants an aggregate in the select list before it takes HAVING for one group.
            outs = ", ".join(f"o{i}" for i in range(len(self.scope.item_values)))
            return f"SELECT {outs} FROM ({self._body([], ', COUNT(*) AS n')})" + limit_sql(self.node)
        text = self._body([key.sql for key in self.keys], extra)
        order = [sort_key(value) + (" DESC" if item.descending else "") for value, item in self.order]
        order = [self.scope.finish(key, self.grouped) for key in (*order, *self._group_order())]
        if order := [key for key in order if not self._is_outer(key)]:
            text += " ORDER BY " + ", ".join(order)
        return text + limit_sql(self.node)

    def unsorted(self) -> tuple[str, Sorting] | None:
        """The block with its rows as MySQL reads them, their keys behind, and how it would order them; None where
        that order is not known (joins, derived tables, windows)."""
        node, sources = self.node, self.scope.sources
        if not self.order or node.distinct or node.rollup or self.scope.window_calls:
            return None
        if len(sources) != 1 or sources[0].base is None:
            return None
        keys = "".join(f", {sort_key(value)} AS k{i}" for i, (value, _) in enumerate(self.order))
        text = self._body([key.sql for key in self.keys], self.scope.finish(keys, self.grouped))
        if tail := self._group_order():
            text += " ORDER BY " + self.scope.finish(", ".join(tail), True)
        limit = int(node.limit.value) if isinstance(node.limit, Literal) else None
        offset = int(node.offset.value) if isinstance(node.offset, Literal) else 0
        return text, Sorting(tuple(item.descending for _, item in self.order), limit, offset)

    def _chosen(self) -> str | None:
        """A block with ORDER BY and a LIMIT of few rows, with those among ties that MySQL's filesort keeps."""
        found = self.unsorted()
        if found is None or found[1].limit is None or found[1].offset + found[1].limit > _FEW:
            return None
        text, sorting = found
        table = f"w{self.scope.number}"
        flags = sum(descending << i for i, descending in enumerate(sorting.descending))
        keys = ", ".join(f"k{i}" for i in range(len(self.order)))
        outs = ", ".join(f"o{i}" for i in range(len(self.scope.item_values)))
        place = "instr(chosen, ',' || n || ',')"
        return (
            f"WITH {table} AS MATERIALIZED (SELECT *, ROW_NUMBER() OVER () AS n FROM ({text})) "
            f"SELECT {outs} FROM {table}, "
            f"(SELECT m_filesort({flags}, {sorting.limit}, {sorting.offset}, {keys}) AS chosen FROM {table}) "
            f"WHERE {place} ORDER BY {place}"
        )

    def _body(self, keys: list[str], extra: str) -> str:
        word = "SELECT DISTINCT" if self.node.distinct else "SELECT"
        items = [
            f"{ordered(value) if self.node.distinct else value.sql} AS o{i}"
            for i, value in enumerate(self.scope.item_values)
        ]
        text = f"{word} {self.scope.finish(', '.join(items), self.grouped)}{extra}{self.source}{self.where}"
        if keys:
            collated = [sort_key(key, sql) for key, sql in zip(self.keys, keys, strict=False)]
            text += " GROUP BY " + ", ".join(
                "'outer'" if self._is_outer(key) else key for key in (self.scope.finish(key, False) for key in collated)
            )
        if self.having:
            # A block that aggregates without GROUP BY is one group.
            text += f" HAVING {self.scope.finish(self.having, self.grouped)}"
        return text

    def _is_outer(self, key: str) -> bool:
        """Whether a key of GROUP BY or ORDER BY has columns of outer queries alone, and so one value. SQLite does not
        find such columns there: raises Unsupported where the query's own are in the same key."""
        outer: set[str] = set()
        block = self.scope.parent
        while block is not None:
            outer.update(source.sql_alias for source in block.sources)
            block = block.parent
        named = set(re.findall(r"\b(a\d+)\.", key)) if outer else set()
        if named & outer and named - outer:
            raise Unsupported("GROUP BY or ORDER BY with columns of the query and of an outer one in one expression")
        return bool(named & outer)

    def _group_order(self) -> list[str]:
        """MySQL groups in a temporary table: groups come in the order of their first rows. Only where an aggregate
        needs sorted input (GROUP_CONCAT, DISTINCT) they come sorted. Ties of ORDER BY keep that order."""
        if not self.node.group:
            return []
        if grouping.needs_sorting(self.node):
            return []  # SQLite sorts to group, and leaves the groups so
        return [f"MIN({s.sql_alias}.rowid)" for s in self.scope.sources if s.base is not None]

    def rollup(self) -> str:
        """WITH ROLLUP: one block for each number of leading keys; the keys left out are NULL."""
        levels: list[str] = []
        full = [key.sql for key in self.keys]
        for kept in range(len(full), -1, -1):
            extra = "".join(
                f", {self.scope.finish(sql, True) if i < kept else 'NULL'} AS k{i}, {int(i >= kept)} AS g{i}"
                for i, sql in enumerate(full)
            )
            items = [level_of(value, full, kept) for value in self.scope.item_values]
            having = grouping.answer_grouping(self.having, full, kept)
            block = Block(self.node, self.scope, self.source, "", self.keys, having, [], True)
            block.where = self.where
            saved, self.scope.item_values = self.scope.item_values, items
            levels.append(block._body(full[:kept] or ["NULL"], extra))
            self.scope.item_values = saved
            if sum(map(len, levels)) > MAX_SQL:
                raise MySQLError(1436, 1028576)
        outs = ", ".join(f"o{i}" for i in range(len(self.scope.item_values)))
        places = {value.sql: i for i, value in reversed([*enumerate(self.scope.item_values)])}
        order = [
            sort_key(value, f"o{places[value.sql]}") + (" DESC" if item.descending else "")
            for value, item in self.order
            if value.sql in places
        ]
        order += [part for i, key in enumerate(self.keys) for part in (f"g{i}", sort_key(key, f"k{i}"))]
        text = f"SELECT {outs} FROM ({' UNION ALL '.join(levels)}) ORDER BY {', '.join(order)}"
        return text + limit_sql(self.node)


def level_of(value: Value, keys: list[str], kept: int) -> Value:
    """An item at a level of WITH ROLLUP that keeps the first keys; the others are NULL."""
    sql = grouping.answer_grouping(value.sql, keys, kept)
    for key in keys[kept:]:
        sql = sql.replace(key, "NULL")
    return replace(value, sql=sql)


def limit_sql(node: Select | SetOperation | Values) -> str:
    """LIMIT and OFFSET, capped at what SQLite counts to."""
    if not isinstance(node.limit, Literal):
        return ""
    text = f" LIMIT {min(int(node.limit.value), 2**63 - 1)}"
    if isinstance(node.offset, Literal):
        text += f" OFFSET {min(int(node.offset.value), 2**63 - 1)}"
    return text
