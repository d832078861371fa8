"""From a MySQL statement to what SQLite is asked: the layer's one entry."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from envs.dbbench.mysql import changes, checks
from envs.dbbench.mysql.budget import Budget, PlanningTimeout
from envs.dbbench.mysql.changes import Write
from envs.dbbench.mysql.errors import MySQLError, Unsupported
from envs.dbbench.mysql.explain import explain
from envs.dbbench.mysql.filesort import Sorting
from envs.dbbench.mysql.grammar import parse
from envs.dbbench.mysql.lexer import is_blank
from envs.dbbench.mysql.queries import QueryTranslator
from envs.dbbench.mysql.rights import commits, maintain, refusal
from envs.dbbench.mysql.scope import Schema
from envs.dbbench.mysql.session import Session
from envs.dbbench.mysql.show import show
from envs.dbbench.mysql.tree import (
    Command,
    Delete,
    Do,
    Explain,
    Insert,
    Literal,
    Maintenance,
    Prepared,
    Select,
    SelectInto,
    SetStatement,
    Show,
    Statement,
    Transaction,
    Update,
)
from envs.dbbench.mysql.types import Converter, converter
from envs.dbbench.mysql.variables import Target, into_targets, set_sql
from envs.errors import InternalError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a statement comes to: SQL for SQLite with its parameters, or rows known without it, or an error.

    `converters` has for each column what makes the driver's value of SQLite's, or None; `sorting` orders the rows,
    whose last cells are then the keys. `transaction`: what it does to the transaction (tree.Transaction), and does even
    where there is an error, with the name of a `savepoint`. `kind`: rows, changes, nothing where neither comes back,
    diagnostics where the last statement's error is asked for. `strict`: warnings are errors. `targets` are the
    variables that the row is assigned to instead of returned, `writes` what is done with the rows of a change of
    several tables. `of_session`: planned for one session's settings, not only for its SQL mode.
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
    targets: tuple[Target, ...] = ()
    writes: tuple[Write, ...] = ()
    of_session: bool = False

    @property
    def converts(self) -> bool:
        return any(self.converters)


def plan(sql: str, schema: Schema, seconds: float, session: Session | None = None) -> Plan:
    """The plan of one statement. What MySQL refuses, or this layer cannot do, is a plan with an error.

    Raises:
        PlanningTimeout: it took longer than `seconds`.
        InternalError: the layer itself failed, whatever the statement is.
    """
    budget = Budget(seconds)
    try:
        if sql.strip() and is_blank(sql):
            return Plan(kind="nothing")  # a comment alone
        statement = parse(sql, budget)
        return _planned(statement, schema, session or Session(), budget)
    except PlanningTimeout:
        raise
    except (MySQLError, Unsupported) as error:
        return Plan(error=error)
    except RecursionError:
        return Plan(error=MySQLError(1436, 1028576))
    except UnicodeError:
        return Plan(error=MySQLError(1300, sql[:6].encode("ascii", "backslashreplace").decode()))
    except Exception as error:
        _log.exception("the MySQL layer failed on %r", sql[:1000])
        raise InternalError(f"the MySQL layer failed on a statement: {type(error).__name__}: {error}") from error


def _planned(statement: Statement, schema: Schema, session: Session, budget: Budget) -> Plan:
    if isinstance(statement, Command):
        return _command(statement, schema)
    if isinstance(statement, Transaction):
        return Plan(transaction=statement.action, savepoint=statement.name, kind="nothing")
    if isinstance(statement, Prepared):
        return Plan(prepared=statement, kind="nothing")
    if isinstance(statement, Maintenance):
        return Plan(rows=tuple(maintain(statement, schema)), transaction="commit")
    if isinstance(statement, Do):
        return replace(_planned(Select(statement.items), schema, session, budget), kind="nothing")
    changes_rows = isinstance(statement, Insert | Update | Delete)
    t = QueryTranslator(schema, session, budget, strict=changes_rows)
    t.common = []
    if isinstance(statement, Show):
        sql, types = show(t, statement)
        keeps = statement.what.endswith("diagnostics")
        return Plan(
            sql, t.params, tuple(map(converter, types)), kind="diagnostics" if keeps else "rows", of_session=True
        )
    checks.check(statement, schema)
    if isinstance(statement, Explain):
        _planned(statement.statement, schema, session, budget)
        return Plan(explain(t, statement), t.params)
    if isinstance(statement, Insert | Update | Delete):
        writes: tuple[Write, ...] = ()
        if isinstance(statement, Insert):
            text = changes.insert(t, statement)
        elif isinstance(statement, Update):
            text, writes = changes.update(t, statement)
        else:
            text, writes = changes.delete(t, statement)
        strict = session.strict and not statement.ignore
        return Plan(text, t.params, kind="changes", strict=strict, writes=writes)
    if isinstance(statement, SetStatement):
        sql, targets = set_sql(t, statement)
        if not targets:
            return Plan(kind="nothing")
        if any(target.system and target.name.lower() == "autocommit" for target in targets):
            return _autocommit(statement)
        return Plan(sql, t.params, kind="nothing", targets=targets)
    query = statement.query if isinstance(statement, SelectInto) else statement
    output = t.query(query, None)
    if isinstance(statement, SelectInto):
        return Plan(output.sql, t.params, kind="nothing", targets=into_targets(statement, output.types))
    converters = tuple(converter(type_) for type_ in output.types)
    if isinstance(query, Select) and (unsorted := t.last_block.unsorted()):
        return Plan(unsorted[0], t.params, converters, sorting=unsorted[1])
    return Plan(output.sql, t.params, converters)


def _command(command: Command, schema: Schema) -> Plan:
    refused = refusal(command, schema)
    return Plan(error=refused, transaction="commit" if commits(command) else "", kind="nothing")


def _autocommit(statement: SetStatement) -> Plan:
    """SET autocommit, alone: it also commits."""
    value = statement.settings[0].value
    if len(statement.settings) > 1:
        raise Unsupported("SET autocommit together with other variables")
    if value is not None and not isinstance(value, Literal):
        raise Unsupported("SET autocommit to an expression")
    word = "1" if value is None else value.value.lower()
    if word not in ("0", "1", "on", "off", "true", "false"):
        raise MySQLError(1231, "autocommit", word)
    return Plan(transaction="autocommit on" if word in ("1", "on", "true") else "autocommit off", kind="nothing")
