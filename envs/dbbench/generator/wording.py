"""Wording an intent: many sentences for one meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from envs.dbbench.generator.domains import Field
from envs.dbbench.generator.intent import Condition, Intent
from envs.dbbench.generator.patterns import (
    AMOUNT,
    COMPARISONS,
    CONDITIONS,
    FRAMES,
    NUMERALS,
    ORDINALS,
    SUPERLATIVES,
    TEMPLATES,
    TEMPORAL,
)
from envs.dbbench.generator.values import named, quoted, shown


def phrase(column: str) -> str:
    """A column's name in words: `Opening Year` and `opening_year` are both "opening year"."""
    return column.replace("_", " ").lower()


def phrases(columns: Mapping[str, Sequence[str]], table: str) -> dict[str, str]:
    """How the columns are called in questions about a table; another table's are said to be the link's.

    Returns:
        phrase -> column, such as "city" -> "City" and "city's country" -> "Country".
    """
    own = {phrase(column): column for column in columns[table]}
    for other, names in columns.items():
        links = [column for column in names if other != table and column in columns[table]]
        for link in links[:1]:
            own |= {f"{phrase(link)}'s {phrase(column)}": column for column in names if column != link}
    return own


@dataclass(frozen=True)
class Speaker:
    """Words intents about one set of tables.

    Attributes:
        noun, plural: what a row of the main table is.
        columns: each table's columns.
        fields: each column's vocabulary.
    """

    noun: str
    plural: str
    columns: Mapping[str, Sequence[str]]
    fields: Mapping[str, Field]

    def ask(self, intent: Intent, rng: Random, *, single: bool) -> str:
        """A sentence that asks for the intent, or "" where no pattern says all of it.

        Now and then a sentence does not read back as what was meant: the caller checks, and draws again.

        Args:
            single: whether one row alone meets the conditions, so that one may say "the bakery whose".
        """
        patterns = [text for text in TEMPLATES[intent.kind] if _fits(text, intent, self.columns[intent.table], single)]
        if not patterns:
            return ""
        plain = {column: text for text, column in phrases(self.columns, intent.table).items()}
        said = {column: self._amount(column, text) for column, text in plain.items()}
        template = rng.choice(patterns)
        temporal = intent.measure != "" and self.fields[intent.measure].kind in ("year", "date")
        slots = {
            "noun": self.noun,
            "plural": self.plural,
            "table": f"{quote}{intent.table}{quote}" if (quote := rng.choice("'\"`")) else "",
            "target": said.get(intent.target, ""),
            "measure": said.get(intent.measure, ""),
            "most": _degree(SUPERLATIVES[intent.descending], temporal, rng),
            "more": _degree(COMPARISONS[intent.descending], temporal, rng),
            "nth": ORDINALS.get(intent.place, ""),
            "n": NUMERALS.get(intent.size, ""),
        }
        if "{conds}" in template:
            slots["conds"] = self._conditions(intent, said, rng)
        names = intent.names or tuple(str(value) for condition in intent.conditions for value in condition.values)
        slots |= dict(zip("ab", (named(name, rng) for name in names), strict=False))
        if intent.settings:
            slots |= {"column": said[intent.settings[0][0]], **_settings(intent, plain, rng)}
        return template.format(**slots)

    def _amount(self, column: str, text: str) -> str:
        words = text.split("'s ")[-1].split()
        plural = any(word.endswith("s") and not word.endswith("ss") for word in (words[0], words[-1]))
        if self.fields[column].kind != "count" or not plural:
            return text
        owner = text[: len(text) - len(" ".join(words))]
        return owner + AMOUNT + " ".join(words)

    def _conditions(self, intent: Intent, said: Mapping[str, str], rng: Random) -> str:
        if _by_name(intent, self.columns[intent.table][0]):
            return rng.choice(("", "", "named ", "called ")) + named(str(intent.conditions[0].values[0]), rng)
        first, further = rng.choice(FRAMES)
        return first + further.join(self._condition(condition, said, rng) for condition in intent.conditions)

    def _condition(self, condition: Condition, said: Mapping[str, str], rng: Random) -> str:
        field = self.fields[condition.column]
        values = " and ".join(shown(value, field.kind, field.unit, rng) for value in condition.values)
        return f"{said[condition.column]} {rng.choice(CONDITIONS[condition.op])} {values}".rstrip()


def _by_name(intent: Intent, key: str) -> bool:
    return len(intent.conditions) == 1 and intent.conditions[0].column == key and intent.conditions[0].op == "is"


def _fits(template: str, intent: Intent, columns: Sequence[str], single: bool) -> bool:
    """Whether a sentence can say all of the intent, and nothing that is not in it."""
    key = columns[0]
    direct = _by_name(intent, key)
    if intent.kind == "list" and "{a}" in template:
        return direct and intent.target != key
    definite = "the {noun} {conds}" in template
    if definite < direct or definite > single:
        return False
    return (
        ("{conds}" in template) == bool(intent.conditions)
        and ("{target}" in template) == (intent.target not in ("", key))
        and ("{nth}" in template) == (intent.place > 1)
        and ("{n}" in template) == (intent.size > 1)
        and ("{cell}" not in template or len(intent.settings) == 1)
        and ("{cells}" not in template or len(intent.settings) == len(columns))
    )


def _degree(words: Sequence[str], temporal: bool, rng: Random) -> str:
    return rng.choice([word for word in words if (word in TEMPORAL) == temporal])


def _settings(intent: Intent, said: Mapping[str, str], rng: Random) -> dict[str, str]:
    cells = [cell if cell.isdigit() and rng.random() < 0.5 else quoted(cell, rng) for _, cell in intent.settings]
    link = " to " if intent.kind == "update" else rng.choice((" ", " = ", ": "))
    pairs = [f"{said[column]}{link}{cell}" for (column, _), cell in zip(intent.settings, cells, strict=True)]
    return {
        "cell": cells[0],
        "cells": ", ".join(cells),
        "settings": " and ".join((", ".join(pairs[:-1]), pairs[-1])) if len(pairs) > 1 else pairs[0],
    }
