"""Rollouts on Ray: the same episodes as in one process, whatever dies on the way. The processes are real."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rollout import Trajectory, read_trajectories
from rollout.account import Account
from rollout.cluster.crew import Patience
from rollout.cluster.errors import ClusterError
from rollout.cluster.installation import checked_installation
from rollout.cluster.rollouts import RayRollouts
from rollout.episode import Job
from rollout.runner import play
from rollout.store import Store
from tests.rollout.cluster import stages
from tests.rollout.cluster.stages import Deadly, Long, jobs_of, letters, quick_engine, slow_engine
from tests.rollout.corridor import Corridor
from tests.rollout.test_survival import gone

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("started_ray")]

QUICK = Patience(start=120, beat=0.2, heartbeat=3, update=60, queue=60, close=5)


class Strike:
    """Does something when the n-th episode has ended, and something else when another has."""

    def __init__(self, *blows: tuple[int, Callable[[], None]]) -> None:
        self.blows = dict(blows)
        self.ids: Counter[str] = Counter()
        self.causes: set[str] = set()

    def waits(self, slot: int, job: Job, cause: str) -> None:
        self.causes.add(cause)

    def ended(self, trajectory: Trajectory, account: Account) -> None:
        self.ids[trajectory.id] += 1
        if blow := self.blows.pop(self.ids.total(), None):
            blow()


def rollouts(folder: Path, env: Any, jobs: list[Job], make: Any = slow_engine, **more: Any) -> RayRollouts:
    store = more.pop("store", None)
    stage = stages.stage(folder, env, jobs, more.pop("watcher", None), store)
    return RayRollouts(stage, make, more.pop("policy", letters), patience=more.pop("patience", QUICK), **more)


def played(played_on: RayRollouts, jobs: list[Job], **more: Any) -> None:
    """Play and close, whatever happens; nothing is left."""

    async def run() -> None:
        try:
            await played_on.play(jobs, **more)
        finally:
            pids.extend(played_on.processes.values())
            await played_on.close()

    pids: list[int] = []
    try:
        asyncio.run(run())
    finally:
        played_on.stage.store.close()
        assert gone(pids)


def killing(name: str, on: list[RayRollouts], number: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    return lambda: os.kill(on[0].processes[name], number)


def test_every_episode_is_played_once_and_the_watcher_told(tmp_path: Path) -> None:
    env, watcher = Long(max_steps=4), Strike()
    jobs = jobs_of(env, 24)
    on = rollouts(tmp_path, env, jobs, watcher=watcher, workers=2, engines=2)
    played(on, jobs)
    on.stage.account.check()
    assert on.stage.account.scored == 24
    assert set(watcher.ids.values()) == {1}
    assert watcher.causes >= {"env", ""}
    stored = read_trajectories(tmp_path)
    assert {t.id for t in stored} == {job.id for job in jobs}
    assert all(t.lineage == {"run": "test"} and t.attempt == 0 and len(t.steps) == 4 for t in stored)


def test_the_episodes_are_those_of_one_process_with_the_same_weights(tmp_path: Path) -> None:
    env = Corridor(tasks=3, max_steps=3)
    jobs = jobs_of(env, 6)
    newest = stages.hf_engine(seed=1)
    on = rollouts(tmp_path / "ray", env, jobs, stages.hf_engine, policy=stages.chat, workers=2, engines=2)
    assert asyncio.run(on.update_weights(newest.model.state_dict())) == 1
    played(on, jobs)
    on.stage.account.check()
    here = replace(stages.stage(tmp_path / "here", env, jobs), policy=stages.chat(newest))
    asyncio.run(play(here, jobs))
    here.store.close()
    there = {t.id: t for t in read_trajectories(tmp_path / "ray")}
    locally = read_trajectories(tmp_path / "here")
    assert len(locally) == 6
    for local in locally:
        remote = there[local.id]
        assert (remote.seed, remote.score, len(remote.steps)) == (local.seed, local.score, 3)
        for mine, other in zip(remote.steps, local.steps, strict=True):
            assert mine.actions == other.actions
            assert mine.version == 1
            assert mine.tokens is not None
            assert other.tokens is not None
            assert mine.tokens.prompt_ids == other.tokens.prompt_ids
            assert mine.tokens.completion_ids == other.tokens.completion_ids
            # The batches are others, and so is the rounding.
            assert mine.tokens.logprobs == pytest.approx(other.tokens.logprobs, abs=1e-4)


def test_weights_may_come_while_episodes_are_played_and_the_next_turns_carry_them(tmp_path: Path) -> None:
    env, on = Long(max_steps=6), list[RayRollouts]()
    syncs: list[asyncio.Task[int]] = []
    loops: list[asyncio.AbstractEventLoop] = []

    def sync() -> None:
        os.kill(on[0].processes["engine 1"], signal.SIGSTOP)  # one that cannot take them is replaced, and then has them
        syncs.append(loops[0].create_task(on[0].update_weights({})))

    jobs = jobs_of(env, 60)
    on.append(rollouts(tmp_path, env, jobs, watcher=Strike((8, sync)), engines=2, patience=replace(QUICK, update=10)))

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        try:
            await on[0].play(jobs)
            assert await syncs[0] == 1
        finally:
            await on[0].close()

    asyncio.run(run())
    on[0].stage.account.check()
    assert on[0].stage.account.scored == 60
    versions = [[step.version for step in t.steps] for t in read_trajectories(tmp_path)]
    assert all(sorted(row) == row for row in versions)
    assert {version for row in versions for version in row} == {0, 1}


@pytest.mark.parametrize(
    ("victim", "number"),
    [
        ("engine 0", signal.SIGKILL),
        ("engine 1", signal.SIGSTOP),
        ("worker 1", signal.SIGKILL),
        ("worker 0", signal.SIGSTOP),
    ],
)
def test_a_dead_or_hung_actor_is_replaced_and_every_episode_scored_once(
    victim: str, number: signal.Signals, tmp_path: Path
) -> None:
    env, on, pids = Long(max_steps=4), list[RayRollouts](), list[int]()

    def strike() -> None:
        pids.append(on[0].processes[victim])
        os.kill(pids[0], number)

    watcher = Strike((6, strike))
    jobs = jobs_of(env, 60)
    on.append(rollouts(tmp_path, env, jobs, watcher=watcher, workers=2, engines=2))
    played(on[0], jobs)
    on[0].stage.account.check()
    assert on[0].stage.account.scored == 60
    assert set(watcher.ids.values()) == {1}
    assert gone(pids)
    attempts = Counter(t.attempt for t in read_trajectories(tmp_path))
    # A worker's episodes are begun again; an engine's go on with the other engine.
    assert (attempts[1] > 0) == victim.startswith("worker")


def test_as_many_workers_as_convict_a_task_die_at_once_and_no_task_is_taken_for_guilty(tmp_path: Path) -> None:
    env, on = Long(max_steps=4), list[RayRollouts]()

    def strike() -> None:
        for number in range(3):
            os.kill(on[0].processes[f"worker {number}"], signal.SIGKILL)

    jobs = jobs_of(env, 60)
    on.append(rollouts(tmp_path, env, jobs, watcher=Strike((6, strike)), workers=3, max_deaths_per_task=3))
    played(on[0], jobs)
    on[0].stage.account.check()
    assert on[0].stage.account.scored == 60


def test_the_only_engine_dies_and_its_successor_goes_on_at_the_newest_version(tmp_path: Path) -> None:
    env, on = Long(max_steps=4), list[RayRollouts]()
    watcher = Strike((9, killing("engine 0", on)))
    jobs = jobs_of(env, 24)
    on.append(rollouts(tmp_path, env, jobs, watcher=watcher))

    async def twice() -> None:
        assert [await on[0].update_weights({}), await on[0].update_weights({})] == [1, 2]
        await on[0].play(jobs)
        assert await on[0].update_weights({}) == 3
        await on[0].close()

    asyncio.run(twice())
    on[0].stage.account.check()
    assert on[0].stage.account.scored == 24
    assert {step.version for t in read_trajectories(tmp_path) for step in t.steps} == {2}


def test_an_engine_that_died_between_two_plays_is_replaced_by_the_update(tmp_path: Path) -> None:
    env = Corridor()
    jobs = jobs_of(env, 8)
    on = rollouts(tmp_path, env, jobs, quick_engine, engines=2)
    asyncio.run(on.play(jobs[:4]))  # each call may have an event loop of its own
    old = on.processes
    os.kill(old["engine 1"], signal.SIGKILL)
    os.kill(old["worker 0"], signal.SIGKILL)
    assert asyncio.run(on.update_weights({})) == 1
    assert on.processes["engine 0"] == old["engine 0"]
    assert on.processes["engine 1"] != old["engine 1"]
    played(on, jobs[4:])
    on.stage.account.check()
    assert on.stage.account.scored == 8


def test_a_task_that_always_kills_its_worker_is_quarantined_and_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    env = Deadly(tasks=6)
    env.note = tmp_path / "note"
    jobs = jobs_of(env, 18)
    on = rollouts(tmp_path, env, jobs, quick_engine, workers=2)
    with caplog.at_level(logging.WARNING):
        played(on, jobs, slots=6)
    on.stage.account.check()
    assert str(on.stage.account) == "18 planned = 15 scored + 3 failed (worker_died 3) + 0 cancelled + 0 owed"
    assert env.note.read_text().count("died") == 3
    assert "walk-1 is quarantined: 3 workers died over it" in caplog.text


def test_a_task_that_survives_alone_is_acquitted(tmp_path: Path) -> None:
    env = Deadly(tasks=4)
    env.note, env.times = tmp_path / "note", 2
    jobs = jobs_of(env, 4)
    on = rollouts(tmp_path, env, jobs, quick_engine)
    played(on, jobs, slots=2)
    on.stage.account.check()
    assert on.stage.account.scored == 4
    assert {t.task: t.attempt for t in read_trajectories(tmp_path)}["walk-1"] == 2


class Stuck(Store):
    """A disk that stands still until more jobs were begun than may be, or for a while."""

    def __init__(self, run: Path) -> None:
        super().__init__(run)
        self.too_many = threading.Event()

    def append(self, *trajectories: Trajectory) -> None:
        self.too_many.wait(0.2)
        super().append(*trajectories)


def test_no_episode_begins_while_the_queue_to_the_disk_is_full(tmp_path: Path) -> None:
    env = Corridor()
    jobs = jobs_of(env, 20)
    store = Stuck(tmp_path)
    begun = 0

    def counted() -> Iterator[Job]:
        nonlocal begun
        for job in jobs:
            begun += 1
            if begun > on.stage.account.scored + 4 + 3:
                store.too_many.set()
            yield job

    on = rollouts(tmp_path, env, jobs, quick_engine, store=store, queue=3)
    played(on, counted(), slots=4)  # type: ignore[arg-type]
    on.stage.account.check()
    assert on.stage.account.scored == 20
    assert not store.too_many.is_set()


def test_too_many_failures_of_the_engines_end_the_run_with_what_they_say(tmp_path: Path) -> None:
    env = Corridor()
    jobs = jobs_of(env, 40)
    on = rollouts(tmp_path, env, jobs, stages.broken_engine)
    with pytest.raises(ClusterError, match=r"episodes failed as engine_error .*RuntimeError: out of memory"):
        played(on, jobs, slots=8)
    assert 0 < on.stage.account.failed["engine_error"] < 40


def test_an_engine_that_cannot_start_says_why_at_once(tmp_path: Path) -> None:
    env = Corridor()
    jobs = jobs_of(env, 4)
    with pytest.raises(ClusterError, match="engine 0 does not start: ModelError: no such model"):
        played(rollouts(tmp_path, env, jobs, stages.no_engine), jobs)


def test_an_actor_that_dies_while_it_starts_is_started_again(tmp_path: Path) -> None:
    env = Corridor()
    jobs = jobs_of(env, 4)
    on = rollouts(tmp_path, env, jobs, partial(stages.weak_engine, tmp_path / "note"))
    played(on, jobs)
    assert on.stage.account.scored == 4


def test_weights_that_no_engine_takes_are_an_error_that_says_so(tmp_path: Path) -> None:
    import torch

    env = Corridor()
    on = rollouts(tmp_path, env, [], stages.hf_engine)

    async def update() -> None:
        try:
            await on.update_weights({"no.such.weight": torch.zeros(1)})
        finally:
            await on.close()

    with pytest.raises(ClusterError, match="engine 0 does not start: EngineError: the weights do not fit the model"):
        asyncio.run(update())


def test_where_ray_has_no_such_cluster_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr("rollout.cluster.session._answered", {"auto"})  # it was there when it was asked
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **_: (_ for _ in ()).throw(ConnectionError("no GCS")))
    on = rollouts(tmp_path, Corridor(), [], address="auto")
    with pytest.raises(ClusterError, match="ray start --head"):
        asyncio.run(on.play([]))


def test_an_actor_refuses_to_work_with_shadowed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    import train_agent

    monkeypatch.setattr(train_agent, "shadowed", lambda: {"envs": Path("/elsewhere/envs/__init__.py")})
    with pytest.raises(ClusterError, match="/elsewhere/envs"):
        checked_installation()


@pytest.mark.parametrize("number", [{"workers": 0}, {"engines": 0}, {"queue": 0}, {"failure_share": 2.0}])
def test_numbers_out_of_range_are_refused(number: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="at least one of each"):
        rollouts(tmp_path, Corridor(), [], **number)
