"""What an intent means, worked out on the values themselves: no SQL, no cells.

The generator refuses what has no single answer (ties, missing cells, nothing found), and holds the gold query's result
against the answer found here: a gold that the two ways of asking do not share is a bug, and never a task.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from operator import ge, gt, le, lt
from typing import Any

from envs.dbbench.generator.intent import Condition, Intent, Value
from envs.dbbench.generator.tables import Column, Grid
from envs.dbbench.task import Table

Row = Mapping[str, Value | None]
MOST_ITEMS = 8  # of a list that is asked for: more is a test of copying

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "over": gt,
    "under": lt,
    "at least": ge,
    "at most": le,
    "after": gt,
    "before": lt,
}


def fold(text: str) -> str:
    """Text as MySQL's default collation compares it: neither case nor accents matter."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()


class Meaning:
    """An intent on the tables it is about."""

    def __init__(self, intent: Intent, grids: Sequence[Grid]) -> None:
        self.intent = intent
        self.main = grids[0]
        self.columns: dict[str, Column] = {column.name: column for grid in grids for column in grid.columns}
        self.key = self.main.columns[0].name
        self.rows = list(_joined(grids))
        self.matching = [row for row in self.rows if all(holds(c, row) for c in intent.conditions)]

    def answer(self) -> list[str] | None:
        """The items of the answer, or None if there is no single one, or one that a constant would hit."""
        return {
            "list": self._list,
            "count": self._count,
            "distinct": self._distinct,
            "compare": self._compare,
            "above": self._above,
            "rank": self._rank,
        }.get(self.intent.kind, self._aggregate)()

    def tables_after(self) -> tuple[Table, ...] | None:
        """The main table after the change, or None if nothing or everything would change."""
        intent, table = self.intent, self.main.table()
        if intent.kind == "insert":
            cells = dict(intent.settings)
            return (replace(table, rows=(*table.rows, tuple(cells.get(name) for name in table.columns))),)
        if not 0 < len(self.matching) < len(self.rows):
            return None
        hit = {id(row) for row in self.matching}
        if intent.kind == "delete":
            kept = [cells for row, cells in zip(self.rows, table.rows, strict=True) if id(row) not in hit]
            return (replace(table, rows=tuple(kept)),)
        change = {table.columns.index(column): cell for column, cell in intent.settings}
        rows = [
            tuple(change.get(i, cell) for i, cell in enumerate(cells)) if id(row) in hit else cells
            for row, cells in zip(self.rows, table.rows, strict=True)
        ]
        return (replace(table, rows=tuple(rows)),) if tuple(rows) != table.rows else None

    def _list(self) -> list[str] | None:
        return self._items(self.matching, self.intent.target)

    def _items(self, rows: Sequence[Row], column: str) -> list[str] | None:
        cells = [self.columns[column].show(row[column]) for row in rows]
        if None in cells or not 0 < len(cells) <= MOST_ITEMS or len(set(cells)) < len(cells):
            return None
        return [str(cell) for cell in cells]

    def _count(self) -> list[str] | None:
        return [str(len(self.matching))] if 1 < len(self.matching) < len(self.rows) else None

    def _distinct(self) -> list[str] | None:
        values = [row[self.intent.target] for row in self.matching]
        different = {fold(value) if isinstance(value, str) else value for value in values}
        return [str(len(different))] if None not in values and 1 < len(different) < len(values) else None

    def _measured(self, rows: Sequence[Row]) -> list[tuple[Any, Row]]:
        return [(value, row) for row in rows if (value := row[self.intent.measure]) is not None]

    def _compare(self) -> list[str] | None:
        pair = self._measured([row for row in self.rows if row[self.key] in self.intent.names])
        if len(pair) < 2 or pair[0][0] == pair[1][0]:
            return None
        best = (max if self.intent.descending else min)(pair, key=lambda entry: entry[0])
        return self._items([best[1]], self.key)

    def _above(self) -> list[str] | None:
        given = self._measured([row for row in self.rows if row[self.key] == self.intent.names[0]])
        if not given:
            return None
        beyond = gt if self.intent.descending else lt
        return self._items([row for value, row in self._measured(self.rows) if beyond(value, given[0][0])], self.key)

    def _rank(self) -> list[str] | None:
        intent = self.intent
        ranked = sorted(self._measured(self.matching), key=lambda entry: entry[0], reverse=intent.descending)
        first, last = intent.place - 1, intent.place - 1 + intent.size
        around = [value for value, _ in ranked[max(first - 1, 0) : last + 1]]
        if len(ranked) <= last or len(set(around)) < len(around):
            return None
        return self._items([row for _, row in ranked[first:last]], intent.target)

    def _aggregate(self) -> list[str] | None:
        values: list[Decimal] = [value for value, _ in self._measured(self.matching)]
        if len(set(values)) < 2:
            return None
        if self.intent.kind == "avg":
            mean = sum(values, Decimal()) / len(values)
            return [str(mean.quantize(Decimal("0.01"), ROUND_HALF_UP))]
        if self.intent.kind == "sum":
            return [str(sum(values, Decimal()))]
        return [str(min(values) if self.intent.kind == "min" else max(values))]


def holds(condition: Condition, row: Row) -> bool:
    """Whether a row meets a condition; a missing cell meets none but `missing`."""
    value, wanted = row[condition.column], condition.values
    if condition.op in ("missing", "known"):
        return (value is None) == (condition.op == "missing")
    if value is None:
        return False
    if condition.op == "between":
        low, high = wanted
        return bool(low <= value <= high)  # type: ignore[operator]
    if isinstance(value, str):
        mine, asked = fold(value), fold(str(wanted[0]))
        return asked in mine if condition.op == "contains" else (mine == asked) == (condition.op == "is")
    return value == wanted[0] if condition.op == "is" else _COMPARE[condition.op](value, wanted[0])


def _joined(grids: Sequence[Grid]) -> Iterator[Row]:
    main = grids[0]
    for cells in main.rows:
        row = {column.name: value for column, value in zip(main.columns, cells, strict=True)}
        for side in grids[1:]:
            link = side.columns[0].name
            more = next(more for more in side.rows if more[0] == row[link])
            row |= {column.name: value for column, value in zip(side.columns, more, strict=True)}
        yield row
