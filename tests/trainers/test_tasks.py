"""The order in which a training run takes its tasks."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs import Task
from tests.trainers.episodes import episode, failed
from trainers.tasks import TaskOrder

TASKS = [Task(f"{kind}-{number}", kind, "train") for kind in ("pick", "heat") for number in range(3)]


def order(*, seed: int = 0, size: int = 4, by_success: bool = False) -> TaskOrder:
    return TaskOrder(TASKS, size, seed, by_success=by_success)


def drawn(tasks: TaskOrder, count: int) -> list[tuple[str, int]]:
    """The task and the first sample of each of the next groups."""
    groups = [tasks.next() for _ in range(count)]
    return [(group[0].task.id, group[0].sample) for group in groups]


def test_a_group_is_one_task_with_samples_and_seeds_of_its_own() -> None:
    group = order().next()
    assert {job.task.id for job in group} == {group[0].task.id}
    assert [job.sample for job in group] == [0, 1, 2, 3]
    assert len({job.seed for job in group}) == 4


def test_types_take_turns_without_a_curriculum() -> None:
    kinds = [name.partition("-")[0] for name, _ in drawn(order(), 8)]
    assert all(a != b for a, b in pairwise(kinds))


def test_every_task_is_played_before_one_is_played_again_with_further_samples() -> None:
    first = drawn(tasks := order(), 6)
    again = drawn(tasks, 6)
    assert {name for name, _ in first} == {name for name, _ in again} == {task.id for task in TASKS}
    assert {sample for _, sample in first} == {0}
    assert {sample for _, sample in again} == {4}


def test_another_seed_is_another_order_and_the_same_one_is_the_same() -> None:
    assert drawn(order(), 6) == drawn(order(), 6)
    assert any(drawn(order(), 6) != drawn(order(seed=seed), 6) for seed in (1, 2, 3))


def test_what_is_half_solved_is_drawn_more_often_than_what_is_never_solved() -> None:
    tasks = order(by_success=True)
    for number in range(200):
        tasks.saw([episode("pick-0", number, float(number % 2))])
        tasks.saw([replace(episode("heat-0", number, 0.0), task_type="heat")])
    kinds = Counter(name.partition("-")[0] for name, _ in drawn(tasks, 300))
    # By p (1 - p) and its floor: 0.25 to 0.05.
    assert kinds["pick"] / kinds["heat"] == pytest.approx(5, rel=0.4)


def test_an_episode_that_failed_outside_the_model_says_nothing_about_its_type() -> None:
    tasks = order(by_success=True)
    before = json.dumps(tasks.state())
    tasks.saw([failed("pick-0")])
    assert json.dumps(tasks.state()) == before


@given(st.integers(0, 20), st.integers(1, 20), st.booleans(), st.lists(st.booleans(), max_size=20))
def test_restored_from_json_it_goes_on_as_if_never_interrupted(
    before: int, after: int, by_success: bool, solved: list[bool]
) -> None:
    whole, interrupted = order(by_success=by_success), order(by_success=by_success)
    seen = [episode("pick-0", number, float(one)) for number, one in enumerate(solved)]
    for tasks in (whole, interrupted):
        drawn(tasks, before)
        tasks.saw(seen)
    restored = order(by_success=by_success)
    restored.restore(json.loads(json.dumps(interrupted.state())))
    assert drawn(restored, after) == drawn(whole, after)
