"""Random choices that are the same on every machine and in every version of Python."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A seeded source of choices.

    Only `random.Random.random` is promised to stay as it is from version to version, so everything here is made of it
    alone. A seed is a string: its SHA-512 is the state, and hash randomisation has no say.
    """

    def __init__(self, seed: str) -> None:
        self.uniform = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        return self.uniform() < probability

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.uniform() * len(options))]

    def weighted(self, weights: Mapping[T, float]) -> T:
        """One of the keys; their order is part of the outcome."""
        left = self.uniform() * sum(weights.values())
        option = None
        for option, weight in weights.items():
            left -= weight
            if left < 0:
                return option
        if option is None:
            raise ValueError("there is nothing to choose from")
        return option

    def skewed(self, least: int, most: int, mean: float) -> int:
        """A whole number from `least` to `most`, with about this mean: a power of a uniform number."""
        width = most - least + 1
        return least + int(width * self.uniform() ** (width / (mean - least + 0.5) - 1))

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in a random order (Fisher and Yates)."""
        mixed = list(items)
        for last in range(len(mixed) - 1, 0, -1):
            other = int(self.uniform() * (last + 1))
            mixed[last], mixed[other] = mixed[other], mixed[last]
        return mixed
