"""User and system variables: read and assigned in expressions, set by SET and SELECT ... INTO."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.scope import Scope
from envs.dbbench.mysql.session import Cell, Session, stored_type
from envs.dbbench.mysql.systemvariables import check_settable, current, setting, system_variable
from envs.dbbench.mysql.tree import Assignment, OrderItem, SelectInto, SetStatement, Variable
from envs.dbbench.mysql.types import INT, TEXT, UINT, Type, Value, as_text, sort_key

if TYPE_CHECKING:
    from envs.dbbench.mysql.queries import QueryTranslator
    from envs.dbbench.mysql.translate import Translator


@dataclass(frozen=True, slots=True)
class Target:
    """What a column of a result is assigned to: a user variable, or a setting of the session's."""

    name: str
    type: Type
    system: bool = False

    def check(self, cell: Cell) -> Cell:
        """The value as it will be kept. Raises MySQLError for one that the setting does not take."""
        if not self.system:
            return cell
        if self.type == UINT and isinstance(cell, str):
            cell = int(cell)
        return setting(self.name, system_variable(self.name), cell)


def assign(session: Session, targets: tuple[Target, ...], rows: list[tuple[Cell, ...]]) -> None:
    """Assigns a row to the targets, all or none of them; without a row nothing is assigned. Error 1172 for several."""
    if len(rows) > 1:
        raise MySQLError(1172)
    for row in rows:
        checked = [target.check(cell) for target, cell in zip(targets, row, strict=True)]
        for target, cell in zip(targets, checked, strict=True):
            if target.system:
                session.settings[target.name.lower()] = cell
            else:
                session.assign(target.name, target.type, cell)


def read(t: Translator, node: Variable) -> Value:
    """`@name` and `@@name`."""
    if not node.system:
        type_ = t.session.type_of(node.name)
        return Value(f"m_variable({t.param(node.name)}, '{type_.kind}')", type_)
    _, cell = current(t.session, node.name, node.scope)
    return _constant(t, cell)


def assignment(t: Translator, node: Assignment, scope: Scope) -> Value:
    """`@name := value`, which is its value."""
    value = t.scalar(node.value, scope)
    t.assignments += 1
    type_ = stored_type(value.type)
    cell = _cell(value, type_)
    flags = int(type_.binary) + 2 * int(type_.raw)
    return Value(f"m_assign({t.param(node.name)}, '{type_.kind}', {type_.scale}, {flags}, {cell})", type_)


def assigned_type(kind: str, scale: int, flags: int) -> Type:
    """The type that `assignment` wrote into the call."""
    return Type(kind, scale, binary=bool(flags & 1), raw=bool(flags & 2))


def presorted(t: Translator, scope: Scope, source: str, order: list[tuple[Value, OrderItem]]) -> str | None:
    """FROM with the block's one table in the block's order, so that assignments in the select list are made in that
    order, as the server does which sorts first. None where it cannot sort first."""
    bases = [found for found in scope.sources if found.base is not None]
    keys = [sort_key(value) + (" DESC" if item.descending else "") for value, item in order]
    sql = scope.finish(", ".join(keys), False)
    if len(bases) != 1 or "m_assign(" in sql or set(re.findall(r"\ba\d+\.", sql)) - {f"{bases[0].sql_alias}."}:
        return None
    table = f"t{bases[0].base} AS {bases[0].sql_alias}"
    ordered, name = f"SELECT *, rowid FROM {table} ORDER BY {sql}", f"w{t.number()}"
    materialized = f"(WITH {name} AS MATERIALIZED ({ordered}) SELECT * FROM {name})"
    return source.replace(table, f"{materialized} AS {bases[0].sql_alias}")


def set_sql(t: QueryTranslator, node: SetStatement) -> tuple[str, tuple[Target, ...]]:
    """SET as a query of one row, and where its columns go."""
    scope = Scope(t.number(), None)
    scope.allow_aggregates = False
    cells, targets = [], []
    for item in node.settings:
        name = item.variable.name
        if item.variable.system:
            variable = check_settable(name, item.variable.scope)
            value = _constant(t, variable.value) if item.value is None else t.scalar(item.value, scope)
            cells.append(value.sql if value.type.integer else as_text(value))
            targets.append(Target(name, value.type, system=True))
        else:
            assert item.value is not None
            value = t.scalar(item.value, scope)
            targets.append(Target(name, stored_type(value.type)))
            cells.append(_cell(value, targets[-1].type))
    return "SELECT " + scope.finish(", ".join(cells), False), tuple(targets)


def into_targets(node: SelectInto, types: list[Type]) -> tuple[Target, ...]:
    """Where the columns of SELECT ... INTO go. Error 1222 for another number of columns."""
    if len(node.names) != len(types):
        raise MySQLError(1222)
    return tuple(Target(name, stored_type(type_)) for name, type_ in zip(node.names, types, strict=True))


def _cell(value: Value, type_: Type) -> str:
    return as_text(value) if type_.kind == "text" and value.type.kind != "null" else value.sql


def _constant(t: Translator, cell: Cell) -> Value:
    if cell is None:
        return Value("NULL", TEXT, constant=True)
    if isinstance(cell, int):
        shown = f"{cell:020d}" if cell >= 2**63 else cell
        return Value(t.param(shown), UINT if cell >= 2**63 else INT, constant=True)
    return Value(t.param(str(cell)), TEXT, constant=True)
