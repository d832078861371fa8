"""Rows hold exactly what the model saw, learn exactly what it said, and nothing is cut or added that counts unseen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from envs.errors import ContractError, DataError
from rollout import Trajectory
from tests.trainers.episodes import STOP, append_only, episode, step, windowed
from trainers.batch import Row, collate, make_batch, null_row, rows_of, with_null_rows

episodes = append_only() | windowed()


def numbered(trajectory: Trajectory) -> np.ndarray:
    """An advantage for each turn by which it can be told: 1, 2, 3 and so on."""
    return np.arange(1.0, len(trajectory.steps) + 1)


def test_an_episode_by_hand() -> None:
    whole = episode("t", 0, 1.0, step([1, 2], [3, 7], version=4), step([5], [6, 7], version=5))
    (row,) = rows_of(whole, np.array([0.5, -1.0]))
    assert row.ids.tolist() == [1, 2, 3, 7, 5, 6, 7]
    assert row.mask.tolist() == [0, 0, 1, 1, 0, 1, 1]
    assert row.advantages.tolist() == [0, 0, 0.5, 0.5, 0, -1, -1]
    assert row.versions.tolist() == [-1, -1, 4, 4, -1, 5, 5]
    assert row.turns.tolist() == [-1, -1, 0, 0, -1, 1, 1]
    np.testing.assert_allclose(row.logprobs, [0, 0, -0.3, -0.7, 0, -0.6, -0.7], atol=1e-6)
    assert (row.prompt, row.trained, len(row)) == (2, 4, 7)


@given(append_only())
def test_an_append_only_episode_is_one_row_of_all_its_ids(whole: Trajectory) -> None:
    (row,) = rows_of(whole, numbered(whole))
    ids, mask = whole.ids_and_mask()
    assert row.ids.tolist() == ids
    assert row.mask.tolist() == mask


@given(episodes)
def test_every_turn_stands_after_the_ids_that_the_model_saw_and_only_what_it_said_is_trained(whole: Trajectory) -> None:
    rows = rows_of(whole, numbered(whole))
    found = {}
    for row in rows:
        for turn in sorted(set(row.turns[row.mask == 1].tolist())):
            places = np.flatnonzero(row.turns == turn)
            assert places.tolist() == list(range(places[0], places[-1] + 1))
            found[turn] = row, places
    prompts = list(whole.prompts())
    for turn, one in enumerate(whole.steps):
        row, places = found[turn]
        assert one.tokens is not None
        assert row.ids[: places[0]].tolist() == list(prompts[turn])
        assert row.ids[places].tolist() == list(one.tokens.completion_ids)
        assert row.ids[places[-1]] == STOP  # the end of a turn is learned
        assert row.mask[places].all()
        assert (row.advantages[places] == turn + 1).all()
        assert (row.versions[places] == one.version).all()
        np.testing.assert_allclose(row.logprobs[places], one.tokens.logprobs, atol=1e-6)
    assert sum(row.trained for row in rows) == sum(len(places) for _, places in found.values())


@given(episodes)
def test_what_the_model_did_not_sample_has_no_advantage_logprob_turn_or_version(whole: Trajectory) -> None:
    for row in rows_of(whole, numbered(whole)):
        outside = row.mask == 0
        assert not row.advantages[outside].any()
        assert not row.logprobs[outside].any()
        assert (row.turns[outside] == -1).all()
        assert (row.versions[outside] == -1).all()
        assert not row.mask[: row.prompt].any()
        assert row.mask[row.prompt] == 1


@given(windowed())
def test_a_window_that_has_dropped_nothing_leaves_one_row(whole: Trajectory) -> None:
    assert whole.window is not None
    rows = rows_of(whole)
    # Turns 0 to `window` see all that went before; each later one lost its beginning, unless the ids happen to agree.
    assert len(rows) <= max(1, len(whole.steps) - whole.window)
    if len(whole.steps) <= whole.window + 1:
        assert len(rows) == 1


def test_a_turn_whose_past_was_rendered_to_other_ids_is_a_row_of_its_own() -> None:
    whole = episode("t", 0, 1.0, step([1], [2, 7]), step([1, 3, 7, 4], [5, 7]), window=3)
    assert [row.ids.tolist() for row in rows_of(whole)] == [[1, 2, 7], [1, 3, 7, 4, 5, 7]]


def test_an_episode_without_tokens_has_no_row_and_is_named() -> None:
    batch = make_batch([episode("t", 0, 1.0)], {"t#0": np.zeros(0)})
    assert (batch.rows, batch.without_tokens, batch.episodes) == ([], ["t#0"], 1)


def test_an_episode_with_some_tokens_only_is_refused() -> None:
    sampled = step([1], [7])
    with pytest.raises(DataError, match="t#0: only 1 of 2 turns have tokens"):
        rows_of(episode("t", 0, 1.0, sampled, replace(sampled, tokens=None)))


def test_a_turn_without_a_prompt_is_refused() -> None:
    with pytest.raises(DataError, match="turn 0 has an empty prompt"):
        rows_of(episode("t", 0, 1.0, step([], [7])))


def test_advantages_that_do_not_fit_the_turns_are_refused() -> None:
    one = episode("t", 0, 1.0, step([1], [7]))
    with pytest.raises(ContractError, match="t#0: 2 advantages for 1 turns"):
        rows_of(one, np.zeros(2))
    with pytest.raises(ContractError, match="t#0: the episode has no advantages"):
        make_batch([one], {})


@given(st.lists(episodes, min_size=1, max_size=4), st.integers(1, 12))
def test_the_cap_cuts_late_turns_and_counts_every_token_it_takes(several: list[Trajectory], longest: int) -> None:
    several = [replace(whole, id=str(number)) for number, whole in enumerate(several)]
    advantages = {whole.id: numbered(whole) for whole in several}
    full = make_batch(several, advantages)
    kept = make_batch(several, advantages, max_length=longest)
    assert all(len(row) <= longest and row.mask[-1] == 1 for row in kept.rows)
    assert kept.trained_tokens + kept.cut_tokens == full.trained_tokens
    assert len(kept.rows) + kept.lost_rows == len(full.rows)
    assert kept.cut_rows == sum(len(row) > longest for row in full.rows)


def test_what_follows_the_last_sampled_token_of_a_cut_row_goes_as_well() -> None:
    whole = episode("t", 0, 1.0, step([1], [2, 7]), step([4, 4, 4], [5, 7]))
    (row,) = make_batch([whole], {"t#0": np.zeros(2)}, max_length=5).rows
    assert row.ids.tolist() == [1, 2, 7]


@given(st.lists(episodes, min_size=1, max_size=4), st.integers(1, 8), st.integers(1, 5))
def test_tensors_hold_the_rows_and_padding_is_neither_attended_nor_trained(
    several: list[Trajectory], multiple: int, rows_multiple: int
) -> None:
    rows = [row for whole in several for row in rows_of(whole, numbered(whole))]
    padded = with_null_rows(rows, rows_multiple, 0)
    tensors = collate(padded, 99, pad_to_multiple_of=multiple)
    assert len(padded) % rows_multiple == 0
    assert tensors["prompt_ids"].shape[1] % multiple == tensors["completion_ids"].shape[1] % multiple == 0
    ids = torch.cat([tensors["prompt_ids"], tensors["completion_ids"]], 1)
    attended = torch.cat([tensors["prompt_mask"], tensors["completion_mask"]], 1).bool()
    assert (ids[~attended] == 99).all()
    assert (tensors["prompt_mask"][:, -1] == 1).all()  # padded on the left
    assert (tensors["completion_mask"][:, 0] == 1).all()  # padded on the right
    trained = (tensors["completion_mask"] * tensors["tool_mask"]).bool()
    for number, row in enumerate(padded):
        assert ids[number][attended[number]].tolist() == row.ids.tolist()
        of_row = trained[number]
        for name, wanted in (
            ("completion_ids", row.ids),
            ("advantages", row.advantages),
            ("sampling_per_token_logps", row.logprobs),
            ("versions", row.versions),
            ("turns", row.turns),
        ):
            assert tensors[name][number][of_row].tolist() == wanted[row.mask == 1].tolist()
    assert tensors["advantages"][~trained].abs().sum() == 0
    assert tensors["num_items_in_batch"] == trained.sum() == sum(row.trained for row in rows)
    assert tensors["num_rows_in_batch"] == len(rows)


def test_null_rows_fill_up_to_a_multiple_and_no_further() -> None:
    (row,) = rows_of(episode("t", 0, 1.0, step([1], [7])))
    assert [len(with_null_rows([row] * n, 4, 0)) for n in (0, 1, 4, 5)] == [0, 4, 4, 8]
    nothing: Row = null_row(3)
    assert (nothing.trained, nothing.ids.tolist(), nothing.episode) == (0, [3, 3], "")


def test_a_batch_without_rows_says_what_to_do() -> None:
    with pytest.raises(ContractError, match=r"a batch without rows\. No group had a signal: play more tasks"):
        collate([], 0)
