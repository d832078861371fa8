"""The order of ties: the server's filesort is the C++ library's sort, which is not stable.

Rows with equal keys come in an order that only the algorithm explains: `std::nth_element` when there is a LIMIT,
`std::sort` up to 100 rows, `std::stable_sort` beyond (sql/filesort_utils.cc; libstdc++'s introselect and introsort:
median of three into the first place, unguarded partition, insertion sort at the end). With one key for all rows
nothing moves. Agents ask for the largest of something with LIMIT 1, so ties are common and the choice is visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any

_SMALL = 16  # libstdc++'s threshold for insertion sort
_STABLE_BEYOND = 100
_MOST = 5000


@dataclass(frozen=True, slots=True)
class Sorting:
    """How to order rows whose last `len(descending)` cells are the keys, and which of them to keep."""

    descending: tuple[bool, ...]
    limit: int | None
    offset: int

    def apply(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The rows in MySQL's order, without their keys."""
        width = len(self.descending)
        return [rows[i][:-width] for i in self.places([row[-width:] for row in rows])]

    def places(self, keys: list[tuple[Any, ...]]) -> list[int]:
        """Which of the rows with these keys are kept, by their places, in MySQL's order."""
        end = len(keys) if self.limit is None else min(self.offset + self.limit, len(keys))
        return _order(_ranks(keys, self.descending), end)[self.offset : end]


def _ranks(keys: list[tuple[Any, ...]], descending: tuple[bool, ...]) -> list[int]:
    """One integer a row, in the order of the keys: NULL first, then numbers, then texts."""

    def compare(left: tuple[Any, ...], right: tuple[Any, ...]) -> int:
        for a, b, down in zip(left, right, descending, strict=True):
            if a != b:
                less = _class(a) < _class(b) if _class(a) != _class(b) else a < b
                return 1 if less == down else -1
        return 0

    places = {key: i for i, key in enumerate(sorted(set(keys), key=cmp_to_key(compare)))}
    return [places[key] for key in keys]


def _class(cell: Any) -> int:
    return 0 if cell is None else 2 if isinstance(cell, str) else 1


def _order(ranks: list[int], end: int) -> list[int]:
    count = len(ranks)
    order = list(range(count))
    if len(set(ranks)) <= 1 or end == 0:
        return order
    if count > _MOST or (end == count and count > _STABLE_BEYOND):
        return sorted(order, key=ranks.__getitem__)
    if end < count:
        _select(order, ranks, end - 1)
        _introsort(order, ranks, 0, end)
    else:
        _introsort(order, ranks, 0, count)
    return order


def _median_to_first(order: list[int], ranks: list[int], first: int, last: int) -> None:
    a, b, c = first + 1, first + (last - first) // 2, last - 1
    ra, rb, rc = ranks[order[a]], ranks[order[b]], ranks[order[c]]
    rising = b if rb < rc else c if ra < rc else a
    falling = a if ra < rc else c if rb < rc else b
    middle = rising if ra < rb else falling
    order[first], order[middle] = order[middle], order[first]


def _partition(order: list[int], ranks: list[int], first: int, last: int) -> int:
    """The cut behind which nothing ranks below the pivot, which is in the first place."""
    pivot = ranks[order[first]]
    left, right = first + 1, last
    while True:
        while ranks[order[left]] < pivot:
            left += 1
        right -= 1
        while pivot < ranks[order[right]]:
            right -= 1
        if left >= right:
            return left
        order[left], order[right] = order[right], order[left]
        left += 1


def _insertion_sort(order: list[int], ranks: list[int], first: int, last: int) -> None:
    order[first:last] = sorted(order[first:last], key=ranks.__getitem__)  # stable, as insertion is


def _select(order: list[int], ranks: list[int], nth: int) -> None:
    first, last = 0, len(order)
    while last - first > 3:
        _median_to_first(order, ranks, first, last)
        cut = _partition(order, ranks, first, last)
        if cut <= nth:
            first = cut
        else:
            last = cut
    _insertion_sort(order, ranks, first, last)


def _introsort(order: list[int], ranks: list[int], first: int, last: int) -> None:
    begin, end = first, last
    pending = [(first, last)]
    while pending:
        first, last = pending.pop()
        while last - first > _SMALL:
            _median_to_first(order, ranks, first, last)
            cut = _partition(order, ranks, first, last)
            pending.append((cut, last))
            last = cut
    _insertion_sort(order, ranks, begin, end)
