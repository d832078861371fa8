"""The range of a number, declared beside the option: `tasks: Annotated[int, count()] = 16`."""

from __future__ import annotations

import math
import typing
from dataclasses import dataclass
from typing import Any

LARGEST = 1_000_000_000
"""A count above this is a slip of the finger."""


@dataclass(frozen=True, slots=True)
class Range:
    """The finite numbers between two bounds.

    Attributes:
        low, high: the bounds, both part of the range unless `above` or `below` is set.
        above: without `low` itself.
        below: without `high` itself.
        whole: integers only; what the type of the option says too.
    """

    low: float
    high: float
    above: bool = False
    below: bool = False
    whole: bool = False

    def __contains__(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        return (self.low < value if self.above else self.low <= value) and (
            value < self.high if self.below else value <= self.high
        )

    def __str__(self) -> str:
        kind = "an integer" if self.whole else "a number"
        first = f"above {self.low:g}, up to" if self.above else f"from {self.low:g} to"
        last = f"{self.high:,.0f}" if self.whole else f"{self.high:g}"
        return f"{kind} {first} {'below ' if self.below else ''}{last}"


def count(low: int = 1, high: int = LARGEST) -> Range:
    """Integers, from 1 on where nothing else is said."""
    return Range(low, high, whole=True)


SEED = count(0, 2**32 - 1)
"""What NumPy and torch both take."""

SHARE = Range(0, 1)
POSITIVE_SHARE = Range(0, 1, above=True)
SHARE_BELOW_1 = Range(0, 1, below=True)
TEMPERATURE = Range(0, 10)
POSITIVE_TEMPERATURE = Range(0, 10, above=True)
WEIGHT = Range(0, 1000)
"""Of a term of a loss or a penalty."""

CONTEXT = count(16, 2**24)
"""Tokens of an episode's context."""


def range_of(hint: Any) -> Range | None:
    """The range in a type hint, such as that of `Annotated[int, count()] | None`."""
    for part in (hint, *typing.get_args(hint)):
        for extra in getattr(part, "__metadata__", ()):
            if isinstance(extra, Range):
                return extra
    return None
