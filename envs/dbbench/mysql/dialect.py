"""From a MySQL statement to what SQLite is asked: the layer's one entry."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from envs.dbbench.mysql import catalogue, changes, checks
from envs.dbbench.mysql.errors import MySQLError, Unsupported
from envs.dbbench.mysql.filesort import Sorting
from envs.dbbench.mysql.grammar import parse
from envs.dbbench.mysql.lexer import is_blank
from envs.dbbench.mysql.queries import QueryTranslator
from envs.dbbench.mysql.rights import commits, maintain, refusal
from envs.dbbench.mysql.scope import Schema
from envs.dbbench.mysql.tree import (
    Command,
    Delete,
    Do,
    Insert,
    Maintenance,
    Prepared,
    Select,
    Show,
    Statement,
    Transaction,
    Update,
)
from envs.dbbench.mysql.types import Converter, converter
from envs.errors import InternalError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a statement comes to: SQL for SQLite with its parameters, or rows known without it, or an error.

    `converters` has for each column what makes the driver's value of SQLite's, or None; `sorting` orders the rows,
    whose last cells are then the keys. `transaction`: what it does to the transaction (tree.Transaction), and does even
    where there is an error, with the name of a `savepoint`. `kind`: rows, changes, or nothing where neither comes back.
    `strict`: warnings are errors.
    """

    sql: str = ""
    params: dict[str, Any] | None = None
    converters: tuple[Converter | None, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    error: MySQLError | Unsupported | None = None
    transaction: str = ""
    savepoint: str = ""
    sorting: Sorting | None = None
    kind: str = "rows"
    strict: bool = False
    prepared: Prepared | None = None

    @property
    def converts(self) -> bool:
        return any(self.converters)


def plan(sql: str, schema: Schema) -> Plan:
    """The plan of one statement. What MySQL refuses is a plan with an error.

    Raises:
        InternalError: the layer itself failed, whatever the statement is.
    """
    try:
        if sql.strip() and is_blank(sql):
            return Plan(kind="nothing")  # a comment alone
        statement = parse(sql)
        return _planned(statement, schema)
    except (MySQLError, Unsupported) as error:
        return Plan(error=error)
    except RecursionError:
        return Plan(error=MySQLError(1436, 1028576))
    except UnicodeError:
        return Plan(error=MySQLError(1300, sql[:6].encode("ascii", "backslashreplace").decode()))
    except Exception as error:
        _log.exception("the MySQL layer failed on %r", sql[:1000])
        raise InternalError(f"the MySQL layer failed on a statement: {type(error).__name__}: {error}") from error


def _planned(statement: Statement, schema: Schema) -> Plan:
    if isinstance(statement, Command):
        return _command(statement, schema)
    if isinstance(statement, Transaction):
        return Plan(transaction=statement.action, savepoint=statement.name, kind="nothing")
    if isinstance(statement, Prepared):
        return Plan(prepared=statement, kind="nothing")
    if isinstance(statement, Maintenance):
        return Plan(rows=tuple(maintain(statement, schema)), transaction="commit")
    if isinstance(statement, Do):
        return replace(_planned(Select(statement.items), schema), kind="nothing")
    if isinstance(statement, Show):
        return Plan(rows=tuple(catalogue.show(schema, statement)))
    checks.check(statement, schema)
    changes_rows = isinstance(statement, Insert | Update | Delete)
    t = QueryTranslator(schema, strict=changes_rows)
    t.common = []
    if isinstance(statement, Insert | Update | Delete):
        if isinstance(statement, Insert):
            text = changes.insert(t, statement)
        elif isinstance(statement, Update):
            text = changes.update(t, statement)
        else:
            text = changes.delete(t, statement)
        return Plan(text, t.params, kind="changes", strict=not statement.ignore)
    output = t.query(statement, None)
    converters = tuple(converter(type_) for type_ in output.types)
    if isinstance(statement, Select) and (unsorted := t.last_block.unsorted()):
        return Plan(unsorted[0], t.params, converters, sorting=unsorted[1])
    return Plan(output.sql, t.params, converters)


def _command(command: Command, schema: Schema) -> Plan:
    refused = refusal(command, schema)
    return Plan(error=refused, transaction="commit" if commits(command) else "", kind="nothing")
