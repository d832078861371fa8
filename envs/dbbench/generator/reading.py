"""Reading a generated question back, from its words and the tables' columns alone.

Whoever reads knows no domain: a noun counts as a table's when it matches the table's first column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from envs.dbbench.generator.intent import Condition, Intent, Kind, Op
from envs.dbbench.generator.patterns import (
    AMOUNT,
    COMPARISONS,
    CONDITIONS,
    FRAMES,
    NUMERALS,
    ORDINALS,
    SUPERLATIVES,
    TEMPLATES,
)
from envs.dbbench.generator.values import Hidden
from envs.dbbench.generator.wording import phrase, phrases


class _Unread(Exception):
    """The sentence does not fit this pattern."""


def _either(words: Sequence[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_WORDS = "[^⟦⟧,?]+?"
_NAME = r"⟦\d+⟧|[^\W_a-z][^⟦⟧,?]*?"  # a bare name starts with a capital or a digit
_STARTS = "|".join(first for first, _ in FRAMES) + "|named |called "
_SLOTS = {
    "noun": _WORDS,
    "plural": _WORDS,
    "table": r"⟦\d+⟧",
    "target": _WORDS,
    "measure": _WORDS,
    "column": _WORDS,
    "conds": rf"(?:{_STARTS}|⟦|[^\W_a-z]).*?",
    "a": _NAME,
    "b": _NAME,
    "most": _either([*SUPERLATIVES[True], *SUPERLATIVES[False]]),
    "more": _either([*COMPARISONS[True], *COMPARISONS[False]]),
    "nth": _either([*ORDINALS.values()]),
    "n": _either([*NUMERALS.values()]),
    "settings": ".+?",
    "cells": ".+?",
    "cell": ".+?",
}
_VERBS: dict[str, Op] = {verb: op for op, verbs in CONDITIONS.items() for verb in verbs}
_CONDITION = re.compile(rf"({_WORDS}) ({_either([*_VERBS])})(?: (.+))?")
_SETTING = re.compile(r"(.+?)(?: =|:| to)? (⟦\d+⟧|\d+)")
_PLACES = {word: place for place, word in ORDINALS.items()}
_SIZES = {word: size for size, word in NUMERALS.items()}


def _compiled(template: str) -> re.Pattern[str]:
    pattern = re.sub(r"\\\{(\w+)\\\}", lambda slot: f"(?P<{slot[1]}>{_SLOTS[slot[1]]})", re.escape(template))
    return re.compile(pattern)


_PATTERNS = [(kind, _compiled(text)) for kind, texts in TEMPLATES.items() for text in texts]


def understand(question: str, columns: Mapping[str, Sequence[str]]) -> Intent | None:
    """What a question asks of tables with these columns, or None if it is none of the known sentences."""
    hidden = Hidden(question.strip())
    for kind, pattern in _PATTERNS:
        match = pattern.fullmatch(hidden.text)
        for table in columns if match else ():
            try:
                return _Reader(hidden, table, columns).intent(kind, match.groupdict())  # type: ignore[union-attr]
            except _Unread:
                continue
    return None


class _Reader:
    """Reads one matched sentence as a question about one table."""

    def __init__(self, hidden: Hidden, table: str, columns: Mapping[str, Sequence[str]]) -> None:
        self.hidden, self.table = hidden, table
        self.own = list(columns[table])
        self.called = phrases(columns, table)

    def intent(self, kind: Kind, slots: Mapping[str, str]) -> Intent:
        self._check_subject(slots)
        target = self.column(slots["target"]) if "target" in slots else ""
        conditions = self.conditions(slots["conds"]) if "conds" in slots else ()
        names = tuple(self.hidden.cell(slots[slot]) for slot in ("a", "b") if slot in slots)
        if kind == "list" and names:
            if target == self.own[0]:
                raise _Unread
            conditions, names = (Condition(self.own[0], "is", names),), ()
        if kind in ("list", "rank"):
            target = target or self.own[0]
        return Intent(
            kind=kind,
            table=self.table,
            target=target,
            measure=self.column(slots["measure"]) if "measure" in slots else "",
            descending=slots.get("most") not in SUPERLATIVES[False] and slots.get("more") not in COMPARISONS[False],
            place=_PLACES.get(slots.get("nth", ""), 1),
            size=_SIZES.get(slots.get("n", ""), 1),
            names=names,
            conditions=conditions,
            settings=self.settings(slots),
        )

    def _check_subject(self, slots: Mapping[str, str]) -> None:
        key = phrase(self.own[0]).removesuffix(" name")
        for noun in (slots[slot] for slot in ("noun", "plural") if slot in slots):
            # "counties" and "county" share all but the ending
            if len(key) < 3 or not noun.startswith(key[: max(3, len(key) - 2)]):
                raise _Unread
        if "table" in slots and self.hidden.cell(slots["table"]) != self.table:
            raise _Unread

    def column(self, words: str) -> str:
        try:
            return self.called[words.replace(AMOUNT, "")]
        except KeyError:
            raise _Unread from None

    def conditions(self, text: str) -> tuple[Condition, ...]:
        for first, further in FRAMES:
            if text.startswith(first):
                return tuple(map(self.condition, text.removeprefix(first).split(further)))
        name = self.hidden.cell(text.removeprefix("named ").removeprefix("called "))
        return (Condition(self.own[0], "is", (name,)),)

    def condition(self, text: str) -> Condition:
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise _Unread
        op = _VERBS[match[2]]
        values = (match[3] or "").split(" and ") if op == "between" else [match[3]] if match[3] else []
        if len(values) != {"between": 2, "missing": 0, "known": 0}.get(op, 1):
            raise _Unread
        return Condition(self.column(match[1]), op, tuple(map(self.hidden.value, values)))

    def settings(self, slots: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        if "cell" in slots:
            return ((self.column(slots["column"]), self.hidden.cell(slots["cell"])),)
        if "cells" in slots:
            cells = slots["cells"].split(", ")
            if len(cells) != len(self.own):
                raise _Unread
            return tuple((column, self.hidden.cell(cell)) for column, cell in zip(self.own, cells, strict=True))
        if "settings" in slots:
            return tuple(map(self.setting, re.split(", | and (?=[^,]*$)", slots["settings"])))
        return ()

    def setting(self, text: str) -> tuple[str, str]:
        match = _SETTING.fullmatch(text)
        if match is None:
            raise _Unread
        return self.column(match[1]), self.hidden.cell(match[2])
