"""Every row once, neighbours of like length, and another order in every epoch that follows from the seed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainers.lengths import LikeLengths


@given(st.lists(st.integers(1, 50), max_size=80), st.integers(1, 9), st.integers(0, 3))
def test_every_row_comes_once_and_the_seed_says_when(lengths: list[int], batch: int, epoch: int) -> None:
    order, again = LikeLengths(lengths, batch, 5), LikeLengths(lengths, batch, 5)
    order.set_epoch(epoch)
    again.set_epoch(epoch)
    assert sorted(order) == list(range(len(lengths)))
    assert list(order) == list(again)


def test_padding_is_below_a_tenth_where_by_chance_it_would_be_a_half() -> None:
    lengths = [1 + (37 * number) % 200 for number in range(160)]

    def padded(order: list[int]) -> float:
        batches = [[lengths[row] for row in order[first : first + 8]] for first in range(0, 160, 8)]
        return sum(len(batch) * max(batch) for batch in batches) / sum(lengths) - 1

    assert padded(list(LikeLengths(lengths, 8, 0))) < 0.1
    assert padded(list(range(160))) > 0.5


def test_batches_are_shuffled_anew_in_every_epoch_but_the_one_that_is_not_full() -> None:
    order = LikeLengths(range(1, 36), 8, 0)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    assert first != second
    assert sorted(first[32:]) == sorted(second[32:]) == [0, 1, 2]
