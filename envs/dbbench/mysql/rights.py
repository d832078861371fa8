"""What the agent's account is answered to statements beyond queries and changes: it has the rights to SELECT, INSERT,
UPDATE and DELETE on its own database, and no others."""

from __future__ import annotations

from typing import Any

from envs.dbbench.mysql.errors import USER, MySQLError, Unsupported, denied
from envs.dbbench.mysql.scope import Schema
from envs.dbbench.mysql.tree import Command, Maintenance

# Command -> the right to a table that is missing.
_TABLE_RIGHTS = {
    "CREATE TABLE": "CREATE", "CREATE VIEW": "CREATE VIEW", "CREATE INDEX": "INDEX", "CREATE TRIGGER": "TRIGGER",
    "DROP TABLE": "DROP", "DROP VIEW": "DROP", "DROP INDEX": "INDEX", "ALTER TABLE": "ALTER",
    "ALTER VIEW": "CREATE VIEW", "RENAME TABLE": "DROP, ALTER", "GRANT TABLE": "GRANT", "REVOKE TABLE": "GRANT",
}  # fmt: skip
_DATABASE_RIGHTS = frozenset(
    (
        "CREATE TEMPORARY TABLE", "CREATE DATABASE", "DROP DATABASE", "ALTER DATABASE", "CREATE FUNCTION",
        "CREATE EVENT", "DROP EVENT", "ALTER EVENT", "LOCK TABLE", "GRANT DATABASE", "REVOKE DATABASE",
    )
)  # fmt: skip
_GLOBAL_RIGHTS = {
    "FLUSH TABLE": "RELOAD or FLUSH_TABLES", "FLUSH PRIVILEGES": "RELOAD or FLUSH_PRIVILEGES",
    "FLUSH STATUS": "RELOAD or FLUSH_STATUS", "FLUSH USER_RESOURCES": "RELOAD or FLUSH_USER_RESOURCES",
    "FLUSH OPTIMIZER_COSTS": "RELOAD or FLUSH_OPTIMIZER_COSTS", "FLUSH": "RELOAD", "RESET": "RELOAD",
    "SHUTDOWN": "SHUTDOWN", "RESTART": "SHUTDOWN", "PURGE": "BINLOG_ADMIN", "LOCK": "BACKUP_ADMIN",
    "START": "REPLICATION_SLAVE_ADMIN", "STOP": "REPLICATION_SLAVE_ADMIN", "CHANGE": "REPLICATION_SLAVE_ADMIN",
    "GRANT": "WITH ADMIN, ROLE_ADMIN, SUPER", "REVOKE": "WITH ADMIN, ROLE_ADMIN, SUPER", "CLONE": "BACKUP_ADMIN",
    "IMPORT": "FILE", "BINLOG": "SUPER, BINLOG_ADMIN or REPLICATION_APPLIER", "INSTALL": "SYSTEM_VARIABLES_ADMIN",
    "UNINSTALL": "SYSTEM_VARIABLES_ADMIN", "CREATE": "CREATE USER", "DROP": "CREATE USER", "ALTER": "CREATE USER",
    "RENAME": "CREATE USER", "SET": "SUPER, SYSTEM_VARIABLES_ADMIN or SESSION_VARIABLES_ADMIN",
}  # fmt: skip
# Statements before which the server commits, whether they are then refused or not.
_COMMITTING = frozenset(
    """
    ALTER CREATE DROP RENAME GRANT REVOKE LOCK FLUSH RESET INSTALL UNINSTALL IMPORT CHANGE START STOP
    """.split()  # noqa: SIM905
)


def commits(command: Command) -> bool:
    return command.verb.partition(" ")[0] in _COMMITTING and "TEMPORARY" not in command.verb


def refusal(command: Command, schema: Schema) -> MySQLError | Unsupported | None:
    """What MySQL answers to a command, None for one that it does without a word."""
    verb, name = command.verb, command.table.name if command.table is not None else ""
    database = (command.table.database if command.table is not None else None) or schema.database
    first = verb.partition(" ")[0]
    if first == "UNLOCK" or verb == "SET NAMES" or (verb == "USE" and name == schema.database):
        return None
    if verb in _TABLE_RIGHTS:
        return denied(_TABLE_RIGHTS[verb], name)
    if verb in _DATABASE_RIGHTS:
        named = verb.endswith("DATABASE") and name
        return MySQLError(1044, USER, name if named else database)
    if verb in ("DROP FUNCTION", "ALTER FUNCTION"):
        return MySQLError(1370, "alter routine", USER, f"{database}.{name}")
    special = {
        "CALL": (1370, "execute", USER, f"{database}.{name}"), "DROP TRIGGER": (1360,), "LOAD": (1045, USER),
        "LOAD LOCAL": (3948,), "GRANT GLOBAL": (1045, USER), "REVOKE GLOBAL": (1045, USER), "KILL": (1094, 0),
        "USE": (1044, USER, name), "INSTALL PLUGIN": (1142, "INSERT", USER, "plugin"),
        "UNINSTALL PLUGIN": (1142, "DELETE", USER, "plugin"), "INSTALL COMPONENT": (1142, "INSERT", USER, "component"),
        "UNINSTALL COMPONENT": (1142, "DELETE", USER, "component"),
    }  # fmt: skip
    if verb in special and not (verb == "USE" and name.lower() in ("information_schema", "performance_schema")):
        return MySQLError(*special[verb])  # type: ignore[arg-type]
    if verb in _GLOBAL_RIGHTS or first in _GLOBAL_RIGHTS:
        return MySQLError(1227, _GLOBAL_RIGHTS.get(verb, _GLOBAL_RIGHTS.get(first, "")))
    return Unsupported(verb)


def maintain(node: Maintenance, schema: Schema) -> list[tuple[Any, ...]]:
    """The rows that CHECK, ANALYZE, OPTIMIZE and REPAIR TABLE answer. Raises Unsupported for CHECKSUM and HISTOGRAM."""
    if node.verb in ("CHECKSUM", "HISTOGRAM"):
        raise Unsupported("CHECKSUM TABLE" if node.verb == "CHECKSUM" else "ANALYZE TABLE .. HISTOGRAM")
    verb, found = node.verb.lower(), []
    for table in node.tables:
        database = table.database or schema.database
        name = f"{database}.{table.name}"
        if database != schema.database:
            raise denied("SELECT", table.name)
        if schema.index(table.name) is None:
            found += [
                (name, verb, "Error", f"Table '{name}' doesn't exist"),
                (name, verb, "status", "Operation failed"),
            ]
        elif verb == "repair":
            found.append((name, verb, "note", "The storage engine for the table doesn't support repair"))
        else:
            if verb == "optimize":
                found.append((name, verb, "note", "Table does not support optimize, doing recreate + analyze instead"))
            found.append((name, verb, "status", "OK"))
    return found
