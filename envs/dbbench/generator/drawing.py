"""Drawing intents: for each of the benchmark's types, something to ask of given tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from envs.dbbench.generator.domains import AVERAGED, NUMERIC, SUMMED, Domain, names_of
from envs.dbbench.generator.domains import Kind as FieldKind
from envs.dbbench.generator.intent import Condition, Intent, Kind, Op, Value
from envs.dbbench.generator.tables import Column, Grid, new_value

KINDS: dict[str, tuple[Kind, ...]] = {
    "other": ("list",),
    "counting": ("count", "count", "count", "distinct"),
    "comparison": ("compare", "compare", "above"),
    "ranking": ("rank",),
    "aggregation-SUM": ("sum",),
    "aggregation-MIN": ("min",),
    "aggregation-MAX": ("max",),
    "aggregation-AVG": ("avg",),
    "INSERT": ("insert",),
    "UPDATE": ("update",),
    "DELETE": ("delete",),
}
_NUMBER_OPS: tuple[Op, ...] = ("over", "under", "at least", "at most", "between")
_YEAR_OPS: tuple[Op, ...] = ("after", "before", "is")


class Impossible(Exception):
    """These tables hold nothing of the kind to ask for; other tables may."""


@dataclass(frozen=True)
class Drawer:
    """Draws intents about one set of tables.

    Attributes:
        conditions: the least and the most conditions of a question that has any.
    """

    domain: Domain
    grids: Sequence[Grid]
    conditions: tuple[int, int]
    rng: Random

    @property
    def main(self) -> Grid:
        return self.grids[0]

    @property
    def own(self) -> list[Column]:
        """The main table's columns behind the name."""
        return list(self.main.columns[1:])

    @property
    def all(self) -> list[Column]:
        """Those and the side table's behind the link."""
        return [*self.own, *(column for side in self.grids[1:] for column in side.columns[1:])]

    def draw(self, kind: Kind) -> Intent:
        """An intent of this kind; whether it has a single answer is for `Meaning` to say.

        Raises:
            Impossible: no column fits.
        """
        match kind:
            case "insert":
                return Intent(kind, self.main.name, settings=self._new_row())
            case "update":
                return self._update()
            case "delete":
                by_name = self.rng.random() < 0.35
                return Intent(kind, self.main.name, conditions=self._by_name() if by_name else self._conditions())
            case "list":
                return self._list()
            case "count":
                return Intent(kind, self.main.name, conditions=self._conditions())
            case "distinct":
                target = self._column([column for column in self.all if column.field.kind == "word"])
                return Intent(kind, self.main.name, target.name, conditions=self._conditions(target, least=0))
            case "compare" | "above":
                return self._comparison(kind)
            case "rank":
                return self._rank()
        # Of the side table's numbers one can ask for the least and the most; a total would count some of them twice.
        kinds, columns = {"sum": (SUMMED, self.own), "avg": (AVERAGED, self.own)}.get(kind, (NUMERIC, self.all))
        measure = self._measure(kinds, columns)
        return Intent(kind, self.main.name, measure=measure.name, conditions=self._conditions(measure, least=0))

    @property
    def _key(self) -> str:
        return self.main.columns[0].name

    @property
    def _names(self) -> list[str]:
        return [str(value) for value in self.main.values(self.main.columns[0])]

    def _column(self, columns: Sequence[Column]) -> Column:
        if not columns:
            raise Impossible
        return self.rng.choice(columns)

    def _measure(self, kinds: frozenset[FieldKind], columns: Sequence[Column]) -> Column:
        return self._column([column for column in columns if column.field.kind in kinds])

    def _comparison(self, kind: Kind) -> Intent:
        measure = self._measure(NUMERIC | {"date"}, self.own)
        names = tuple(self.rng.sample(self._names, 2 if kind == "compare" else 1))
        more = self.rng.random() < 0.6
        return Intent(kind, self.main.name, measure=measure.name, descending=more, names=names)

    def _rank(self) -> Intent:
        rng = self.rng
        measure = self._measure(NUMERIC | {"date"}, self.all)
        place = rng.choice((1, 1, 1, 2, 3, 4))
        size = rng.choice((1, 1, 2, 3)) if place == 1 else 1
        conditions = self._conditions(measure, least=0) if rng.random() < 0.6 else ()
        said = {measure.name, *(condition.column for condition in conditions)}
        targets = [column.name for column in self.own if column.name not in said]
        target = rng.choice(targets) if targets and size == 1 and rng.random() < 0.4 else self._key
        more = rng.random() < 0.6
        return Intent("rank", self.main.name, target, measure.name, more, place, size, conditions=conditions)

    def _list(self) -> Intent:
        if self.rng.random() < 0.4:
            return Intent("list", self.main.name, self.rng.choice(self.all).name, conditions=self._by_name())
        conditions = self._conditions()
        said = {condition.column for condition in conditions}
        targets = [self._key, *(column.name for column in self.all if column.name not in said)]
        return Intent("list", self.main.name, self.rng.choice(targets), conditions=conditions)

    def _update(self) -> Intent:
        conditions = self._by_name() if self.rng.random() < 0.55 else self._conditions()
        said = {condition.column for condition in conditions}
        free = [column for column in self.own if column.name not in said]
        if not free:
            raise Impossible
        chosen = self.rng.sample(free, min(len(free), self.rng.choice((1, 1, 1, 2))))
        return Intent("update", self.main.name, conditions=conditions, settings=self._cells(chosen))

    def _new_row(self) -> tuple[tuple[str, str], ...]:
        rng, taken = self.rng, set(self._names)
        free = [name for name in names_of(self.domain) if name not in taken]
        if not free:
            raise Impossible
        own = self.own if rng.random() < 0.7 else sorted(rng.sample(self.own, len(self.own) - 1), key=self.own.index)
        return ((self._key, rng.choice(free)), *self._cells(own))

    def _cells(self, columns: Sequence[Column]) -> tuple[tuple[str, str], ...]:
        return tuple((column.name, str(column.show(new_value(column.field, self.rng)))) for column in columns)

    def _by_name(self) -> tuple[Condition, ...]:
        return (Condition(self._key, "is", (self.rng.choice(self._names),)),)

    def _conditions(self, measure: Column | None = None, *, least: int = 1) -> tuple[Condition, ...]:
        """Conditions that one row, drawn by chance, meets: so that something is found."""
        low, high = self.conditions
        number = self.rng.randint(max(low, least) if least else 0, max(high, least))
        free = [column for column in self.all if column is not measure]
        row = self.rng.randrange(len(self.main.rows))
        chosen = self.rng.sample(free, min(number, len(free)))
        return tuple(self._condition(column, self._value_at(column, row)) for column in chosen)

    def _value_at(self, column: Column, row: int) -> Value | None:
        if column in self.main.columns:
            return self.main.values(column)[row]
        side = next(grid for grid in self.grids[1:] if column in grid.columns)
        link = side.columns[0]
        return side.values(column)[side.values(link).index(self.main.values(link)[row])]

    def _condition(self, column: Column, value: Value | None) -> Condition:
        """A condition that this value meets."""
        if value is None:
            return Condition(column.name, "missing")
        if column.nulls and self.rng.random() < 0.15:
            return Condition(column.name, "known")
        if isinstance(value, str):
            return self._word_condition(column, value)
        if isinstance(value, date):
            return self._date_condition(column, value)
        return self._number_condition(column, value)

    def _date_condition(self, column: Column, value: date) -> Condition:
        years = 1 + (column.field.high - column.field.low) // 6
        away = timedelta(days=self.rng.randrange(1, 365 * years))
        if self.rng.random() < 0.5:
            return Condition(column.name, "after", (value - away,))
        return Condition(column.name, "before", (value + away,))

    def _number_condition(self, column: Column, value: Decimal) -> Condition:
        field = column.field
        ops = _YEAR_OPS if field.kind == "year" else _NUMBER_OPS
        op = self.rng.choice(ops)
        away = Decimal(self.rng.randint(1, 1 + (field.high - field.low) // 6)) / field.scale
        below, above = max(value - away, Decimal()), value + away
        if op == "between":
            return Condition(column.name, op, (below, above))
        if op == "is":
            return Condition(column.name, op, (value,))
        return Condition(column.name, op, (below if op in ("over", "at least", "after") else above,))

    def _word_condition(self, column: Column, value: str) -> Condition:
        rng = self.rng
        roll = rng.random()
        if roll < 0.12 and not column.nulls:
            other = rng.choice([word for word in column.field.pool if word != value])
            return Condition(column.name, "is not", (other,))
        pieces = [piece for piece in value.split() if len(piece) > 3]
        if roll < 0.25 and pieces:
            return Condition(column.name, "contains", (rng.choice(pieces),))
        return Condition(column.name, "is", (value,))
