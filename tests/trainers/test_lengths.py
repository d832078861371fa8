"""Every row once, passes of like length, and another order in every epoch that follows from the seed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainers.lengths import LikeLengths


@given(st.lists(st.integers(1, 50), max_size=80), st.integers(1, 9), st.integers(0, 3))
def test_every_row_comes_once_and_the_seed_says_when(lengths: list[int], update: int, epoch: int) -> None:
    order, again = LikeLengths(lengths, update, 5), LikeLengths(lengths, update, 5)
    order.set_epoch(epoch)
    again.set_epoch(epoch)
    assert sorted(order) == list(range(len(lengths)))
    assert list(order) == list(again)
    rows = [lengths[row] for row in order]
    assert all(rows[n : n + update] == sorted(rows[n : n + update], reverse=True) for n in range(0, len(rows), update))


def test_padding_is_below_a_tenth_where_by_chance_it_would_be_a_half() -> None:
    lengths = [1 + (37 * number) % 200 for number in range(160)]

    def padded(order: list[int], size: int) -> float:
        batches = [[lengths[row] for row in order[first : first + size]] for first in range(0, 160, size)]
        return sum(len(batch) * max(batch) for batch in batches) / sum(lengths) - 1

    for size in (2, 4, 8):
        assert padded(list(LikeLengths(lengths, 16, 0)), size) < 0.1
    assert padded(list(range(160)), 8) > 0.5


def test_an_update_holds_short_rows_and_long_ones() -> None:
    order = list(LikeLengths(range(1, 321), 16, 0))
    updates = [order[first : first + 16] for first in range(0, 320, 16)]
    assert sum(max(update) - min(update) > 40 for update in updates) > 10


def test_halves_are_shuffled_anew_in_every_epoch_but_the_one_that_is_not_full() -> None:
    order = LikeLengths(range(1, 36), 16, 0)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    assert first != second
    assert sorted(first[32:]) == sorted(second[32:]) == [0, 1, 2]
