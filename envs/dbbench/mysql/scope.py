"""Which column a name means: the sources of a query block, its select list's aliases, and the blocks around it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from envs.dbbench.mysql.errors import DATABASE, MySQLError
from envs.dbbench.mysql.tree import Column, Node, SelectItem, Window
from envs.dbbench.mysql.types import Type, Value


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of an episode, as names: table `i` is `t{i}` in SQLite, its column `j` is `c{j}`.

    The agent's names never reach SQLite, so nothing of them needs quoting and `rowid` is as good a name as any.
    """

    tables: tuple[tuple[str, tuple[str, ...]], ...]
    database: str = DATABASE

    def index(self, name: str) -> int | None:
        return next((i for i, (table, _) in enumerate(self.tables) if table == name), None)


@dataclass(slots=True)
class SourceColumn:
    name: str
    type: Type
    sql: str


@dataclass(slots=True)
class Source:
    """A table, derived table or common table in FROM. `base` is the table's index for a table of the episode."""

    alias: str
    columns: list[SourceColumn]
    base: int | None = None
    database: str | None = None
    sql_alias: str = ""

    def full_name(self, column: str) -> str:
        return ".".join(part for part in (self.database, self.alias, column) if part)


@dataclass(slots=True)
class Binding:
    """What a name was found to be: a column of a source, or an item of the select list."""

    scope: Scope
    sql: str
    full_name: str
    item: SelectItem | None = None


@dataclass(slots=True)
class Condition:
    """A condition of ON: what stands for it in the SQL, and the tables that it sees."""

    mark: str
    on: Node
    sources: list[Source]


@dataclass(slots=True, eq=False)
class Scope:
    """A query block while it is translated."""

    number: int
    parent: Scope | None
    clause: str = "field list"
    sources: list[Source] = field(default_factory=list)
    # Columns of USING and NATURAL: (alias, name) of those that stand for both, and of those they hide.
    merged: list[tuple[str, str]] = field(default_factory=list)
    hidden: set[tuple[str, str]] = field(default_factory=set)
    # Conditions of ON that are not translated yet, in the order of their turn; None where they are translated at once.
    conditions: list[Condition] | None = None
    items: list[SelectItem] = field(default_factory=list)
    item_values: list[Value] = field(default_factory=list)
    group_columns: set[str] = field(default_factory=set)
    windows: dict[str, Window] = field(default_factory=dict)
    aggregates: int = 0
    window_calls: int = 0
    in_aggregate: bool = False
    in_window: bool = False
    allow_aggregates: bool = True

    def find(self, column: Column) -> tuple[Source, SourceColumn] | None:
        """The column among this block's sources. Error 1052 when several have it."""
        wanted = column.name.lower()
        found = [
            (source, candidate)
            for source in self.sources
            if column.table is None or (source.alias == column.table and column.database in (None, source.database))
            for candidate in source.columns
            if candidate.name.lower() == wanted
            and (column.table is not None or (source.alias, wanted) not in self.hidden)
        ]
        if len(found) > 1:
            raise MySQLError(1052, column.written, self.clause)
        return found[0] if found else None

    def item(self, column: Column) -> int | None:
        """The index of the select item that an unqualified name names, by alias or as a column. 1052 for two."""
        if column.table is not None:
            return None
        wanted = column.name.lower()
        found = [
            i
            for i, item in enumerate(self.items)
            if (item.alias or _column_name(item.expression) or "").lower() == wanted
        ]
        if len({self.item_values[i].sql for i in found}) > 1:
            raise MySQLError(1052, column.written, self.clause)
        return found[0] if found else None

    def mark(self, sql: str) -> str:
        """A column's SQL, marked: only at the block's end is it known whether it has to be the group's first."""
        return f"\x01{self.number}:{sql}\x02"

    def finish(self, sql: str, grouped: bool) -> str:
        """Resolves this block's marks."""
        if f"\x01{self.number}:" not in sql:
            return sql
        return re.sub(rf"\x01{self.number}:([^\x01\x02]*)\x02", r"m_first(\1)" if grouped else r"\1", sql)


def unmarked(sql: str) -> str:
    """The SQL with every block's columns as they are."""
    return re.sub(r"\x01\d+:([^\x01\x02]*)\x02", r"\1", sql) if "\x01" in sql else sql


def _column_name(expression: Node) -> str | None:
    return expression.name if isinstance(expression, Column) else None
