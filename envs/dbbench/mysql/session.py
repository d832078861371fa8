"""What a session remembers between its statements: user variables, settings, counts of rows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from envs.dbbench.mysql import numbers
from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.types import DOUBLE, INT, RAW, TEXT, UINT, Type

SQL_MODE = (
    "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION"
)
MAX_VARIABLES = 1000
MAX_CHARACTERS = 8_000_000

# A value as SQLite holds it.
Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Variable:
    type: Type
    cell: Cell


class Session:
    """The state of one session. `settings` holds the system variables that were set, by their names in lower case.

    `row_count` and `found_rows` are what ROW_COUNT() and FOUND_ROWS() answer, `diagnostics` the number and the text of
    the last statement's error.
    """

    def __init__(self, sql_mode: str = SQL_MODE) -> None:
        self.settings: dict[str, Cell] = {"sql_mode": sql_mode}
        self.variables: dict[str, Variable] = {}
        self.row_count = 0
        self.found_rows = 0
        self.diagnostics: list[tuple[int, str]] = []

    def clear(self) -> None:
        """Makes it a new session."""
        Session.__init__(self)

    @property
    def sql_mode(self) -> str:
        return str(self.settings["sql_mode"])

    @property
    def strict(self) -> bool:
        """Whether a change with a value that does not convert is refused."""
        return "STRICT_" in self.sql_mode

    @property
    def full_group_by(self) -> bool:
        return "ONLY_FULL_GROUP_BY" in self.sql_mode

    def number(self, setting: str, default: int) -> int:
        """A setting that is a number."""
        value = self.settings.get(setting)
        return value if isinstance(value, int) else default

    # --- user variables, whose names are in lower case

    def type_of(self, name: str) -> Type:
        """What type a variable is read as: a binary string before anything was assigned to it."""
        variable = self.variables.get(name)
        return RAW if variable is None else variable.type

    def assign(self, name: str, type_: Type, cell: Cell) -> Cell:
        """Sets a variable. Returns the cell."""
        if name not in self.variables and len(self.variables) >= MAX_VARIABLES:
            raise MySQLError(1153)
        if isinstance(cell, str) and len(cell) > 1000:
            held = sum(len(v.cell) for n, v in self.variables.items() if n != name and isinstance(v.cell, str))
            if held + len(cell) > MAX_CHARACTERS:
                raise MySQLError(1153)
        self.variables[name] = Variable(type_, cell)
        return cell

    def read(self, name: str, kind: str) -> Cell:
        """A variable's value as a cell of the type of that kind: its type may have changed since planning."""
        variable = self.variables.get(name)
        if variable is None or variable.cell is None:
            return None
        held, cell = variable.type, variable.cell
        if kind == held.kind:
            return cell
        if kind == "text":
            return numbers.double_text(cell) if isinstance(cell, float) else _digits(held, cell)
        if kind == "double":
            return cell if isinstance(cell, float) else numbers.double_of(str(cell))
        exact = numbers.decimal_of(numbers.double_text(cell) if isinstance(cell, float) else _digits(held, cell))
        return f"{exact:f}" if kind == "decimal" else _whole(exact, kind)


def stored_type(type_: Type) -> Type:
    """The type that a variable has once a value of this type was assigned: no dates, no JSON."""
    if type_.kind == "null":
        return RAW
    if type_.kind == "text":
        return type_
    if type_.numeric:
        return DOUBLE if type_.real else type_
    return TEXT


def _digits(held: Type, cell: Cell) -> str:
    return str(cell).lstrip("0") or "0" if held == UINT and isinstance(cell, str) else str(cell)


def _whole(number: Decimal, kind: str) -> int | str:
    whole = int(numbers.fixed(number, 0))
    if kind == INT.kind:
        return max(min(whole, 2**63 - 1), -(2**63))
    whole %= 2**64
    return whole if whole < 2**63 else f"{whole:020d}"
