"""From a MySQL statement to what SQLite is asked: the layer's one entry."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from envs.dbbench.mysql import catalogue, changes, checks
from envs.dbbench.mysql.budget import Budget, PlanningTimeout
from envs.dbbench.mysql.errors import USER, MySQLError, denied
from envs.dbbench.mysql.filesort import Sorting
from envs.dbbench.mysql.grammar import parse
from envs.dbbench.mysql.queries import QueryTranslator
from envs.dbbench.mysql.scope import Schema
from envs.dbbench.mysql.tree import Command, Delete, Insert, Select, Show, Statement, Update
from envs.dbbench.mysql.types import Converter, converter
from envs.errors import InternalError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a statement comes to: SQL for SQLite with its parameters, or rows known without it, or an error.

    `converters` has for each column what makes the driver's value of SQLite's, or None; `sorting` orders the rows,
    whose last cells are then the keys. `transaction`: begin, commit or rollback.
    """

    sql: str = ""
    params: dict[str, Any] | None = None
    converters: tuple[Converter | None, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    error: MySQLError | None = None
    transaction: str = ""
    sorting: Sorting | None = None

    @property
    def converts(self) -> bool:
        return any(self.converters)


def plan(sql: str, schema: Schema, seconds: float) -> Plan:
    """The plan of one statement. What MySQL refuses is a plan with an error.

    Raises:
        PlanningTimeout: it took longer than `seconds`.
        InternalError: the layer itself failed, whatever the statement is.
    """
    budget = Budget(seconds)
    try:
        statement = parse(sql, budget)
        return _planned(statement, schema, budget)
    except PlanningTimeout:
        raise
    except MySQLError as error:
        return Plan(error=error)
    except RecursionError:
        return Plan(error=MySQLError(1436, 1028576))
    except UnicodeError:
        return Plan(error=MySQLError(1300, sql[:6].encode("ascii", "backslashreplace").decode()))
    except Exception as error:
        _log.exception("the MySQL layer failed on %r", sql[:1000])
        raise InternalError(f"the MySQL layer failed on a statement: {type(error).__name__}: {error}") from error


def _planned(statement: Statement, schema: Schema, budget: Budget) -> Plan:
    if isinstance(statement, Command):
        return _command(statement, schema)
    if isinstance(statement, Show):
        return Plan(rows=tuple(catalogue.show(schema, statement)))
    checks.check(statement, schema)
    t = QueryTranslator(schema, budget)
    t.common = []
    if isinstance(statement, Insert | Update | Delete):
        if isinstance(statement, Insert):
            text = changes.insert(t, statement)
        elif isinstance(statement, Update):
            text = changes.update(t, statement)
        else:
            text = changes.delete(t, statement)
        return Plan(text, t.params)
    output = t.query(statement, None)
    converters = tuple(converter(type_) for type_ in output.types)
    if isinstance(statement, Select) and (unsorted := t.last_block.unsorted()):
        return Plan(unsorted[0], t.params, converters, sorting=unsorted[1])
    return Plan(output.sql, t.params, converters)


_TRANSACTIONS = {"BEGIN": "begin", "START": "begin", "COMMIT": "commit", "ROLLBACK": "rollback"}
_PRIVILEGES = {
    "SET": "SUPER, SYSTEM_VARIABLES_ADMIN or SESSION_VARIABLES_ADMIN", "FLUSH": "RELOAD", "SHUTDOWN": "SHUTDOWN",
    "RESTART": "SHUTDOWN", "KILL": "CONNECTION_ADMIN", "PURGE": "BINLOG_ADMIN", "RESET": "RELOAD",
    "LOAD": "FILE", "INSTALL": "SYSTEM_VARIABLES_ADMIN", "UNINSTALL": "SYSTEM_VARIABLES_ADMIN", "GRANT": "GRANT OPTION",
    "REVOKE": "GRANT OPTION", "CHANGE": "REPLICATION_SLAVE_ADMIN", "STOP": "REPLICATION_SLAVE_ADMIN",
    "IMPORT": "FILE",
}  # fmt: skip


def _command(command: Command, schema: Schema) -> Plan:
    """Statements beyond SELECT, INSERT, UPDATE and DELETE: the agent's user has the right to few of them."""
    verb, thing = command.verb, command.thing
    words = thing.upper().split()
    if verb in _TRANSACTIONS and words[:1] not in (["SLAVE"], ["REPLICA"], ["GROUP_REPLICATION"]):
        return Plan(transaction=_TRANSACTIONS[verb])
    if verb == "USE":
        name = thing.strip("`")
        if name == schema.database:
            return Plan()
        raise MySQLError(1044, USER, name)
    if verb == "SET" and words[:1] in (["NAMES"], ["AUTOCOMMIT"], ["CHARACTER"]):
        return Plan()
    if verb in _PRIVILEGES:
        raise MySQLError(1227, _PRIVILEGES[verb])
    if words[:1] in (["DATABASE"], ["SCHEMA"]):
        raise MySQLError(1044, USER, thing.split()[-1] if len(words) > 1 else schema.database)
    raise denied(verb, _named_table(thing, schema))


def _named_table(thing: str, schema: Schema) -> str:
    return next((name for name, _ in schema.tables if name in thing), (thing.split() or [""])[-1])
