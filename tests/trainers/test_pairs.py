"""Pairs are of one task, never a tie, and each side's mask is on what the model said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout import Trajectory
from tests.trainers.episodes import append_only, episode, failed, step
from trainers.pairs import preference_pairs


def two_turns(sample: int, score: float, first: list[int], second: list[int], *, shown: int = 5) -> Trajectory:
    return episode("t", sample, score, step([1, 2], first), step([shown], second))


GOOD = two_turns(0, 1.0, [3, 7], [4, 7])
BAD = two_turns(1, 0.0, [3, 7], [6, 6, 7])


def test_a_pair_by_hand() -> None:
    (row,) = preference_pairs([BAD, GOOD]).rows
    assert row == {
        "prompt_ids": [1, 2],
        "chosen_ids": [3, 7, 5, 4, 7],
        "rejected_ids": [3, 7, 5, 6, 6, 7],
        "chosen_mask": [1, 1, 0, 1, 1],
        "rejected_mask": [1, 1, 0, 1, 1, 1],
        "chosen_trajectory": "t#0",
        "rejected_trajectory": "t#1",
        "gap": 1.0,
    }


def test_a_pair_at_the_first_diverging_turn_by_hand() -> None:
    (row,) = preference_pairs([BAD, GOOD], diverging=True).rows
    assert row["prompt_ids"] == [1, 2, 3, 7, 5]
    assert (row["chosen_ids"], row["rejected_ids"]) == ([4, 7], [6, 6, 7])
    assert (row["chosen_mask"], row["rejected_mask"]) == ([1, 1], [1, 1, 1])


def test_turns_with_a_window_are_paired_where_they_diverge_but_not_as_episodes() -> None:
    shown = [([1], [2, 7]), ([1, 9], [3, 7])], [([1], [2, 7]), ([1, 9], [4, 7])]
    sides = [episode("t", i, float(not i), *(step(*turn) for turn in turns), window=0) for i, turns in enumerate(shown)]
    (row,) = preference_pairs(sides, diverging=True).rows
    assert (row["prompt_ids"], row["chosen_ids"], row["rejected_ids"]) == ([1, 9], [3, 7], [4, 7])
    assert preference_pairs(sides).left_out == {"its window makes it several rows": 2}


@pytest.mark.parametrize(
    ("other", "diverging", "why"),
    [
        (replace(GOOD, sample=1, id="t#1"), False, "no partner of another score"),
        (replace(GOOD, sample=1, id="t#1", score=0.95), False, "no partner of another score"),
        (replace(GOOD, sample=1, id="t#1", score=0.0), False, "the same replies as its partner"),
        (replace(GOOD, sample=1, id="t#1", score=0.0), True, "the same replies as its partner"),
        (
            two_turns(1, 0.0, [3, 7], [4, 7], shown=6),
            True,
            "was answered otherwise than its partner before they differed",
        ),
        (episode("t", 1, 0.0, step([9], [3, 7])), False, "opened in other words than its partner"),
    ],
)
def test_what_cannot_be_paired_is_left_out_by_its_reason(other: Trajectory, diverging: bool, why: str) -> None:
    pairs = preference_pairs([GOOD, other], diverging=diverging)
    assert (pairs.rows, pairs.left_out) == ([], {why: 2})


def test_equal_scores_are_no_pair_even_if_no_gap_is_asked_for() -> None:
    assert not preference_pairs([GOOD, replace(BAD, score=1.0)], min_gap=0.0).rows


def test_failures_episodes_without_tokens_and_the_odd_one_out_are_counted() -> None:
    several = [GOOD, failed("t", 5), episode("t", 6, 0.5), episode("u", 0, 1.0, step([1], [7]))]
    assert preference_pairs(several).left_out == {
        "failed outside the model or cancelled": 1,
        "without tokens": 1,
        "no partner of another score": 2,
    }


def test_the_best_meets_the_worst() -> None:
    several = [episode("t", i, score, step([1], [i, 7])) for i, score in enumerate([0.2, 1.0, 0.0, 0.6, 0.5])]
    rows = preference_pairs(several).rows
    assert [(row["chosen_trajectory"], row["rejected_trajectory"]) for row in rows] == [("t#1", "t#2"), ("t#3", "t#0")]


def test_the_cap_cuts_answers_and_counts_what_it_takes() -> None:
    pairs = preference_pairs([GOOD, BAD], max_length=6)
    (row,) = pairs.rows
    assert (row["chosen_ids"], row["rejected_ids"]) == ([3, 7, 5, 4], [3, 7, 5, 6])
    assert (pairs.cut_rows, pairs.cut_tokens) == (2, 3)
    assert preference_pairs([GOOD, BAD], max_length=2).left_out == {"its prompt leaves no room": 2}
    assert preference_pairs([GOOD, BAD], max_length=7, diverging=True).left_out == {"its prompt leaves no room": 2}


@given(st.lists(st.tuples(append_only(), st.integers(0, 3)), max_size=8), st.booleans(), st.randoms())
def test_no_episode_stands_in_two_pairs_and_the_order_is_no_matter(
    made: list[tuple[Trajectory, int]], diverging: bool, random: object
) -> None:
    several = [
        replace(one, id=f"t{number % 2}#{number}", task=f"t{number % 2}", score=float(score))
        for number, (one, score) in enumerate(made)
    ]
    pairs = preference_pairs(several, diverging=diverging)
    used = [row[side] for row in pairs.rows for side in ("chosen_trajectory", "rejected_trajectory")]
    assert len(set(used)) == len(used)
    assert len(used) + pairs.left_out.total() == len(several)
    assert all(row["gap"] > 0 for row in pairs.rows)
    for row in pairs.rows:
        assert len(row["chosen_ids"]) == len(row["chosen_mask"])
        assert row["chosen_trajectory"].split("#")[0] == row["rejected_trajectory"].split("#")[0]
        assert row["chosen_ids"] != row["rejected_ids"]
    random.shuffle(several)  # type: ignore[attr-defined]
    key = lambda row: row["chosen_trajectory"]  # noqa: E731
    assert sorted(preference_pairs(several, diverging=diverging).rows, key=key) == sorted(pairs.rows, key=key)
