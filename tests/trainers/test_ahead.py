"""Episodes that are played while somebody trains: what reaches the trainer, and how it all ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from envs.protocol import Message
from rollout import Tokens, Trajectory, read_trajectories
from rollout.account import Account
from rollout.engine import EngineError
from rollout.policy import Episode, Reply, Turn
from rollout.rollouts import LocalRollouts
from rollout.runner import Stage
from rollout.store import Store, StoreError
from tests.rollout.corridor import Corridor
from tests.trainers.test_generation import all_solve, first_solves, generation, ids, none_solves
from trainers import ahead as module
from trainers.ahead import Ahead
from trainers.background import Background
from trainers.backlog import Backlog
from trainers.errors import TrainingError
from trainers.stop_request import Stopped
from trainers.tasks import TaskOrder

SIZE, TASKS = 3, 2
DEADLINE = 60.0

Script = Callable[[str, int, int], str]


class Sampler:
    """A policy of scripted words, whose tokens carry the version of the day. `gate` holds every turn up."""

    name, window, capacity = "sampler", None, 4

    def __init__(self, script: Script) -> None:
        self.script, self.version = script, 0
        self.played: list[str] = []
        self.gate: asyncio.Event | None = None
        self.waiting = threading.Event()

    def player(self, episode: Episode) -> Player:
        self.played.append(episode.id)
        return Player(self, episode)

    async def update(self) -> int:
        self.version += 1
        return self.version

    async def close(self) -> None:
        pass


class Player:
    def __init__(self, sampler: Sampler, episode: Episode) -> None:
        self._sampler, self._episode, self._turn = sampler, episode, -1

    async def act(self, turn: Turn) -> Reply:
        sampler, episode = self._sampler, self._episode
        self._turn += 1
        if sampler.gate is not None:
            sampler.waiting.set()
            await sampler.gate.wait()
        said = sampler.script(episode.task.id, int(episode.id.rpartition("#")[2]), self._turn)
        await asyncio.sleep(0)
        return Reply(Message("assistant", said), Tokens((1,), (2,), (-0.5,)), version=sampler.version)

    async def close(self) -> None:
        pass


class Ended:
    """Lets a test wait for episodes to end."""

    def __init__(self) -> None:
        self.count, self._changed = 0, threading.Condition()

    def waits(self, slot: int, job: object, cause: str) -> None:
        pass

    def ended(self, trajectory: Trajectory, account: Account) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.count >= count, DEADLINE), self.count


class Failing(Store):
    """A disk that is full after so many episodes."""

    room = 10**9

    def append(self, *trajectories: Trajectory) -> None:
        self.room -= len(trajectories)
        if self.room < 0:
            raise StoreError("cannot be written (no space left)", where=self.path)
        super().append(*trajectories)


@contextmanager
def ahead(
    run: Path, script: Script = first_solves, *, bound: int = 1, iterations: int = 9, resume: bool = False
) -> Iterator[tuple[Ahead, Sampler, Ended]]:
    env, sampler, ended = Corridor(tasks=8, max_steps=4), Sampler(script), Ended()
    store = Failing(run)
    stage = Stage(env, sampler, env.protocol("plain"), store, Account(()), watcher=ended)
    made = Ahead(
        LocalRollouts(stage, sampler.update),
        Backlog(
            TaskOrder(env.tasks, SIZE, 0),
            size=SIZE,
            tasks=TASKS,
            max_staleness=bound,
            iterations=iterations,
            stored=read_trajectories(run) if resume else (),
        ),
    )
    try:
        yield made, sampler, ended
    finally:
        made.close()
        store.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_the_first_iteration_is_that_of_a_run_that_plays_and_learns_in_turns(tmp_path: Path) -> None:
    with generation(tmp_path / "turns", first_solves) as (made, _):
        expected = made.play()
    with ahead(tmp_path / "ahead") as (made_ahead, _, _):
        made_ahead.sync()
        found = made_ahead.play()
    assert ids(found) == ids(expected)
    assert [group.task for group in found.groups] == [group.task for group in expected.groups]
    assert found.account == expected.account


def test_playing_goes_on_while_the_trainer_learns_as_far_as_the_bound_allows(tmp_path: Path) -> None:
    for bound in (1, 2):
        with ahead(tmp_path / str(bound), bound=bound) as (made, sampler, ended):
            made.sync()
            made.play()
            ended.wait_for((bound + 1) * TASKS * SIZE)
            made.end()
            assert len(sampler.played) == (bound + 1) * TASKS * SIZE
            assert made.rollouts.stage.account.planned == len(read_trajectories(tmp_path / str(bound)))


def test_what_was_played_ahead_comes_next_and_is_one_update_old(tmp_path: Path) -> None:
    with ahead(tmp_path) as (made, _, ended):
        made.sync()
        seen: list[str] = []
        for iteration in range(4):
            played = made.play()
            assert played.staleness == [min(1, iteration)] * TASKS
            seen += ids(played)
            ended.wait_for((iteration + 2) * TASKS * SIZE)
            made.sync()
        assert len(seen) == len(set(seen)) == 4 * TASKS * SIZE


def test_new_weights_come_in_flight(tmp_path: Path) -> None:
    turns = threading.Event()

    def signals(task: str, sample: int, turn: int) -> str:
        if turn == 2:
            turns.set()
        return first_solves(task, sample, turn) if turn else "left"

    with ahead(tmp_path, signals, bound=2) as (made, sampler, _):
        made.sync()
        made.play()
        background = made._background

        async def shut() -> None:
            sampler.gate = asyncio.Event()

        async def opened() -> None:
            assert sampler.gate is not None
            sampler.gate.set()

        background.run(shut())
        # Whoever has not ended waits in the middle of its episode, or before its first turn.
        made.sync()
        background.run(opened())
        made.play()
        made.sync()
        made.play()
    versions = [{step.version for step in one.steps} for one in read_trajectories(tmp_path) if one.scored]
    assert set.union(*versions) >= {1, 2}


def test_an_error_reaches_the_trainer_at_its_next_call_and_at_each_after_it(tmp_path: Path) -> None:
    with ahead(tmp_path) as (made, _, _):
        made.sync()
        made.play()
        made.rollouts.stage.store.room = 0  # type: ignore[attr-defined]
        made.sync()
        wait([made._playing], DEADLINE)  # type: ignore[list-item]
        for _ in range(2):
            with pytest.raises(StoreError, match="no space left"):
                made.play()
        with pytest.raises(StoreError, match="no space left"):
            made.end()


@pytest.mark.parametrize("script", [none_solves, all_solve])
def test_iterations_without_a_signal_come_without_groups_one_after_another(script: Script, tmp_path: Path) -> None:
    with ahead(tmp_path, script) as (made, _, _):
        for _ in range(3):
            made.sync()
            played = made.play()
            assert played.groups == []
            assert len(played.episodes) == 2 * TASKS * SIZE


def test_who_asks_for_an_end_is_heard_while_episodes_are_waited_for(tmp_path: Path) -> None:
    def asked() -> None:
        raise Stopped

    with ahead(tmp_path) as (made, sampler, _):
        sampler.gate = asyncio.Event()
        made._check = asked
        with pytest.raises(Stopped):
            made.play()


def test_no_episode_that_could_be_scored_is_an_error_that_says_why(tmp_path: Path) -> None:
    def all_fail(task: str, sample: int, turn: int) -> str:
        raise EngineError("the model is gone")

    with ahead(tmp_path, all_fail) as (made, _, _):
        made.sync()
        with pytest.raises(TrainingError, match="the model is gone"):
            made.play()


def test_weights_that_do_not_arrive_are_an_error(tmp_path: Path) -> None:
    with ahead(tmp_path) as (made, _, _):

        async def broken() -> int:
            raise EngineError("the weights do not fit")

        made.rollouts._sync = broken  # type: ignore[attr-defined]
        with pytest.raises(EngineError, match="do not fit"):
            made.sync()


def test_nobody_waits_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ahead(tmp_path) as (made, _, _):

        async def hangs(jobs: Any, **more: Any) -> None:
            await asyncio.Event().wait()

        made.rollouts.play = hangs  # type: ignore[method-assign]
        monkeypatch.setattr(module, "PATIENCE", -made.rollouts.stage.deadlines.episode)
        monkeypatch.setattr(module, "GRACE", 0.0)
        with pytest.raises(TrainingError, match="no episode has ended"):
            made.play()


def test_what_is_cut_off_at_the_end_is_booked_and_begun_again_by_who_resumes(tmp_path: Path) -> None:
    with ahead(tmp_path) as (made, sampler, ended):
        made.sync()
        first = made.play()
        ended.wait_for((TASKS + 1) * SIZE)
        state = made.state()
    stored = read_trajectories(tmp_path)
    account = made.rollouts.stage.account
    assert account.owed == 0
    assert account.planned == len(stored)
    on_disk = {one.id for one in stored if one.scored}
    with ahead(tmp_path, resume=True) as (again, sampler, _):
        again.restore(state)
        again.sync()
        second = again.play()
        assert not set(sampler.played) & on_disk
    assert not set(ids(first)) & set(ids(second))
    assert not read_trajectories(tmp_path).twice


def test_the_last_iteration_leaves_nothing_under_way(tmp_path: Path) -> None:
    with ahead(tmp_path, iterations=3) as (made, sampler, _):
        for _ in range(3):
            made.sync()
            made.play()
        made.end()
        assert len(sampler.played) == 3 * TASKS * SIZE
        assert made.rollouts.stage.account.cancelled == 0
        assert made.state()["begun"] == []


class TestTheBackground:
    def test_gives_what_work_gives_and_raises_what_it_raises(self) -> None:
        background = Background("test")

        async def seven() -> int:
            return 7

        async def late() -> int:
            raise TimeoutError("its own")

        assert background.run(seven()) == 7
        with pytest.raises(TimeoutError, match="its own"):
            background.run(late())
        background.close()
        background.close()

    def test_cancels_what_takes_too_long(self) -> None:
        background, cancelled = Background("test"), threading.Event()

        async def endless() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        with pytest.raises(TrainingError, match="endless took longer"):
            background.run(endless(), 0.01)
        assert cancelled.wait(DEADLINE)
        background.close()
