"""Every estimator against numbers worked out by hand, and against what its paper promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.errors import ContractError
from rollout import Step
from tests.trainers.episodes import episode, step
from trainers.advantages import (
    ESTIMATORS,
    Array,
    advantages,
    anchor_states,
    dr_grpo,
    gigpo,
    grpo,
    reinforce_baseline,
    return_to_go,
    returns_to_go,
    rloo,
    turn_penalties,
    turn_rewards,
)
from trainers.groups import Group, form_groups

# A grid, so that a difference of scores is never a rounding error.
values = st.integers(-16, 16).map(lambda x: x / 8)
score_lists = st.lists(values, min_size=2, max_size=8)
scales = st.sampled_from([0.25, 0.5, 2.0, 3.0, 10.0])
reward_lists = st.lists(st.lists(values, min_size=1, max_size=6), min_size=2, max_size=5)
BY_EPISODE = (grpo, dr_grpo, rloo)


def close(found: Sequence[Array] | Array, wanted: object) -> None:
    for one, other in zip(found, wanted, strict=True):  # type: ignore[call-overload]
        np.testing.assert_allclose(one, other, atol=1e-9)


def group(*members: tuple[float, Sequence[Step]], task: str = "t") -> Group:
    return Group(task, tuple(episode(task, i, score, *steps) for i, (score, steps) in enumerate(members)))


def turns(count: int, **more: object) -> list[Step]:
    return [step([1], [2, 7], **more) for _ in range(count)]


def test_grpo_by_hand() -> None:
    # Mean 1/2; squared differences 4 * 1/4 = 1; std sqrt(1/3); each 1/2 * sqrt(3).
    half = np.sqrt(3) / 2
    close(grpo([1, 0, 0, 1]), [half, -half, -half, half])


def test_dr_grpo_by_hand() -> None:
    close(dr_grpo([1, 0, 0, 0]), [0.75, -0.25, -0.25, -0.25])


def test_rloo_by_hand() -> None:
    # 1 - 0; and 0 - 1/3 for each of the others.
    close(rloo([1, 0, 0, 0]), [1, -1 / 3, -1 / 3, -1 / 3])


def test_reinforce_baseline_by_hand() -> None:
    # Differences 1/2, -1/2 and 1, -1: squares sum to 5/2, of 4 numbers: std sqrt(5/6).
    std = np.sqrt(5 / 6)
    close(reinforce_baseline([[1, 0], [2, 0]]), [[0.5 / std, -0.5 / std], [1 / std, -1 / std]])


def test_returns_to_go_by_hand() -> None:
    # 1; 0 + 1/2 * 1; 2 + 1/2 * 1/2.
    close([returns_to_go([2, 0, 1], 0.5)], [[2.25, 0.5, 1]])


def test_return_to_go_compares_the_same_turn_of_those_who_still_play() -> None:
    # Returns with gamma 1/2: (1/2, 1), (0), (0, 0, 2 * ...) = (1/2, 1, 2).
    # Turn 0: mean (1/2 + 0 + 1/2) / 3 = 1/3. Turn 1: mean 1. Turn 2: alone.
    found = return_to_go([[0, 1], [0], [0, 0, 2]], gamma=0.5)
    close(found, [[1 / 6, 0], [-1 / 3], [1 / 6, 0, 0]])


def test_return_to_go_is_scaled_by_the_deviation_of_all_its_differences() -> None:
    # Differences 1/2, 1/2, -1/2, -1/2: squares sum to 1, of 4 numbers: std sqrt(1/3).
    close(return_to_go([[0, 1], [0, 0]], scale=True), [[np.sqrt(3) / 2] * 2, [-np.sqrt(3) / 2] * 2])


def test_gigpo_by_hand() -> None:
    # Scores 1, 0: episode +1/2, -1/2. Returns with gamma 1/2: (1/4, 1/2, 1) and (0, 0).
    # State a: 1/4 and 0, mean 1/8. State b: 1/2 and (again b) 1, and 0: mean 1/2.
    found = gigpo([1, 0], [[0, 0, 1], [0, 0]], ["abb", "ab"], gamma=0.5, omega=2)
    close(found, [[0.5 + 2 / 8, 0.5 + 0, 0.5 + 2 / 2], [-0.5 - 2 / 8, -0.5 - 2 / 2]])


def test_gigpo_scaled_by_hand() -> None:
    # Episode: +-1/2 / sqrt(1/2). State a: the same. States b and c were seen once: 0.
    unit = 0.5 / np.sqrt(0.5)
    close(gigpo([1, 0], [[0, 1], [0, 0]], ["ab", "ac"], scale=True), [[2 * unit, unit], [-2 * unit, -unit]])


def test_gigpo_rewards_the_shorter_way_from_the_same_state() -> None:
    short, long = gigpo([1, 1], [[1], [0, 0, 1]], [["start"], ["start", "x", "y"]], gamma=0.9)
    assert short[0] > 0 > long[0]


def test_penalties_by_hand() -> None:
    # One flaw of 0.2 in four turns: 0.2 - 0.05, and -0.05 elsewhere.
    close(turn_penalties([[0.2, 0, 0], [0]]), [[0.15, -0.05, -0.05], [-0.05]])


@given(score_lists, values, st.permutations(range(8)))
def test_episode_advantages_have_mean_zero_ignore_a_shift_and_follow_their_members(
    scores: list[float], shift: float, order: list[int]
) -> None:
    picks = [place for place in order if place < len(scores)]
    for estimate in BY_EPISODE:
        found = estimate(scores)
        assert abs(found.mean()) < 1e-9
        close(estimate([score + shift for score in scores]), found)
        close(estimate([scores[place] for place in picks]), found[picks])


@given(score_lists, scales)
def test_grpo_ignores_the_scale_and_the_others_follow_it(scores: list[float], scale: float) -> None:
    scaled = [scale * score for score in scores]
    close(grpo(scaled), grpo(scores))
    close(dr_grpo(scaled), scale * dr_grpo(scores))
    close(rloo(scaled), scale * rloo(scores))


@given(score_lists)
def test_grpo_has_deviation_one_or_no_signal(scores: list[float]) -> None:
    deviation = grpo(scores).std(ddof=1)
    assert abs(deviation - (1 if max(scores) > min(scores) else 0)) < 1e-9


@given(score_lists)
def test_rloo_is_the_score_against_the_others_mean(scores: list[float]) -> None:
    others = [np.mean(scores[:i] + scores[i + 1 :]) for i in range(len(scores))]
    close(rloo(scores), np.array(scores) - others)


@given(st.lists(score_lists, min_size=1, max_size=4), values, scales)
def test_reinforce_baseline_ignores_a_groups_shift_and_the_batchs_scale(
    groups: list[list[float]], shift: float, scale: float
) -> None:
    found = reinforce_baseline(groups)
    every = np.concatenate(found)
    assert all(abs(group.mean()) < 1e-9 for group in found)
    assert abs(every.std(ddof=1) - any(max(group) > min(group) for group in groups)) < 1e-9
    moved = [[scale * (score + shift) for score in groups[0]], *([scale * s for s in group] for group in groups[1:])]
    close(reinforce_baseline(moved), found)


@pytest.mark.parametrize("estimate", [grpo, lambda scores: reinforce_baseline([scores])[0]])
def test_scores_that_differ_by_rounding_are_no_signal(estimate: Callable[[list[float]], Array]) -> None:
    close(estimate([0.1 + 0.2, 0.3, 0.3]), [0, 0, 0])


@given(reward_lists, st.sampled_from([0.5, 0.9, 1.0]), scales)
def test_return_to_go_has_mean_zero_at_every_turn_and_follows_the_scale(
    rewards: list[list[float]], gamma: float, scale: float
) -> None:
    found = return_to_go(rewards, gamma=gamma)
    for turn in range(max(map(len, rewards))):
        assert abs(sum(member[turn] for member in found if turn < len(member))) < 1e-9
    close(return_to_go([[scale * r for r in member] for member in rewards], gamma=gamma), [scale * m for m in found])
    assert [len(member) for member in found] == [len(member) for member in rewards]


@given(reward_lists, st.data())
def test_gigpo_has_mean_zero_in_every_state_and_without_omega_is_the_episodes(
    rewards: list[list[float]], data: st.DataObject
) -> None:
    scores = [sum(member) for member in rewards]
    states = [data.draw(st.lists(st.sampled_from("abc"), min_size=len(m), max_size=len(m))) for m in rewards]
    flat = gigpo(scores, rewards, states, gamma=0.9, omega=0)
    close(flat, [np.full(len(m), a) for m, a in zip(rewards, dr_grpo(scores), strict=True)])
    step_part = [a - b for a, b in zip(gigpo(scores, rewards, states, gamma=0.9), flat, strict=True)]
    for state in "abc":
        pairs = [pair for part, keys in zip(step_part, states, strict=True) for pair in zip(part, keys, strict=True)]
        assert abs(sum(value for value, key in pairs if key == state)) < 1e-9


@given(reward_lists, st.data())
def test_gigpo_follows_its_members(rewards: list[list[float]], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(rewards))))
    states = [[turn % 2 for turn in range(len(member))] for member in rewards]

    def found(places: Sequence[int]) -> list[Array]:
        of = [rewards[place] for place in places]
        return gigpo([sum(member) for member in of], of, [states[place] for place in places], gamma=0.9, scale=True)

    before = found(range(len(rewards)))
    close(found(order), [before[place] for place in order])


@given(reward_lists, scales)
def test_scaled_gigpo_ignores_the_scale(rewards: list[list[float]], scale: float) -> None:
    scores = [sum(member) for member in rewards]
    states = [[t % 2 for t in range(len(member))] for member in rewards]
    more = [[scale * r for r in member] for member in rewards]
    close(
        gigpo([scale * s for s in scores], more, states, scale=True),
        gigpo(scores, rewards, states, scale=True),
    )


@given(reward_lists)
def test_penalties_add_nothing_over_a_group(flaws: list[list[float]]) -> None:
    assert abs(sum(member.sum() for member in turn_penalties(flaws))) < 1e-9


def test_the_environments_rewards_stand_where_they_were_paid_and_the_scorers_at_the_end() -> None:
    steps = [step([1], [7], reward=0.5), step([1], [7]), step([1], [7], reward=1.0)]
    assert turn_rewards(episode("t", 0, 2.0, *steps)).tolist() == [0.5, 0.0, 1.5]
    assert turn_rewards(episode("t", 0, 2.0)).tolist() == []


def test_anchors_are_states_or_else_what_was_last_observed() -> None:
    told = episode("t", 0, 1.0, step([1], [7], state="s0"), step([1], [7], state="s1"))
    assert anchor_states(told) == [("state", "s0"), ("state", "s1")]
    shown = episode("t", 0, 1.0, *turns(2), first_observation="start")
    assert anchor_states(shown) == [("seen", ("start",)), ("seen", ("seen",))]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator_gives_one_number_a_turn_and_a_success_the_better_ones(estimator: str) -> None:
    batch = [group((1.0, turns(3)), (0.0, turns(2)), (0.0, [])), group((1.0, turns(1)), (0.0, turns(4)), task="u")]
    found = advantages(batch, estimator, gamma=0.9)  # type: ignore[arg-type]
    assert {id: len(values) for id, values in found.items()} == {"t#0": 3, "t#1": 2, "t#2": 0, "u#0": 1, "u#1": 4}
    assert found["t#0"][0] > found["t#1"][0]
    assert found["u#0"][0] > found["u#1"][0]


def test_flawed_turns_lose_and_the_others_gain_a_little() -> None:
    flawed = [step([1], [7], valid=False), step([1], [7], admissible=False)]
    batch = [group((1.0, turns(2, admissible=True)), (0.0, flawed))]
    plain = advantages(batch, "dr_grpo")
    found = advantages(batch, "dr_grpo", invalid_penalty=0.4, inadmissible_penalty=0.2)
    # Mean penalty (0.4 + 0.2) / 4 = 0.15.
    close([found["t#0"] - plain["t#0"], found["t#1"] - plain["t#1"]], [[0.15, 0.15], [-0.25, -0.05]])


def test_an_unknown_estimator_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ContractError, match=r"unknown estimator 'ppo'\. There are: grpo"):
        advantages([group((1.0, turns(1)), (0.0, turns(1)))], "ppo")  # type: ignore[arg-type]


def test_an_episode_that_stands_in_two_groups_is_refused() -> None:
    one = group((1.0, turns(1)), (0.0, turns(1)))
    with pytest.raises(ContractError, match="t#0: the episode stands in the batch twice"):
        advantages([one, one])


def test_stored_episodes_become_advantages() -> None:
    stored = [episode("a", i, float(i == 0), *turns(2)) for i in range(4)]
    groups, _ = form_groups(stored)
    close([advantages(groups, "rloo")[f"a#{i}"] for i in range(4)], [[1, 1], *[[-1 / 3] * 2] * 3])
