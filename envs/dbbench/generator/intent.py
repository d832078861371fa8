"""What a generated question asks, as data: between its wording, its SQL and its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

Value = str | Decimal | date
Op = Literal[
    "is", "is not", "contains", "over", "under", "at least", "at most", "between", "after", "before", "missing", "known"
]
Kind = Literal[
    "list", "count", "distinct", "compare", "above", "rank", "sum", "min", "max", "avg", "insert", "update", "delete"
]


@dataclass(frozen=True, slots=True)
class Condition:
    """`column op values`: two values for `between` (both ends included), none for `missing` and `known`."""

    column: str
    op: Op
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Intent:
    """One question about a table. Columns are named as in the schema, without their table.

    Attributes:
        kind: what is wanted. `above`: the things whose measure is beyond that of a named one.
        table: the main table; its first column names the things.
        target: the column to answer with (list, distinct, rank).
        measure: the column that is compared, ranked or aggregated.
        descending: whether more comes first (compare, above, rank).
        place: the rank asked for, from 1.
        size: how many from that place on.
        names: the two things of `compare`, the one of `above`.
        conditions: all of them must hold.
        settings: column and cell, as they are to be stored (insert, update).
    """

    kind: Kind
    table: str
    target: str = ""
    measure: str = ""
    descending: bool = True
    place: int = 1
    size: int = 1
    names: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """What must be known of the tables to write a query.

    Attributes:
        columns: each table's columns, in order.
        junk: for a column of numbers, what its cells carry beside the number, such as "," or " km".
        dates: for a column of dates, its pattern in MySQL's letters, such as "%d.%m.%Y".
    """

    columns: Mapping[str, tuple[str, ...]]
    junk: Mapping[str, tuple[str, ...]]
    dates: Mapping[str, str]

    def home(self, column: str, table: str) -> str:
        """The table a column lives in, `table` before all others."""
        if column in self.columns[table]:
            return table
        return next(name for name, columns in self.columns.items() if column in columns)

    def link(self, table: str, other: str) -> str:
        """The column by which two tables are joined."""
        return next(column for column in self.columns[table] if column in self.columns[other])
