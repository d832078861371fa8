"""Which episodes' key-value caches are kept, and where: the bookkeeping, without a tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

WORTH_COPYING = 16
"""Tokens. Below this, another slot's prefix is not worth a copy."""


@dataclass(eq=False, slots=True)
class Slot:
    """One row of the cache.

    Attributes:
        index: of the row.
        ids: the tokens whose keys and values lie in it, in order.
        episode: whose they are; None once nobody will come back for them.
        busy: whether a request is working in it.
        used: when it was last given back, by a counter.
    """

    index: int
    ids: list[int] = field(default_factory=list)
    episode: str | None = None
    busy: bool = False
    used: int = 0


class Slots:
    """A fixed number of slots, lent to requests and kept for their episodes in between.

    Args:
        count: how many.
        copy: called as `copy(source, target, tokens)` when a slot begins with what another one holds; calls must take
            effect in their order, and before the target is read.
    """

    def __init__(self, count: int, copy: Callable[[int, int, int], None]) -> None:
        self._slots = [Slot(index) for index in range(count)]
        self._copy = copy
        self._clock = 0

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    @property
    def full(self) -> bool:
        """Whether all are at work."""
        return all(slot.busy for slot in self._slots)

    def best_prefix(self, episode: str, ids: Sequence[int]) -> tuple[Slot, int]:
        """The slot that holds most of a prompt's beginning, and how many tokens; the episode's own if there is a tie.

        At least one token is always left to compute: its logits are what the prompt is for.
        """
        own = self._own(episode)
        if own is not None and 0 < len(own.ids) < len(ids) and own.ids == list(ids[: len(own.ids)]):
            return own, len(own.ids)
        ranked = ((min(common_prefix(slot.ids, ids), len(ids) - 1), slot is own, -slot.index) for slot in self._slots)
        length, _, index = max(ranked)
        return self._slots[-index], length

    def lend(self, episode: str, ids: Sequence[int], source: Slot, length: int) -> Slot:
        """A slot that begins with the first `length` of `ids`, which `source` holds; not to be called while `full`.

        An idle slot of the same episode is used again, else one that nobody will come back for, else the one idle for
        longest: its episode will have to compute its prompt anew.
        """
        idle = (slot for slot in self._slots if not slot.busy)
        own = self._own(episode)
        slot = own or min(idle, key=lambda slot: (slot.episode is not None, slot is source, slot.used))
        if slot is not source and own is not None and length < common_prefix(slot.ids, ids) + WORTH_COPYING:
            length = min(common_prefix(slot.ids, ids), len(ids) - 1)
        elif slot is not source:
            length = length if length >= WORTH_COPYING else 0
            if length:
                self._copy(source.index, slot.index, length)
        slot.ids, slot.episode, slot.busy = list(ids[:length]), episode, True
        return slot

    def give_back(self, slot: Slot) -> None:
        """End a request's work; what lies in the slot is kept."""
        self._clock += 1
        slot.busy, slot.used = False, self._clock

    def release(self, episode: str) -> None:
        """Nobody will come back for this episode. Its tokens stay until the slot is needed: others may share them."""
        for slot in self._slots:
            if slot.episode == episode:
                slot.episode = None

    def forget(self) -> None:
        """Everything kept has become wrong: the weights have changed."""
        for slot in self._slots:
            slot.ids = []

    def _own(self, episode: str) -> Slot | None:
        return next((slot for slot in self._slots if slot.episode == episode and not slot.busy), None)


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """The length of the longest common prefix; by bisection, since comparing slices is a hundred times faster."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if list(a[low:middle]) == list(b[low:middle]):
            low = middle
        else:
            high = middle - 1
    return low
