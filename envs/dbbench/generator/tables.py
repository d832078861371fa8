"""Filling a domain's tables: values that are known as values, and the cells that show them, tidy or messy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from envs.dbbench.generator.domains import NUMERIC, Domain, Field, names_of
from envs.dbbench.generator.intent import Layout, Value
from envs.dbbench.generator.queries import ISO
from envs.dbbench.generator.values import MONTHS
from envs.dbbench.task import Cell, Table

_DATES = (ISO, "%d %M %Y", "%d.%m.%Y")
_MISSING = 0.12  # of the cells of a column with missing cells


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is written.

    Attributes:
        name: in the task's style.
        field: its vocabulary.
        messy: whether numbers carry signs, units and thousands' commas, and dates are not ISO.
        pattern: a date's pattern, else "".
        nulls: whether some cells are missing.
    """

    name: str
    field: Field
    messy: bool = False
    pattern: str = ""
    nulls: bool = False

    @property
    def junk(self) -> tuple[str, ...]:
        """What must go before a cell is a number."""
        if not self.messy:
            return ()
        commas = (",",) if self.field.high > 999 and self.field.kind in ("count", "money", "size") else ()
        sign = {"money": ("$",), "percent": ("%",), "size": (f" {self.field.unit}",)}.get(self.field.kind, ())
        return commas + sign

    def show(self, value: Value | None) -> Cell:
        """The cell for a value."""
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, date):
            return show_date(value, self.pattern)
        text = f"{value:,}" if "," in self.junk else f"{value:f}"
        if not self.messy:
            return text
        return {"money": f"${text}", "percent": f"{text}%", "size": f"{text} {self.field.unit}"}.get(
            self.field.kind, text
        )


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of which the values are known."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value | None, ...], ...]

    def table(self) -> Table:
        cells = tuple(
            tuple(column.show(value) for column, value in zip(self.columns, row, strict=True)) for row in self.rows
        )
        return Table(self.name, tuple(column.name for column in self.columns), cells)

    def values(self, column: Column) -> list[Value | None]:
        index = self.columns.index(column)
        return [row[index] for row in self.rows]


def show_date(day: date, pattern: str) -> str:
    """A date in MySQL's pattern letters (strftime's month names depend on the locale)."""
    if pattern == "%d %M %Y":
        return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
    return day.isoformat() if pattern == ISO else f"{day.day:02}.{day.month:02}.{day.year}"


def layout_of(grids: Sequence[Grid]) -> Layout:
    """What the generator knows and the expert must find out."""
    columns = [column for grid in grids for column in grid.columns]
    return Layout(
        {grid.name: tuple(column.name for column in grid.columns) for grid in grids},
        {column.name: column.junk for column in columns if column.field.kind in NUMERIC},
        {column.name: column.pattern for column in columns if column.pattern},
    )


def fill(domain: Domain, rng: Random, *, rows: int, columns: int, mess: float, joined: bool) -> tuple[Grid, ...]:
    """A domain's main table, and its side table if `joined`.

    Args:
        rows, columns: of the main table, as far as the domain has them.
        mess: the share of columns with messy cells, from 0 to 1; half of it for columns with missing cells.
    """
    style = _style(rng)
    hub = next(field for field in domain.fields if field.name == domain.hub)
    others = [field for field in domain.fields if field is not hub or not joined]
    chosen = rng.sample(others, min(columns - 1 - joined, len(others)))
    if not any(field.kind in NUMERIC for field in chosen):
        chosen[-1] = rng.choice([field for field in others if field.kind in NUMERIC])
    fields = sorted([*chosen, hub] if joined else chosen, key=domain.fields.index)
    names = names_of(domain)
    rng.shuffle(names)
    key = Column(style(domain.noun + rng.choice(("", " name"))), Field(domain.noun))
    written = [_column(field, rng, style, mess, may_miss=field is not hub) for field in fields]
    body = [_values(column, min(rows, len(names)), rng) for column in written]
    title = style(rng.choice((domain.plural, f"{domain.noun} records", f"list of {domain.plural}")))
    grids = [Grid(title, (key, *written), tuple(zip(names, *body, strict=False)))]
    if joined:
        side = [_column(field, rng, style, mess, may_miss=False) for field in domain.side_fields]
        cells = [_values(column, len(hub.pool), rng) for column in side]
        link = written[fields.index(hub)]
        grids.append(Grid(style(domain.side), (link, *side), tuple(zip(hub.pool, *cells, strict=True))))
    return tuple(grids)


def _style(rng: Random) -> Callable[[str], str]:
    """How a task writes its names: `Opening Year`, `opening_year` or `opening year`."""
    styles: list[Callable[[str], str]] = [
        lambda words: " ".join(word if word[0].isupper() else word.capitalize() for word in words.split()),
        lambda words: words.replace(" ", "_"),
        lambda words: words,
    ]
    return rng.choices(styles, weights=(4, 4, 1))[0]


def _column(field: Field, rng: Random, style: Callable[[str], str], mess: float, *, may_miss: bool) -> Column:
    messy = rng.random() < mess
    nulls = rng.random() < mess / 2 and may_miss
    pattern = "" if field.kind != "date" else rng.choice(_DATES[1:]) if messy else ISO
    return Column(style(field.name), field, messy, pattern, nulls)


def _values(column: Column, rows: int, rng: Random) -> list[Value | None]:
    return [None if column.nulls and rng.random() < _MISSING else new_value(column.field, rng) for _ in range(rows)]


def new_value(field: Field, rng: Random) -> Value:
    """A value of a column's kind and range."""
    if field.kind == "word":
        return rng.choice(field.pool)
    if field.kind == "date":
        return date(field.low, 1, 1) + timedelta(days=rng.randrange(365 * (field.high - field.low + 1)))
    return Decimal(rng.randint(field.low, field.high)) / field.scale
