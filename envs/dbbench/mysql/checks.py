"""What MySQL looks at in a whole statement before it resolves a single name, in its order: the parameter counts of
native functions (while parsing), then whether the tables exist (while opening them)."""

from __future__ import annotations

from envs.dbbench.mysql import calls, catalogue
from envs.dbbench.mysql.errors import MySQLError, denied
from envs.dbbench.mysql.scope import Schema
from envs.dbbench.mysql.tree import Call, CommonTable, Delete, Insert, Statement, TableName, Update, descendants
from envs.dbbench.mysql.words import AGGREGATES, WINDOW_FUNCTIONS

_SYSTEM = {"mysql", "performance_schema", "sys"}


def check(statement: Statement, schema: Schema) -> None:
    """Raises 1582 for a wrong parameter count, 1142 for a table of the server's own, 1146 for an unknown one."""
    nodes = list(descendants(statement))
    for node in nodes:
        if isinstance(node, Call):
            _check_count(node)
    common = {node.name.lower() for node in nodes if isinstance(node, CommonTable)}
    changed = statement.table if isinstance(statement, Insert) else None
    for node in nodes:
        if isinstance(node, TableName) and not (node.database is None and node.name.lower() in common):
            _check_table(node, schema, node is changed or isinstance(statement, Update | Delete), statement)


def _check_count(call: Call) -> None:
    name = call.name.upper()
    if call.database is not None or name in AGGREGATES or name in WINDOW_FUNCTIONS:
        return
    counts = calls.arity(name)
    if counts is not None and not counts[0] <= len(call.arguments) <= counts[1]:
        raise MySQLError(1582, call.written or call.name)


def _check_table(table: TableName, schema: Schema, changed: bool, statement: Statement) -> None:
    database = table.database if table.database is not None else schema.database
    verb = type(statement).__name__.upper() if changed else "SELECT"
    if database.lower() == catalogue.DATABASE:
        if changed:
            raise MySQLError(1044, "agent", database)
        if not catalogue.has(table.name):
            raise MySQLError(1109, table.name.upper(), catalogue.DATABASE)
        return
    if database.lower() in _SYSTEM:
        raise denied(verb, table.name)
    if database != schema.database:
        raise MySQLError(1049, database)
    if schema.index(table.name) is None:
        raise MySQLError(1146, schema.database, table.name)
