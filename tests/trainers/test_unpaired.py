"""A row an episode with its label; what has none is counted."""

from __future__ import annotations

from dataclasses import replace

from tests.trainers.episodes import cancelled, episode, failed, step
from trainers.unpaired import unpaired_rows

EPISODE = episode("t", 0, 1.0, step([1, 2], [3, 7]), step([5], [4, 7]))


def test_a_row_by_hand() -> None:
    (row,) = unpaired_rows([EPISODE]).rows
    assert row == {
        "prompt_ids": [1, 2],
        "completion_ids": [3, 7, 5, 4, 7],
        "completion_mask": [1, 1, 0, 1, 1],
        "label": True,
        "trajectory": "t#0",
    }


def test_labels_follow_success_or_the_score() -> None:
    several = [replace(EPISODE, id=f"t#{n}", sample=n, score=n / 4, success=n == 3) for n in range(4)]
    assert [row["label"] for row in unpaired_rows(several).rows] == [False, False, False, True]
    by_score = unpaired_rows(several, threshold=0.5)
    assert [row["label"] for row in by_score.rows] == [False, False, True, True]
    assert (by_score.good, by_score.weights) == (2, (1.0, 1.0))
    assert unpaired_rows(several).weights == (3.0, 1.0)
    assert unpaired_rows(several[:2]).weights == (1.0, 1.0)


def test_what_has_no_row_is_counted_and_so_is_what_the_cap_takes() -> None:
    found = unpaired_rows([EPISODE, failed("t", 1), cancelled("t", 2), episode("t", 3, 0.0)], max_length=6)
    assert found.left_out == {"failed outside the model or cancelled": 2, "without tokens": 1}
    assert (found.batch.cut_rows, found.batch.cut_tokens) == (1, 1)
    assert found.rows[0]["completion_ids"] == [3, 7, 5, 4]
    assert unpaired_rows([EPISODE], max_length=2).left_out == {"its prompt leaves no room": 1}
