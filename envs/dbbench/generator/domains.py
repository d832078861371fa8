"""What generated tables are about: the vocabulary of a domain, as data.

A domain has one main table, whose first field names the thing, and one side table that says more about the values of
one of its word fields (the join). Names are in words, lower case; a task writes them as `Opening Year` or
`opening_year`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["word", "count", "decimal", "money", "percent", "size", "year", "date"]
NUMERIC: frozenset[Kind] = frozenset(("count", "decimal", "money", "percent", "size", "year"))
SUMMED: frozenset[Kind] = frozenset(("count", "money", "size"))  # a total of ratings or years means nothing
AVERAGED: frozenset[Kind] = SUMMED | {"decimal", "percent"}


@dataclass(frozen=True, slots=True)
class Field:
    """A column's vocabulary.

    Attributes:
        name: in words, lower case, unique in its domain.
        kind: what its values are. `count` and `year` are whole numbers, `decimal` and `percent` have one decimal.
        pool: the values of a `word`.
        low, high: the bounds of a number, or of a date's year. A decimal's and a percentage's are in tenths.
        unit: what a `size` is measured in.
    """

    name: str
    kind: Kind = "word"
    pool: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    unit: str = ""

    @property
    def scale(self) -> int:
        """By what a drawn whole number is divided."""
        return 10 if self.kind in ("decimal", "percent") else 1


@dataclass(frozen=True, slots=True)
class Domain:
    """A subject with its words.

    Attributes:
        noun, plural: what a row is.
        first, second: the two halves of a row's name.
        fields: the main table's columns behind the name.
        hub: the word field that the side table explains.
        side: the side table's name in words.
        side_fields: its columns behind the hub.
    """

    noun: str
    plural: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    fields: tuple[Field, ...]
    hub: str
    side: str
    side_fields: tuple[Field, ...]


def names_of(domain: Domain) -> list[str]:
    """All names that things of a domain can have."""
    return [f"{first} {second}" for first in domain.first for second in domain.second]


def word(name: str, pool: str) -> Field:
    return Field(name, "word", tuple(pool.split("|")))


def count(name: str, low: int, high: int) -> Field:
    return Field(name, "count", low=low, high=high)


def decimal(name: str, low: int, high: int) -> Field:
    return Field(name, "decimal", low=low, high=high)


def money(name: str, low: int, high: int) -> Field:
    return Field(name, "money", low=low, high=high)


def percent(name: str, low: int, high: int) -> Field:
    return Field(name, "percent", low=low, high=high)


def size(name: str, low: int, high: int, unit: str) -> Field:
    return Field(name, "size", low=low, high=high, unit=unit)


def year(name: str, low: int, high: int) -> Field:
    return Field(name, "year", low=low, high=high)


def date(name: str, low: int, high: int) -> Field:
    return Field(name, "date", low=low, high=high)


def domain(
    noun: str, plural: str, first: str, second: str, fields: list[Field], hub: str, side: str, more: list[Field]
) -> Domain:
    return Domain(
        noun, plural, tuple(first.split("|")), tuple(second.split("|")), tuple(fields), hub, side, tuple(more)
    )
