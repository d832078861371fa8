"""INSERT, UPDATE and DELETE, with their ORDER BY and LIMIT, as statements of SQLite's."""

from __future__ import annotations

from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.queries import QueryTranslator
from envs.dbbench.mysql.scope import Scope, Source
from envs.dbbench.mysql.tree import Delete, Insert, Literal, Node, OrderItem, TableName, Update, Values
from envs.dbbench.mysql.types import TEXT, Value, as_stored, sort_key


def insert(t: QueryTranslator, node: Insert) -> str:
    """SQLite's INSERT: every value becomes the text that a TEXT column keeps of it."""
    index = t.schema.index(node.table.name)
    assert index is not None
    columns = t.schema.tables[index][1]
    targets = list(range(len(columns))) if not node.columns else _targets(node.columns, columns)
    if node.query is not None:
        if isinstance(node.query, Values):
            node.rows = node.query.rows
        else:
            sql, types, _ = t.query(node.query, None)
            if len(types) != len(targets):
                raise MySQLError(1136, 1)
            cells = ", ".join(as_stored(Value(f"o{i}", type_)) for i, type_ in enumerate(types))
            return f"INSERT INTO t{index} ({_names(targets)}) SELECT {cells} FROM ({sql})"
    assert node.rows is not None
    scope = Scope(t.number(), None)
    scope.allow_aggregates = False
    rows = []
    for position, row in enumerate(node.rows, 1):
        if not row and not node.columns:
            row = [Literal("", "null") for _ in targets]
        if len(row) != len(targets):
            raise MySQLError(1136, position)
    for row in node.rows:
        row = row or [Literal("", "null") for _ in targets]
        rows.append(f"({', '.join(as_stored(t.scalar(cell, scope)) for cell in row)})")
    return f"INSERT INTO t{index} ({_names(targets)}) VALUES {', '.join(rows)}"


def _targets(names: list[str], columns: tuple[str, ...]) -> list[int]:
    lowered = [column.lower() for column in columns]
    targets: list[int] = []
    for name in names:
        if name.lower() not in lowered:
            raise MySQLError(1054, name, "field list")
        place = lowered.index(name.lower())
        if place in targets:
            raise MySQLError(1110, name)
        targets.append(place)
    return targets


def _names(targets: list[int]) -> str:
    return ", ".join(f"c{i}" for i in targets)


def update(t: QueryTranslator, node: Update) -> str:
    """One form for all: the new values are computed in a query, by row, and then written.

    MySQL assigns from left to right, and a later expression sees an earlier assignment.
    """
    scope = Scope(t.number(), None)
    source = t._from(node.source, scope)
    if not isinstance(node.source, TableName) and (node.order or node.limit is not None):
        raise MySQLError(1221, "UPDATE", "ORDER BY" if node.order else "LIMIT")
    target: Source | None = None
    new_values: dict[str, str] = {}
    for column, expression in node.assignments:
        scope.clause = "field list"
        found = scope.find(column)
        if found is None:
            raise MySQLError(1054, column.written, "field list")
        if target is not None and found[0] is not target:
            raise MySQLError(1235, "UPDATE of several tables at once")
        target = found[0]
        if target.base is None:
            raise MySQLError(1288, target.alias, "UPDATE")
        scope.allow_aggregates = False
        t.target = t.schema.tables[target.base][0]
        value = as_stored(t.scalar(expression, scope))
        name = found[1].sql.partition(".")[2]
        new_values[name] = scope.finish(value, False)
        found[1].sql, found[1].type = f"({new_values[name]})", TEXT
    assert target is not None
    for column_ in target.columns:
        # Conditions see the old values.
        column_.sql = f"{target.sql_alias}.c{target.columns.index(column_)}"
    rows = _affected(t, scope, source, target, node.where, node.order, node.limit, list(new_values.values()))
    sets = ", ".join(f"{name} = s.v{i}" for i, name in enumerate(new_values))
    return f"UPDATE t{target.base} SET {sets} FROM ({rows}) AS s WHERE t{target.base}.rowid = s.r"


def delete(t: QueryTranslator, node: Delete) -> str:
    scope = Scope(t.number(), None)
    source = t._from(node.source, scope)
    target = next((s for s in scope.sources if s.alias == node.target), None)
    if target is None:
        raise MySQLError(1109, node.target, "MULTI DELETE")
    if target.base is None:
        raise MySQLError(1288, target.alias, "DELETE")
    t.target = t.schema.tables[target.base][0]
    rows = _affected(t, scope, source, target, node.where, node.order, node.limit, [])
    return f"DELETE FROM t{target.base} WHERE rowid IN ({rows})"


def _affected(
    t: QueryTranslator,
    scope: Scope,
    source: str,
    target: Source,
    where: Node | None,
    order: list[OrderItem],
    limit: Node | None,
    values: list[str],
) -> str:
    """The rows to change as `r`, each with its new values `v0`, `v1` ..."""
    cells = "".join(f", {value} AS v{i}" for i, value in enumerate(values))
    sql = f"SELECT {target.sql_alias}.rowid AS r{cells} FROM {source}"
    if where is not None:
        scope.clause, scope.allow_aggregates = "where clause", False
        sql += f" WHERE {t.truth(where, scope)}"
    if order:
        scope.clause = "order clause"
        keys = [sort_key(t.scalar(item.expression, scope)) + (" DESC" if item.descending else "") for item in order]
        sql += f" ORDER BY {', '.join(keys)}"
    if isinstance(limit, Literal):
        sql += f" LIMIT {min(int(limit.value), 2**63 - 1)}"
    return scope.finish(sql, False)
