"""The episodes of an iteration: played by a scripted policy in the corridor, and stored."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from envs.protocol import Message
from rollout import Trajectory, read_trajectories
from rollout.account import Account
from rollout.engine import EngineError
from rollout.policy import Episode, Reply, Turn
from rollout.rollouts import LocalRollouts
from rollout.runner import Stage
from rollout.store import Store
from tests.rollout.corridor import Corridor
from trainers.errors import TrainingError
from trainers.generation import Generation, Played
from trainers.stop_request import Stopped
from trainers.tasks import TaskOrder

SIZE = 3

Script = Callable[[str, int, int], str]
"""What is said in a turn of a sample of a task."""


class Scripted:
    """A policy that knows which episode it plays."""

    name, window = "scripted", None

    def __init__(self, script: Script, capacity: int = 8) -> None:
        self.capacity = capacity
        self.played: list[str] = []
        self._script = script

    def player(self, episode: Episode) -> Player:
        self.played.append(episode.id)
        return Player(self._script, episode)

    async def close(self) -> None:
        pass


class Player:
    def __init__(self, script: Script, episode: Episode) -> None:
        self._script, self._episode, self._turn = script, episode, -1

    async def act(self, turn: Turn) -> Reply:
        self._turn += 1
        sample = int(self._episode.id.rpartition("#")[2])
        said = self._script(self._episode.task.id, sample, self._turn)
        await asyncio.sleep(0)  # let the others have their turn
        return Reply(Message("assistant", said))

    async def close(self) -> None:
        pass


def first_solves(task: str, sample: int, turn: int) -> str:
    return "right" if sample % SIZE == 0 else "left"


def all_solve(task: str, sample: int, turn: int) -> str:
    return "right"


def none_solves(task: str, sample: int, turn: int) -> str:
    return "left"


@contextmanager
def generation(
    run: Path,
    script: Script,
    *,
    tasks: int = 2,
    rounds: int = 2,
    every_group: bool = False,
    capacity: int = 8,
    stored: bool = False,
) -> Iterator[tuple[Generation, Scripted]]:
    env = Corridor(tasks=8, max_steps=4)
    policy, store = Scripted(script, capacity), Store(run)
    stage = Stage(env, policy, env.protocol("plain"), store, Account(()))

    async def no_weights() -> int:
        return 0

    try:
        yield (
            Generation(
                LocalRollouts(stage, no_weights),
                TaskOrder(env.tasks, SIZE, 0),
                size=SIZE,
                tasks=tasks,
                rounds=rounds,
                every_group=every_group,
                stored=read_trajectories(run) if stored else (),
            ),
            policy,
        )
    finally:
        store.close()


def balanced(made: Generation, run: Path) -> bool:
    """Whether nothing is owed and every line of the store is booked."""
    made.rollouts.stage.account.check()
    return made.rollouts.stage.account.planned == len(read_trajectories(run))


def ids(played: Played) -> list[str]:
    return [episode.id for episode in played.episodes]


def test_an_iteration_is_groups_of_episodes_that_are_on_disk_and_booked(tmp_path: Path) -> None:
    with generation(tmp_path, first_solves) as (made, _):
        played = made.play()
        assert [len(group.members) for group in played.groups] == [SIZE, SIZE]
        assert [episode.success for episode in played.episodes] == [True, False, False] * 2
        assert played.account.groups == {"signal": 2}
        assert balanced(made, tmp_path)


def test_the_next_iteration_plays_other_tasks(tmp_path: Path) -> None:
    with generation(tmp_path, first_solves) as (made, _):
        first, second = made.play(), made.play()
        assert not {one.task for one in first.episodes} & {one.task for one in second.episodes}
        assert balanced(made, tmp_path)


def test_the_order_is_that_of_the_plan_and_not_of_completion(tmp_path: Path) -> None:
    def last_is_first(task: str, sample: int, turn: int) -> str:
        return "right" if turn >= 2 - sample else "left"

    with generation(tmp_path, last_is_first, every_group=True, rounds=1) as (made, policy):
        played = made.play()
    # An episode of two turns ends before one of four.
    assert [one.id for one in read_trajectories(tmp_path)] != policy.played
    assert ids(played) == policy.played
    assert [member.sample for group in played.groups for member in group.members] == [0, 1, 2] * 2


def test_groups_without_a_signal_are_replaced_by_others(tmp_path: Path) -> None:
    solved: list[str] = []

    def first_task_is_easy(task: str, sample: int, turn: int) -> str:
        if task not in solved:
            solved.append(task)
        return "right" if solved[0] == task or sample % SIZE == 0 else "left"

    with generation(tmp_path, first_task_is_easy) as (made, _):
        played = made.play()
        # One of two had a signal, so two more are begun for the one that is missing.
        assert played.account.groups == {"all solved": 1, "signal": 3}
        assert len(played.groups) == 3
        assert solved[0] not in {group.task for group in played.groups}
        assert len(played.episodes) == 4 * SIZE
        assert balanced(made, tmp_path)


def test_one_round_takes_what_it_gets(tmp_path: Path) -> None:
    def only_one(task: str, sample: int, turn: int) -> str:
        return "right" if task == first and sample == 0 else "left"

    with generation(tmp_path / "names", none_solves, every_group=True) as (made, _):
        first = made.play().episodes[0].task
    with generation(tmp_path / "run", only_one, rounds=1) as (made, policy):
        played = made.play()
    assert [group.task for group in played.groups] == [first]
    assert len(policy.played) == 2 * SIZE


def test_every_group_is_taken_where_penalties_are_the_signal(tmp_path: Path) -> None:
    with generation(tmp_path, none_solves, every_group=True, rounds=1) as (made, _):
        assert len(made.play().groups) == 2


def test_a_failed_member_is_masked(tmp_path: Path) -> None:
    def one_fails(task: str, sample: int, turn: int) -> str:
        if sample == 1:
            raise EngineError("the model is gone")
        return first_solves(task, sample, turn)

    with generation(tmp_path, one_fails) as (made, _):
        played = made.play()
        assert all([member.sample for member in group.members] == [0, 2] for group in played.groups)
        assert all([member.sample for member in group.masked] == [1] for group in played.groups)
        assert played.account.masked == {"engine_error": 2}
        assert balanced(made, tmp_path)


@pytest.mark.parametrize(("script", "kind"), [(none_solves, "none solved"), (all_solve, "all solved")])
def test_an_iteration_without_a_signal_has_no_groups_and_the_next_plays_other_tasks(
    script: Script, kind: str, tmp_path: Path
) -> None:
    with generation(tmp_path, script) as (made, _):
        first, second = made.play(), made.play()
    for played in (first, second):
        assert played.groups == []
        assert played.account.groups == {kind: 4}
        assert len(played.episodes) == 4 * SIZE
    assert not {one.task for one in first.episodes} & {one.task for one in second.episodes}


def test_no_episode_that_could_be_scored_is_an_error_that_says_why(tmp_path: Path) -> None:
    def all_fail(task: str, sample: int, turn: int) -> str:
        raise EngineError("the model is gone")

    with generation(tmp_path, all_fail) as (made, _), pytest.raises(TrainingError) as raised:
        made.play()
    said = str(raised.value)
    assert "engine_error" in said
    assert "the model is gone" in said
    assert "--resume" in said


def test_stored_episodes_are_taken_and_not_played_again(tmp_path: Path) -> None:
    with generation(tmp_path, first_solves) as (made, _):
        whole = made.play()
    lines = (tmp_path / "episodes" / "episodes.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "episodes" / "episodes.jsonl").write_bytes(b"".join(lines[:4]))
    with generation(tmp_path, first_solves, stored=True) as (made, policy):
        again = made.play()
        assert len(policy.played) == len(lines) - 4
        made.rollouts.stage.account.check()
        assert made.rollouts.stage.account.planned == len(lines) - 4
    assert ids(again) == ids(whole)
    assert [_outcome(one) for one in again.episodes] == [_outcome(one) for one in whole.episodes]
    assert not read_trajectories(tmp_path).twice


def test_what_failed_is_played_again_after_a_restart(tmp_path: Path) -> None:
    def one_fails(task: str, sample: int, turn: int) -> str:
        if sample == 1:
            raise EngineError("the model is gone")
        return first_solves(task, sample, turn)

    with generation(tmp_path, one_fails) as (made, _):
        made.play()
    with generation(tmp_path, first_solves, stored=True) as (made, policy):
        played = made.play()
    assert {one.rpartition("#")[2] for one in policy.played} == {"1"}
    assert all(len(group.members) == SIZE for group in played.groups)


def test_a_stop_lets_live_episodes_end_and_leaves_everything_on_disk(tmp_path: Path) -> None:
    asked: list[int] = []

    def interrupted(task: str, sample: int, turn: int) -> str:
        if not asked:
            asked.append(turn)
            os.kill(os.getpid(), signal.SIGINT)
        return first_solves(task, sample, turn)

    with generation(tmp_path, interrupted, capacity=2) as (made, policy):
        with pytest.raises(Stopped):
            made.play()
        begun = list(policy.played)
    stored = read_trajectories(tmp_path)
    assert 0 < len(begun) < 2 * SIZE
    assert sorted(one.id for one in stored) == sorted(begun)
    assert all(one.scored for one in stored)
    with generation(tmp_path, first_solves, stored=True) as (made, policy):
        played = made.play()
    assert not set(policy.played) & set(begun)
    assert len(played.groups) == 2


def _outcome(episode: Trajectory) -> tuple[object, ...]:
    return episode.id, episode.success, episode.score, [step.actions for step in episode.steps]
