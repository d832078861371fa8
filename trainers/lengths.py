"""An order of rows by which forward passes hold rows of like length: what is padded is computed for nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from torch.utils.data import Sampler

_POOL = 16
"""Half updates that are sorted by length together, so that each is still of many tasks."""


class LikeLengths(Sampler[int]):
    """An order in which every `update` rows that follow one another are one update, sorted by length.

    An update is two halves, each of rows of like length, drawn at random from all halves: short rows and long ones are
    learned together, and forward passes of half an update or less pad little. Which rows an update holds does not
    depend on how many go through the model at once.

    The order is another in every epoch and follows from the seed, so that a resumed run sees the same.

    Args:
        lengths: tokens, one a row.
        update: rows of one update of the weights.
        seed: of the order.
    """

    def __init__(self, lengths: Sequence[int], update: int, seed: int) -> None:
        self.lengths = lengths
        self.update = update
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Draw another order; accelerate calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        draw = random.Random(f"{self.seed} {self.epoch}")
        rows = draw.sample(range(len(self.lengths)), len(self.lengths))
        half = -(-self.update // 2)
        pool = half * _POOL
        ordered = [row for first in range(0, len(rows), pool) for row in self._sorted(rows[first : first + pool])]
        whole = len(rows) - len(rows) % half
        halves = [ordered[first : first + half] for first in range(0, whole, half)]
        draw.shuffle(halves)
        # Rows that fill no half come last, or they would shift all that follow.
        shuffled = [*(row for part in halves for row in part), *ordered[whole:]]
        updates = (shuffled[first : first + self.update] for first in range(0, len(shuffled), self.update))
        return iter([row for update in updates for row in self._sorted(update)])

    def _sorted(self, rows: Sequence[int]) -> list[int]:
        return sorted(rows, key=lambda row: -self.lengths[row])
