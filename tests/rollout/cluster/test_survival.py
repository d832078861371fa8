"""Whole runs in processes of their own: what is left of Ray when the driver, a machine or the user ends them."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollout import read_trajectories
from tests.rollout.cluster.stages import Long, jobs_of, letters, slow_engine, stage
from tests.rollout.cluster.test_rollouts import QUICK, Strike
from tests.rollout.test_survival import gone

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]

RUN = """
import asyncio, sys
from pathlib import Path
from rollout.cluster.rollouts import RayRollouts
from tests.rollout.cluster.stages import Long, jobs_of, letters, slow_engine, stage

env = Long(max_steps=int(sys.argv[2]), in_process=False)
jobs = jobs_of(env, 4)
made = stage(Path(sys.argv[1]), env, jobs)

async def run():
    rollouts = RayRollouts(made, slow_engine, letters, workers=2, engines=2)
    try:
        await rollouts.play(jobs, slots=2)
    finally:
        await rollouts.close()

asyncio.run(run())
print(made.account)
"""


def family(pid: int) -> list[int]:
    """All descendants of a process; Ray's live in groups of their own."""
    found, todo = list[int](), [pid]
    while todo:
        listed = subprocess.run(["pgrep", "-P", str(todo.pop())], capture_output=True, text=True, check=False)
        children = [int(word) for word in listed.stdout.split()]
        found += children
        todo += children
    return found


def environments(pids: list[int]) -> int:
    """How many of them are the process of an environment."""

    def command(pid: int) -> bytes:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return b""

    return sum(b"rollout.env_process" in command(pid) for pid in pids)


def started(folder: Path, steps: int) -> tuple[subprocess.Popen[str], list[int]]:
    """A run that plays two episodes, and all processes of it."""
    words = [sys.executable, "-c", RUN, str(folder), str(steps)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    pids: list[int] = []
    while process.poll() is None and environments(pids) < 2:
        time.sleep(0.2)
        pids = family(process.pid)
    return process, pids


def test_a_run_that_has_ended_leaves_nothing_running(tmp_path: Path) -> None:
    process, pids = started(tmp_path, 20)
    printed, said = process.communicate(timeout=120)
    assert printed.strip() == "4 planned = 4 scored + 0 failed + 0 cancelled + 0 owed", said
    assert len(pids) > 5
    assert gone(pids)


def test_asked_twice_to_stop_it_stops_at_once_and_leaves_nothing_running(tmp_path: Path) -> None:
    process, pids = started(tmp_path, 10_000)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    said = iter(process.stderr.readline, "")  # a warning of Ray's interfaces may come first
    assert any("live episodes play to their end" in line for line in said)
    process.send_signal(signal.SIGINT)
    printed, rest = process.communicate(timeout=120)
    assert printed.strip() == "4 planned = 0 scored + 0 failed + 2 cancelled + 2 owed", rest
    assert gone(pids)
    assert [trajectory.ending for trajectory in read_trajectories(tmp_path)] == ["cancelled"] * 2


def test_when_the_driver_is_killed_everything_dies_with_it(tmp_path: Path) -> None:
    process, pids = started(tmp_path, 10_000)
    process.kill()
    process.communicate()
    assert gone(pids)  # within ten seconds: also Ray's agents, which look for their head for a minute


def test_a_machine_of_the_cluster_is_lost_and_the_run_goes_on(tmp_path: Path, nodes: Any) -> None:
    from rollout.cluster.rollouts import RayRollouts

    env = Long(max_steps=4)
    jobs = jobs_of(env, 60)
    lost: list[Any] = []
    before: set[str] = set()

    def lose() -> None:
        before.update(places(on))
        lost.append(next(node for node in nodes.worker_nodes if node.node_id in before))
        nodes.remove_node(lost[-1], allow_graceful=False)

    watcher: Any = Strike((10, lose))
    on = RayRollouts(
        stage(tmp_path, env, jobs, watcher),
        slow_engine,
        letters,
        workers=3,
        engines=3,
        address=nodes.address,
        patience=replace(QUICK, heartbeat=20),  # Ray says who is lost; three machines in one are slow to answer
    )
    after = asyncio.run(everything(on, jobs))
    on.stage.account.check()
    assert on.stage.account.scored == 60
    assert set(watcher.ids.values()) == {1}
    assert len(before) == 3
    assert lost[0].node_id in before - after
    assert gone(list(on.processes.values()))


async def everything(on: Any, jobs: list[Any]) -> set[str]:
    try:
        await on.play(jobs)
        return places(on)
    finally:
        await on.close()


def places(on: Any) -> set[str]:
    """The machines that actors are on."""
    return {member.node for kind in ("worker", "engine") for member in on._crew.members(kind)}
