"""INSERT, UPDATE and DELETE, with their ORDER BY and LIMIT, as statements of SQLite's."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.queries import QueryTranslator
from envs.dbbench.mysql.scope import Scope, Source, SourceColumn
from envs.dbbench.mysql.tree import Column, Delete, Insert, Join, Literal, Node, TableName, Update, Values
from envs.dbbench.mysql.types import TEXT, Value, as_stored


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


@dataclass(frozen=True, slots=True)
class Write:
    """A statement to run for each row of the query before it: `cells` are the places of its parameters in the row, the
    row's number in its table first."""

    sql: str
    cells: tuple[int, ...]


@dataclass(slots=True)
class _Assigned:
    """A table that UPDATE assigns to: its new values by the names of SQLite's columns."""

    source: Source
    values: dict[str, str]


def update(t: QueryTranslator, node: Update) -> tuple[str, tuple[Write, ...]]:
    """For one table a single statement: the new values are computed in a query, by row, and then written. For several
    tables the query, and what writes its rows.

    MySQL assigns from left to right, and a later expression sees an earlier assignment.
    """
    scope = Scope(t.number(), None)
    source = t._from(node.source, scope)
    if not isinstance(node.source, TableName) and (node.order or node.limit is not None):
        raise MySQLError(1221, "UPDATE", "ORDER BY" if node.order else "LIMIT")
    t.targets = _changed_tables(t, scope, node)
    where = _condition(t, scope, node.where)
    found = [_assigned_column(scope, column) for column, _ in node.assignments]
    tables = {id(target): _Assigned(target, {}) for target, _ in found}
    for (target, column), (_, expression) in zip(found, node.assignments, strict=True):
        scope.clause, scope.allow_aggregates = "field list", False
        value = scope.finish(as_stored(t.scalar(expression, scope)), False)
        place = target.columns.index(column)
        tables[id(target)].values[f"c{place}"] = value
        column.sql, column.type = f"({value})", TEXT
    for target, _ in found:
        for place, column in enumerate(target.columns):
            column.sql = f"{target.sql_alias}.c{place}"  # the order is by the old values
    rows = _affected(t, scope, source + where, list(tables.values()), node)
    writes = _writes(list(tables.values()))
    if len(writes) > 1:
        return rows, writes
    ((_, table),) = tables.items()
    base, names = table.source.base, list(table.values)
    if isinstance(node.source, Join):
        # A row that the join finds several times is changed once, as it is found first.
        firsts = ", ".join(f"m_first(x{i}) AS x{i}" for i in range(1, len(names) + 1))
        rows = f"SELECT x0, {firsts} FROM ({rows}) GROUP BY x0"
    sets = ", ".join(f"{name} = s.x{i}" for i, name in enumerate(names, 1))
    changed = " OR ".join(f"t{base}.{name} IS NOT s.x{i}" for i, name in enumerate(names, 1))
    return f"UPDATE t{base} SET {sets} FROM ({rows}) AS s WHERE t{base}.rowid = s.x0 AND ({changed})", ()


def _changed_tables(t: QueryTranslator, scope: Scope, node: Update) -> frozenset[str]:
    """The tables that the assigned columns are of, as far as there are such columns."""
    names = set()
    for column, _ in node.assignments:
        with suppress(MySQLError):
            found = scope.find(column)
            if found is not None and found[0].base is not None:
                names.add(_table_name(t, found[0]))
    return frozenset(names)


def _assigned_column(scope: Scope, column: Column) -> tuple[Source, SourceColumn]:
    scope.clause = "field list"
    found = scope.find(column)
    if found is None:
        raise MySQLError(1054, column.written, "field list")
    if found[0].base is None:
        raise MySQLError(1288, found[0].alias, "UPDATE")
    return found


def _table_name(t: QueryTranslator, source: Source) -> str:
    assert source.base is not None
    return t.schema.tables[source.base][0]


def _writes(tables: list[_Assigned]) -> tuple[Write, ...]:
    """For each table the statement that writes to one of its rows; without values it deletes the row."""
    writes, place = [], 0
    for table in tables:
        cells = tuple(range(place, place + 1 + len(table.values)))
        place = cells[-1] + 1
        base = f"t{table.source.base}"
        if table.values:
            sets = ", ".join(f"{name} = ?{i}" for i, name in enumerate(table.values, 2))
            changed = " OR ".join(f"{name} IS NOT ?{i}" for i, name in enumerate(table.values, 2))
            writes.append(Write(f"UPDATE {base} SET {sets} WHERE rowid = ?1 AND ({changed})", cells))
        else:
            writes.append(Write(f"DELETE FROM {base} WHERE rowid = ?1", cells))
    return tuple(writes)


def delete(t: QueryTranslator, node: Delete) -> tuple[str, tuple[Write, ...]]:
    """For one table a single statement; for several the query for their rows, and what deletes them."""
    scope = Scope(t.number(), None)
    source = t._from(node.source, scope)
    tables: list[_Assigned] = []
    for name in node.targets:
        target = next((s for s in scope.sources if s.alias == name), None)
        if target is None:
            raise MySQLError(1109, name, "MULTI DELETE")
        if target.base is None:
            raise MySQLError(1288, target.alias, "DELETE")
        if any(target is table.source for table in tables):
            raise MySQLError(1066, name)
        tables.append(_Assigned(target, {}))
    t.targets = frozenset(_table_name(t, table.source) for table in tables)
    rows = _affected(t, scope, source + _condition(t, scope, node.where), tables, node)
    if len(tables) > 1:
        return rows, _writes(tables)
    return f"DELETE FROM t{tables[0].source.base} WHERE rowid IN ({rows})", ()


def _condition(t: QueryTranslator, scope: Scope, where: Node | None) -> str:
    """WHERE: the server resolves it before what is assigned."""
    if where is None:
        return ""
    scope.clause, scope.allow_aggregates = "where clause", False
    return f" WHERE {t.truth(where, scope)}"


def _affected(t: QueryTranslator, scope: Scope, source: str, tables: list[_Assigned], node: Update | Delete) -> str:
    """The rows to change as a query of `x0`, `x1` ...: for each table the row's number and its new values."""
    cells = [cell for table in tables for cell in (f"{table.source.sql_alias}.rowid", *table.values.values())]
    sql = f"SELECT {', '.join(f'{cell} AS x{i}' for i, cell in enumerate(cells))} FROM {source}"
    if node.order:
        scope.clause = "order clause"
        keys = [t.order_key(item, scope) for item in node.order]
        sql += f" ORDER BY {', '.join(keys)}"
    if isinstance(node.limit, Literal):
        sql += f" LIMIT {min(int(node.limit.value), 2**63 - 1)}"
    return scope.finish(sql, False)
