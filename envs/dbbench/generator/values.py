"""Values inside a question: quoted or bare, numbers with their signs, dates in words."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from random import Random

from envs.dbbench.generator.domains import Kind
from envs.dbbench.generator.intent import Value

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

_QUOTED = re.compile(r"(?<!\w)(['\"`])(.+?)\1(?!\w)")
_HIDDEN = re.compile(r"⟦(\d+)⟧")
_NUMBER = re.compile(r"\$?(-?\d[\d,]*(?:\.\d+)?)(?:%| percent| [a-z]+\d?)?")
_ISO = re.compile(r"\d{4}-\d\d-\d\d")
_IN_WORDS = re.compile(rf"(\d{{1,2}}) ({'|'.join(MONTHS)}) (\d{{4}})")
_BARE = re.compile(r"[^\W_][^,?'\"`:;=]*(?<![.\s])")


class Hidden:
    """A question whose quoted parts are hidden behind tokens, so that nothing in them can look like grammar."""

    def __init__(self, question: str) -> None:
        self.parts: list[str] = []
        self.text = _QUOTED.sub(self._hide, question)

    def _hide(self, match: re.Match[str]) -> str:
        self.parts.append(match[2])
        return f"⟦{len(self.parts) - 1}⟧"

    def cell(self, text: str) -> str:
        """The text that a token or a bare word stands for."""
        match = _HIDDEN.fullmatch(text)
        return self.parts[int(match[1])] if match else text

    def value(self, text: str) -> Value:
        """A bare number or date as what it is; everything quoted is text."""
        if _HIDDEN.fullmatch(text):
            return self.cell(text)
        if match := _NUMBER.fullmatch(text):
            return Decimal(match[1].replace(",", ""))
        if _ISO.fullmatch(text):
            return date.fromisoformat(text)
        if match := _IN_WORDS.fullmatch(text):
            return date(int(match[3]), MONTHS.index(match[2]) + 1, int(match[1]))
        return text


def quoted(text: str, rng: Random) -> str:
    """The text in quotes that do not occur in it."""
    return f'"{text}"' if "'" in text or rng.random() < 0.4 else f"'{text}'"


def named(text: str, rng: Random) -> str:
    """A text value, now and then without quotes."""
    return text if rng.random() < 0.4 and _BARE.fullmatch(text) and text[0].isupper() else quoted(text, rng)


def shown(value: Value, kind: Kind, unit: str, rng: Random) -> str:
    """A value of a condition as people write it."""
    if isinstance(value, str):
        return named(value, rng)
    if isinstance(value, date):
        iso = value.isoformat()
        return iso if rng.random() < 0.5 else f"{value.day} {MONTHS[value.month - 1]} {value.year}"
    text = f"{value:,f}" if kind in ("count", "money", "size") and rng.random() < 0.5 else f"{value:f}"
    forms = {"percent": (f"{text}%", f"{text} percent"), "money": (f"${text}", text), "size": (f"{text} {unit}", text)}
    return rng.choice(forms.get(kind, (text,)))
