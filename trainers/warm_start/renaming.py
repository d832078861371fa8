"""Other words for a domain of DB-Bench's generator: who meets no name twice learns to copy, and not to know.

Of the generator's few domains a model learns every word by heart, and then writes those words about the domains that
are held out, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random

from envs.dbbench.generator import patterns
from envs.dbbench.generator.domains import Domain, Field

_WORD = re.compile(r"[^\W\d_]+")
_SLOT = re.compile(r"\{\w+\}")


def words_of(domains: Iterable[Domain]) -> list[str]:
    """The words of these domains' names and values that are none of the questions' grammar, sorted."""
    found = {word for domain in domains for text in _texts(domain) for word in _WORD.findall(text)}
    return sorted(word for word in found if len(word) > 1 and word.lower() not in GRAMMAR)


def renamed(domain: Domain, words: Sequence[str], rng: Random) -> Domain:
    """The domain with every word exchanged for another, made of the beginning of one word and the end of another.

    Args:
        words: what the new words are made of.
    """
    other = _Words(words, rng)

    def field(old: Field) -> Field:
        return replace(old, name=other.text(old.name), pool=tuple(map(other.text, old.pool)))

    noun = other.text(domain.noun)
    return Domain(
        noun=noun,
        plural=f"{noun}s",
        first=tuple(map(other.text, domain.first)),
        second=tuple(map(other.text, domain.second)),
        fields=tuple(map(field, domain.fields)),
        hub=other.text(domain.hub),
        side=other.text(domain.side),
        side_fields=tuple(map(field, domain.side_fields)),
    )


class _Words:
    """A new word for every old one, the same each time, capital where the old one is."""

    def __init__(self, words: Sequence[str], rng: Random) -> None:
        self._words, self._rng = words, rng
        self._made: dict[str, str] = {}

    def text(self, text: str) -> str:
        return _WORD.sub(lambda match: self._word(match[0]), text)

    def _word(self, word: str) -> str:
        old = word.lower()
        if old in GRAMMAR:
            return word
        if old not in self._made:
            self._made[old] = next(new for new in self._spliced() if new not in {*GRAMMAR, *self._made.values()})
        new = self._made[old]
        return new.capitalize() if word[0].isupper() else new

    def _spliced(self) -> Iterator[str]:
        while True:
            first, second = self._rng.sample(self._words, 2)
            new = (first[: self._rng.randint(1, 4)] + second[-self._rng.randint(1, 5) :]).lower()
            if len(new) > 2:
                yield new


def _texts(domain: Domain) -> Iterator[str]:
    yield from (domain.noun, domain.plural, domain.side, *domain.first, *domain.second)
    for field in (*domain.fields, *domain.side_fields):
        yield from (field.name, *field.pool)


def _grammar() -> Iterator[str]:
    """What a question and a table's name are made of beside a domain's words."""
    for sentences in (*patterns.TEMPLATES.values(), *patterns.FRAMES, *patterns.CONDITIONS.values()):
        yield from sentences
    for degrees in (patterns.SUPERLATIVES, patterns.COMPARISONS):
        yield from (*degrees[True], *degrees[False])
    yield from (*patterns.ORDINALS.values(), *patterns.NUMERALS.values(), patterns.AMOUNT)
    yield from ("list of", "records", "name", "named", "called", "percent", "null")


GRAMMAR = frozenset(word.lower() for text in _grammar() for word in _WORD.findall(_SLOT.sub(" ", text)))
"""Words that keep their meaning, in lower case."""
