"""The keys and values that are kept, and where the tokens of a forward pass stand in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

FIRST_LENGTH = 256
"""Tokens of room in a new cache; doubled as the longest row needs."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one row adds in a forward pass: `ids`, of which the first stands at `start` in slot `slot`."""

    slot: int
    start: int
    ids: Sequence[int]

    @property
    def end(self) -> int:
        return self.start + len(self.ids)


class Layout:
    """Where the tokens of a forward pass stand, and what each may look at.

    Args:
        chunks: one a row, those with one token first.
        device: the model's.

    Attributes:
        ids, positions, slots: (N,) for the N tokens laid end to end.
        last: (R,) for the R rows, the place of each row's last token among the N.
    """

    def __init__(self, cache: Cache, chunks: Sequence[Chunk], device: torch.device) -> None:
        self.cache, self.chunks = cache, chunks
        ends = list(accumulate(len(chunk.ids) for chunk in chunks))
        self.spans = [(end - len(chunk.ids), end) for chunk, end in zip(chunks, ends, strict=True)]
        place = [(chunk.slot, position) for chunk in chunks for position in range(chunk.start, chunk.end)]
        self.ids = torch.tensor([token for chunk in chunks for token in chunk.ids], device=device)
        self.slots, self.positions = torch.tensor(place, device=device).T
        self.last = torch.tensor(ends, device=device) - 1
        self._masks: dict[tuple[object, ...], Any] = {}

    def cached(self, key: tuple[object, ...], build: Callable[[], Any]) -> Any:
        """Masks and indices are the same in every layer: build them in the first."""
        if key not in self._masks:
            self._masks[key] = build()
        return self._masks[key]


class Cache:
    """The keys and values of all slots: for each layer two tensors (slots, key-value heads, length, head size).

    They are made when a layer first writes, so that nothing need be known of the architecture, and grow together.

    Args:
        slots: how many rows.
        max_length: the most tokens of one row.
    """

    def __init__(self, slots: int, max_length: int) -> None:
        self.slots, self.max_length = slots, max_length
        self.layers: dict[int, list[Tensor]] = {}
        self._length = 0
        self._version = 0

    def renew(self, version: int) -> None:
        """Drop what other weights have written: were it NaN, it would spoil rows that mask it, as NaN times zero."""
        if version != self._version:
            self.clear()
            self._version = version

    def clear(self) -> None:
        """Drop everything, and the memory with it."""
        self.layers.clear()
        self._length = 0

    def reserve(self, length: int) -> None:
        """Make room for rows of `length` tokens."""
        if length <= self._length:
            return
        self._length = min(self.max_length, max(FIRST_LENGTH, 2 * self._length, length))
        for pair in self.layers.values():
            # One tensor at a time, so that old and new are never there together for the whole model.
            for which, old in enumerate(pair):
                new = old.new_zeros((*old.shape[:2], self._length, old.shape[3]))
                new[:, :, : old.shape[2]].copy_(old)
                pair[which] = new

    def copy(self, source: int, target: int, tokens: int) -> None:
        """Let a slot begin with the first `tokens` of another."""
        for pair in self.layers.values():
            for tensor in pair:
                tensor[target, :, :tokens].copy_(tensor[source, :, :tokens])

    def write(self, layer: int, keys: Tensor, values: Tensor, layout: Layout) -> list[Tensor]:
        """Put a layer's new keys and values, each (1, key-value heads, N, head size), into their slots."""
        if layer not in self.layers:
            shapes = [(self.slots, new.shape[1], self._length, new.shape[3]) for new in (keys, values)]
            self.layers[layer] = [new.new_zeros(shape) for new, shape in zip((keys, values), shapes, strict=True)]
        pair = self.layers[layer]
        for tensor, new in zip(pair, (keys, values), strict=True):
            tensor[layout.slots, :, layout.positions] = new[0].transpose(0, 1)
        return pair

    def bytes_per_token(self) -> int:
        """Of one token in all layers that have written."""
        return sum(t.shape[1] * t.shape[3] * t.element_size() for pair in self.layers.values() for t in pair)
