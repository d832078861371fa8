"""Query blocks, unions and common table expressions of MySQL's as SQLite's."""

from __future__ import annotations

import re

from envs.dbbench.mysql import catalogue, grouping, joins, variables
from envs.dbbench.mysql.block import Block, limit_sql
from envs.dbbench.mysql.budget import MAX_COLUMNS
from envs.dbbench.mysql.errors import MySQLError, Unsupported
from envs.dbbench.mysql.invocations import CallTranslator
from envs.dbbench.mysql.lateral import lateral_columns
from envs.dbbench.mysql.scope import Scope, Source, SourceColumn, unmarked
from envs.dbbench.mysql.setoperations import combined
from envs.dbbench.mysql.translate import Output, contains_aggregate
from envs.dbbench.mysql.tree import (
    Column,
    Derived,
    From,
    Literal,
    Node,
    OrderItem,
    Query,
    Select,
    SelectItem,
    SetOperation,
    Star,
    TableName,
    Values,
    With,
    descendants,
)
from envs.dbbench.mysql.types import TEXT, Type, Value, common_type, convert, ordered, sort_key


class QueryTranslator(CallTranslator):
    """Translates whole queries. `common` are the common tables in sight, innermost last."""

    common: list[dict[str, Output]]
    # The tables that an UPDATE or DELETE changes: a subquery must not read them (error 1093).
    targets: frozenset[str] = frozenset()
    derived_depth = 0
    last_block: Block
    # The recursive block that comes next: its node, the seed's types, the table's name in SQLite.
    step: tuple[Select, list[Type], str] | None = None

    def query(self, query: Query, parent: Scope | None) -> Output:
        if isinstance(query, Select):
            output = self._select(query, parent)
        elif isinstance(query, SetOperation):
            output = self._set_operation(query, parent)
        elif isinstance(query, With):
            output = self._with(query, parent)
        else:
            output = self._values(query, parent)
        self.budget.spend(len(output.sql))
        self.budget.inlined(output.sql)
        # SQLite refuses an outer block's aggregate in here; a bare column is of some row of the group, which will do.
        sql = unmarked(output.sql)
        self.budget.copy_sizes(output.sql, sql)
        return output._replace(sql=sql)

    def returns_one_row(self, query: Query) -> bool:
        if not isinstance(query, Select) or query.group:
            return False
        if isinstance(query.limit, Literal) and query.limit.value in ("0", "1"):
            return True
        return query.source is None or any(contains_aggregate(item.expression) for item in query.items)

    # --- one block

    def _select(self, node: Select, parent: Scope | None) -> Output:
        scope = Scope(self.number(), parent, windows=node.windows, conditions=[])
        source = f" FROM {self._from(node.source, scope)}" if node.source is not None else ""
        scope.clause = "field list"
        scope.items = self._expanded(node.items, scope)
        before = self.assignments
        for item in scope.items:
            scope.item_values.append(self.scalar(item.expression, scope))
        assigns = self.assignments > before
        extra = self._recursive_step(scope, source) if self.step and self.step[0] is node else ""
        where = self._clause(node.where, "where clause", scope)
        source = joins.with_conditions(self, source, scope)
        keys = self._group_keys(node, scope)
        having = self._having(node, scope)
        order = self._order_values(node, scope)
        grouped = bool(node.group) or scope.aggregates > 0
        if self.session.full_group_by:
            grouping.check(self, node, scope, [key.sql for key in keys], grouped)
        if having and not grouped:
            where, having = (f"({where}) AND ({having})" if where else having), ""
        if assigns and order and not (grouped or node.distinct or scope.window_calls):
            sorted_source = variables.presorted(self, scope, source, order)
            source, order = (source, order) if sorted_source is None else (sorted_source, [])
        block = Block(node, scope, source, where, keys, having, order, grouped)
        self.last_block = block
        if not node.rollup and any("\x05" in value.sql for value in scope.item_values):
            raise MySQLError(1111)
        names = [item.alias or _name(item) for item in scope.items]
        types = [value.type for value in scope.item_values]
        sql = block.rollup() if node.rollup else block.sql(extra)
        self.budget.note_sizes(sql, [self.budget.inlined(value.sql) for value in scope.item_values])
        return Output(sql, types, names)

    def _expanded(self, items: list[SelectItem], scope: Scope) -> list[SelectItem]:
        expanded: list[SelectItem] = []
        for item in items:
            if not isinstance(item.expression, Star):
                expanded.append(item)
                continue
            table = item.expression.table
            sources = [source for source in scope.sources if table in (None, source.alias)]
            if not sources:
                raise MySQLError(1051, table) if table else MySQLError(1096)
            columns = [(source.alias, column.name) for source in sources for column in source.columns]
            if table is None:
                # USING and NATURAL put the columns in common first, and once.
                merged = [pair for pair in dict.fromkeys(scope.merged) if _key(pair) not in scope.hidden]
                columns = merged + [c for c in columns if c not in merged and _key(c) not in scope.hidden]
            if len(expanded) + len(columns) > MAX_COLUMNS:
                raise MySQLError(1117)
            expanded += [SelectItem(Column(name, alias), name, name) for alias, name in columns]
        if len(expanded) > MAX_COLUMNS:
            raise MySQLError(1117)
        return expanded

    def _clause(self, condition: Node | None, clause: str, scope: Scope) -> str:
        if condition is None:
            return ""
        scope.clause, scope.allow_aggregates = clause, False
        sql = self.truth(condition, scope)
        scope.allow_aggregates = True
        return sql

    def _group_keys(self, node: Select, scope: Scope) -> list[Value]:
        scope.clause = "group statement"
        keys = []
        for expression in node.group:
            if isinstance(expression, Literal) and expression.kind == "int":
                place = int(expression.value)
                if not 1 <= place <= len(scope.items):
                    raise MySQLError(1054, expression.value, scope.clause)
                if contains_aggregate(scope.items[place - 1].expression):
                    raise MySQLError(1056, scope.items[place - 1].alias or scope.items[place - 1].text)
                key = scope.item_values[place - 1]
            else:
                scope.allow_aggregates = False
                key = self.scalar(expression, scope)
                scope.allow_aggregates = True
            keys.append(key)
        scope.group_columns = {key.sql.strip("\x01\x02").partition(":")[2] for key in keys}
        return keys

    def _having(self, node: Select, scope: Scope) -> str:
        if node.having is None:
            return ""
        scope.clause = "having clause"
        return self.truth(node.having, scope)

    def _order_values(self, node: Select, scope: Scope) -> list[tuple[Value, OrderItem]]:
        scope.clause = "order clause"
        values = []
        implicit = not node.group and scope.aggregates > 0
        for position, item in enumerate(node.order, 1):
            value = self._order_value(item.expression, scope)
            if scope.aggregates and not node.group and not implicit:
                raise MySQLError(3029, position)
            values.append((value, item))
        return [] if implicit else values

    def _order_value(self, expression: Node, scope: Scope) -> Value:
        if isinstance(expression, Literal) and expression.kind == "int":
            place = int(expression.value)
            if not 1 <= place <= len(scope.items):
                raise MySQLError(1054, expression.value, "order clause")
            return scope.item_values[place - 1]
        if isinstance(expression, Column) and (value := self._aliased(expression, scope)):
            return value
        return self.scalar(expression, scope)

    # --- FROM

    def _from(self, source: From, scope: Scope) -> str:
        if isinstance(source, TableName):
            return self._table(source, scope)
        if isinstance(source, Derived):
            return self._derived(source, scope)
        return joins.join(self, source, scope)

    def _table(self, table: TableName, scope: Scope) -> str:
        alias = f"a{self.number()}"
        if table.database is None and (common := self._common_table(table.name)):
            columns = [
                SourceColumn(name, type_, f"{alias}.o{i}")
                for i, (name, type_) in enumerate(zip(common.names, common.types, strict=True))
            ]
            joins.add_source(Source(table.alias or table.name, columns, sql_alias=alias), scope)
            self.budget.derive(alias, common.sql)
            # A recursive part reads its own table by name.
            return f"{common.sql} AS {alias}" if common.sql.isidentifier() else f"({common.sql}) AS {alias}"
        if table.database is not None and table.database.lower() == catalogue.DATABASE:
            sql, types = catalogue.rows(self, table.name)
            columns = [SourceColumn(name, type_, f"{alias}.o{i}") for i, (name, type_) in enumerate(types)]
            joins.add_source(Source(table.alias or table.name, columns, sql_alias=alias), scope)
            return f"({sql}) AS {alias}"
        index = self.schema.index(table.name)
        if index is None or table.database not in (None, self.schema.database):
            raise MySQLError(1146, table.database or self.schema.database, table.name)
        if table.name in self.targets and not self.derived_depth:
            raise MySQLError(1093, table.name)
        columns = [SourceColumn(name, TEXT, f"{alias}.c{j}") for j, name in enumerate(self.schema.tables[index][1])]
        name = table.alias or table.name
        joins.add_source(Source(name, columns, index, self.schema.database, alias), scope)
        return f"t{index} AS {alias}"

    def _common_table(self, name: str) -> Output | None:
        return next((tables[name.lower()] for tables in reversed(self.common) if name.lower() in tables), None)

    def _derived(self, source: Derived, scope: Scope) -> str:
        self.derived_depth += 1
        before, bound = self.assignments, set(self.bound) if source.lateral else ()
        output = self.query(source.query, scope if source.lateral else None)
        self.derived_depth -= 1
        if source.lateral and any(self.bound[node].scope is scope for node in self.bound.keys() - bound):
            columns = lateral_columns(source.query, output, _renamed(output, source.columns))
            joins.add_source(Source(source.alias, columns), scope)
            return f"(SELECT 1) AS a{self.number()}"
        if self.assignments > before:  # made once, before the outer block reads a row
            name = f"w{self.number()}"
            output = output._replace(sql=f"WITH {name} AS MATERIALIZED ({output.sql}) SELECT * FROM {name}")
        alias = f"a{self.number()}"
        names = _renamed(output, source.columns)
        columns = [SourceColumn(name, type_, f"{alias}.o{i}")
                   for i, (name, type_) in enumerate(zip(names, output.types, strict=True))]  # fmt: skip
        joins.add_source(Source(source.alias, columns, sql_alias=alias), scope)
        self.budget.derive(alias, output.sql)
        return f"({output.sql}) AS {alias}"

    # --- more than one block

    def _with(self, node: With, parent: Scope | None) -> Output:
        tables: dict[str, Output] = {}
        self.common.append(tables)
        self.derived_depth += 1
        for table in node.tables:
            if table.name.lower() in tables:
                raise MySQLError(1066, table.name)
            if node.recursive and isinstance(table.query, SetOperation) and _refers(table.query.right, table.name):
                output = self._recursive(table.name, table.columns, table.query)
            else:
                output = self.query(table.query, None)
            tables[table.name.lower()] = output._replace(names=_renamed(output, table.columns))
        self.derived_depth -= 1
        output = self.query(node.body, parent)
        self.common.pop()
        return output

    def _recursive(self, name: str, columns: list[str] | None, query: SetOperation) -> Output:
        several = isinstance(query.left, SetOperation) and _refers(query.left.right, name)
        if several or not isinstance(query.right, Select):
            raise Unsupported("a recursive part of several query blocks")
        seed = self.query(query.left, None)
        names = _renamed(seed, columns)
        table = f"w{self.number()}"
        self.common.append({name.lower(): Output(table, seed.types, names)})
        self.step = (query.right, seed.types, table if query.all else "")
        step = self.query(query.right, None)
        self.common.pop()
        outs = ", ".join(f"o{i}" for i in range(len(names)))
        # The depth travels in a hidden column: the server stops at 1,000 iterations.
        depth, word = (", depth", "UNION ALL") if query.all else ("", "UNION")
        start = f"SELECT {outs}{', 0 AS depth' if depth else ''} FROM ({seed.sql})"
        # Reading the depth keeps SQLite from leaving its column, and with it the check, away.
        counted = " WHERE depth >= 0" if depth else ""
        rows = f"{start} {word} {step.sql}{limit_sql(query)}"
        sql = f"WITH RECURSIVE {table}({outs}{depth}) AS MATERIALIZED ({rows}) SELECT {outs} FROM {table}{counted}"
        return Output(sql, seed.types, names)

    def _recursive_step(self, scope: Scope, source: str) -> str:
        """Gives the block the seed's types; its extra column, which counts the iterations."""
        assert self.step is not None
        _, types, table = self.step
        self.step = None
        if len(types) != len(scope.item_values):
            raise MySQLError(1222)
        scope.item_values = [
            Value(convert(value, type_), type_) for value, type_ in zip(scope.item_values, types, strict=True)
        ]
        alias = re.search(rf"\b{table} AS (a\d+)", source) if table else None
        return f", m_depth({alias.group(1)}.depth + 1) AS depth" if alias else ""

    def _values(self, node: Values, parent: Scope | None) -> Output:
        scope = Scope(self.number(), parent)
        rows = [[self.scalar(cell, scope) for cell in row] for row in node.rows]
        if len({len(row) for row in rows}) != 1:
            raise MySQLError(1136, 2)
        types = [common_type([row[i].type for row in rows]) for i in range(len(rows[0]))]
        sql = " UNION ALL ".join(
            "SELECT " + ", ".join(f"{convert(cell, types[i])} AS o{i}" for i, cell in enumerate(row)) for row in rows
        )
        return self._tail(node, Output(sql, types, [f"column_{i}" for i in range(len(types))]))

    def _set_operation(self, node: SetOperation, parent: Scope | None) -> Output:
        left, right = self.query(node.left, parent), self.query(node.right, parent)
        if len(left.types) != len(right.types):
            raise MySQLError(1222)
        types = [common_type([a, b]) for a, b in zip(left.types, right.types, strict=True)]
        sides = [
            "SELECT " + ", ".join(
                f"{ordered(Value('', types[i]), convert(Value(f'o{i}', side.types[i]), types[i]))} AS o{i}"
                for i in range(len(types))
            ) + f" FROM ({side.sql})"
            for side in (left, right)
        ]  # fmt: skip
        output = self._tail(node, Output(combined(node, sides[0], sides[1], types), types, left.names))
        self.budget.copy_sizes(left.sql, output.sql)
        self.budget.copy_sizes(right.sql, output.sql)
        return output

    def _tail(self, node: SetOperation | Values, output: Output) -> Output:
        """ORDER BY and LIMIT of a union: only its columns' names and places can be ordered by."""
        if not node.order and node.limit is None:
            return output
        alias = f"a{self.number()}"
        columns = [SourceColumn(name, type_, f"{alias}.o{i}")
                   for i, (name, type_) in enumerate(zip(output.names, output.types, strict=True))]  # fmt: skip
        scope = Scope(self.number(), None, "order clause", [Source("", columns)])
        scope.items = [SelectItem(Column(name), name, name) for name in output.names]
        scope.item_values = [Value(scope.mark(column.sql), column.type) for column in columns]
        keys: list[str] = []
        for item in node.order:
            if isinstance(item.expression, Column) and item.expression.table is not None:
                raise MySQLError(1250, item.expression.table, "global ORDER clause")
            value = self._order_value(item.expression, scope)
            if scope.aggregates:
                raise MySQLError(3028, len(keys) + 1)
            keys.append(sort_key(value) + (" DESC" if item.descending else ""))
        if isinstance(node, Values):
            keys = []  # the server checks the order of VALUES, and does not sort
        outs = ", ".join(f"{alias}.o{i} AS o{i}" for i in range(len(output.types)))
        sql = f"SELECT {outs} FROM ({output.sql}) AS {alias}"
        sql += scope.finish(f" ORDER BY {', '.join(keys)}" if keys else "", False) + limit_sql(node)
        return output._replace(sql=sql)


def _key(column: tuple[str, str]) -> tuple[str, str]:
    return column[0], column[1].lower()


def _name(item: SelectItem) -> str:
    return item.expression.name if isinstance(item.expression, Column) else item.text


def _renamed(output: Output, columns: list[str] | None) -> list[str]:
    names = output.names
    if columns is not None:
        if len(columns) != len(names):
            raise MySQLError(1353)
        names = columns
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise MySQLError(1060, name)
        seen.add(name.lower())
    return names


def _refers(query: Query, name: str) -> bool:
    return any(isinstance(node, TableName) and node.name.lower() == name.lower() for node in descendants(query))
