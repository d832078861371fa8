"""Batches of rows of like length: what is padded is computed for nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from torch.utils.data import Sampler

_POOL = 16
"""Batches that are sorted by length together, so that each is still of many tasks."""


class LikeLengths(Sampler[int]):
    """An order of rows in which every `batch` that follow one another are of like length, and batches are shuffled.

    The order is another in every epoch and follows from the seed, so that a resumed run sees the same.

    Args:
        lengths: tokens, one a row.
        batch: rows of one forward pass.
        seed: of the order.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self.lengths = lengths
        self.batch = batch
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
        pool = self.batch * _POOL
        ordered = [
            row
            for first in range(0, len(rows), pool)
            for row in sorted(rows[first : first + pool], key=lambda row: -self.lengths[row])
        ]
        whole = len(rows) - len(rows) % self.batch
        batches = [ordered[first : first + self.batch] for first in range(0, whole, self.batch)]
        draw.shuffle(batches)
        # A batch that is not full comes last, or it would shift all that follow.
        return iter([*(row for batch in batches for row in batch), *ordered[whole:]])
