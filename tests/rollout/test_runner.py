"""Episodes end in a trajectory whatever the environment does, and every one of them is accounted for."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from envs.protocol import Message
from rollout import collect, read_trajectories
from rollout.collect import ResumeError
from rollout.engine import ContextOverflow, EngineError
from rollout.host import Deadlines
from rollout.policy import Episode, Reply, Turn
from rollout.runner import Stop
from tests.rollout.corridor import FAULTS, Corridor

QUICK = Deadlines(start=60, reset=2, step=2, generate=0.2, episode=20)
IN_PROCESS = FAULTS[:5]
CLASSES = {
    "hangs in python": "env_timeout",
    "hangs in c": "env_timeout",
    "ignores sigterm and hangs": "env_timeout",
    "exits": "env_died",
    "is killed": "env_died",
}


def children() -> set[str]:
    listed = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=False)
    return set(listed.stdout.split())


def test_every_episode_is_scored_on_disk_and_booked(tmp_path: Path) -> None:
    done = collect(Corridor(), output=tmp_path, per_task=2)
    assert done.complete
    assert str(done.account) == "8 planned = 8 scored + 0 failed + 0 cancelled + 0 owed"
    assert {trajectory.id for trajectory in done.trajectories} == {f"walk-{i}#{j}" for i in range(4) for j in range(2)}
    first = done.trajectories[0]
    assert (first.success, first.score, first.ending, len(first.steps)) == (True, 1.0, "terminated", 2)
    assert first.steps[0].actions == ("right",)
    assert first.steps[0].observations == ("You are at place 1.",)
    assert first.lineage["env"]["tasks"] == 4


@pytest.mark.parametrize("fault", IN_PROCESS)
def test_a_fault_in_this_process_fails_its_episode_and_no_other(fault: str, tmp_path: Path) -> None:
    done = collect(Corridor(fault=fault), output=tmp_path, deadlines=QUICK)
    assert str(done.account) == "4 planned = 3 scored + 1 failed (env_error 1) + 0 cancelled + 0 owed"
    failed = next(trajectory for trajectory in done.trajectories if trajectory.failure)
    assert (failed.task, failed.ending, failed.success, failed.score) == ("walk-1", "error", None, None)
    assert failed.failure is not None
    assert "\n" not in failed.failure.message


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_another_process_fails_its_episode_and_leaves_nothing_running(fault: str, tmp_path: Path) -> None:
    before = children()
    env = Corridor(fault=fault, in_process=False)
    done = collect(env, output=tmp_path, deadlines=QUICK, workers=2)
    kind = CLASSES.get(fault, "env_error")
    assert str(done.account) == f"4 planned = 3 scored + 1 failed ({kind} 1) + 0 cancelled + 0 owed"
    assert children() <= before


class Odd:
    """A policy that does one odd thing on one task."""

    name = "odd"
    capacity = 4
    window: int | None = None

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def player(self, episode: Episode) -> Odd:
        return Odd(self.fault if episode.task.id == "walk-1" else "")

    async def act(self, turn: Turn) -> Reply:
        match self.fault:
            case "hangs":
                await asyncio.sleep(3600)
            case "engine":
                raise EngineError("out of memory")
            case "overflow":
                raise ContextOverflow("2048 tokens")
            case "bug":
                raise KeyError("x")
        return Reply(Message("assistant", "Action: right"))

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("fault", "kind"), [("hangs", "engine_timeout"), ("engine", "engine_error"), ("bug", "policy_error")]
)
def test_a_fault_of_the_policy_is_counted_by_its_class(fault: str, kind: str, tmp_path: Path) -> None:
    done = collect(Corridor(), Odd(fault), output=tmp_path, deadlines=QUICK)
    assert done.account.failed == {kind: 1}
    assert done.account.scored == 3


def test_a_full_context_ends_the_episode_cleanly_and_it_is_scored(tmp_path: Path) -> None:
    done = collect(Corridor(), Odd("overflow"), output=tmp_path, deadlines=QUICK)
    assert done.account.scored == 4
    assert [t.ending for t in done.trajectories if t.task == "walk-1"] == ["overlong"]
    assert [t.success for t in done.trajectories if t.task == "walk-1"] == [False]


class Silent(Odd):
    """Never calls a function."""

    def player(self, episode: Episode) -> Silent:
        return self

    async def act(self, turn: Turn) -> Reply:
        return Reply(Message("assistant", "I would rather think."))


def test_turns_that_the_protocol_answers_count_against_the_limit(tmp_path: Path) -> None:
    done = collect(Corridor(tasks=1, max_steps=4), Silent(""), output=tmp_path, protocol="tool")
    (trajectory,) = done.trajectories
    assert (trajectory.ending, trajectory.success, len(trajectory.steps)) == ("truncated", False, 4)
    assert all(step.actions == () and not step.valid for step in trajectory.steps)


def test_a_resumed_run_plays_only_what_is_missing(tmp_path: Path) -> None:
    env = Corridor(fault="step raises")
    collect(env, output=tmp_path, deadlines=QUICK)
    env.fault = ""
    done = collect(env, output=tmp_path, deadlines=QUICK, resume=True)
    assert str(done.account) == "1 planned = 1 scored + 0 failed + 0 cancelled + 0 owed"
    assert len(done.trajectories) == 4
    assert done.trajectories.superseded == ["walk-1#0"]
    assert all(trajectory.success for trajectory in done.trajectories)


def test_a_folder_of_another_run_is_not_written_into(tmp_path: Path) -> None:
    collect(Corridor(), output=tmp_path)
    with pytest.raises(ResumeError, match="--resume"):
        collect(Corridor(), output=tmp_path)
    with pytest.raises(ResumeError, match=r"seed: 0 there, 1 now"):
        collect(Corridor(), output=tmp_path, resume=True, seed=1)
    with pytest.raises(ResumeError, match=r"env.tasks: 4 there, 5 now"):
        collect(Corridor(tasks=5), output=tmp_path, resume=True)


def test_only_successes_are_kept_whole_but_every_episode_has_its_line(tmp_path: Path) -> None:
    done = collect(Corridor(max_steps=3), "random", output=tmp_path, keep="success", per_task=10)
    assert done.account.scored == 40
    assert all(bool(trajectory.steps) == trajectory.success for trajectory in done.trajectories)
    assert {trajectory.success for trajectory in done.trajectories} == {True, False}


def test_the_same_seed_plays_the_same_episodes(tmp_path: Path) -> None:
    runs = [
        collect(Corridor(), "random", output=tmp_path / name, seed=3, workers=n) for name, n in (("a", 1), ("b", 4))
    ]
    actions = [{t.id: [step.actions for step in t.steps] for t in run.trajectories} for run in runs]
    assert actions[0] == actions[1]


def test_one_request_to_stop_lets_live_episodes_finish(tmp_path: Path) -> None:
    stop = Stop()
    stop.ask()
    done = collect(Corridor(), output=tmp_path, stop=stop, workers=2)
    assert not done.complete
    assert done.account.owed == 4
    assert collect(Corridor(), output=tmp_path, resume=True).complete


RUN = """
import sys
from rollout import collect
from tests.rollout.corridor import Corridor
from tests.rollout.test_runner import Slow
done = collect(Corridor(tasks=400), Slow(), output=sys.argv[1], resume=True)
print(done.account)
"""


class Slow(Odd):
    """Takes 20 ms a turn."""

    def __init__(self) -> None:
        super().__init__("")

    def player(self, episode: Episode) -> Slow:
        return Slow()

    async def act(self, turn: Turn) -> Reply:
        await asyncio.sleep(0.02)
        return Reply(Message("assistant", "Action: right"))


def start(folder: Path, lines: int) -> subprocess.Popen[str]:
    """A collection in another process, once it has written so many lines."""
    process = subprocess.Popen([sys.executable, "-c", RUN, str(folder)], stdout=subprocess.PIPE, text=True)
    file = folder / "episodes" / "episodes.jsonl"
    while process.poll() is None and (not file.exists() or file.read_bytes().count(b"\n") < lines):
        time.sleep(0.01)
    return process


def test_ctrl_c_once_ends_cleanly_and_the_rest_is_owed(tmp_path: Path) -> None:
    process = start(tmp_path, 8)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "0 cancelled" in printed
    found = read_trajectories(tmp_path)
    assert not found.bad
    assert f"400 planned = {len(found)} scored" in printed


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed_it_scores_what_an_uninterrupted_run_scores(tmp_path: Path) -> None:
    for lines in (1, 50, 130, 260):
        process = start(tmp_path / "killed", lines)
        process.kill()
        process.wait()
    process = start(tmp_path / "killed", 1_000)
    process.communicate(timeout=60)
    whole = collect(Corridor(tasks=400), Slow(), output=tmp_path / "whole")
    killed = read_trajectories(tmp_path / "killed")
    assert not killed.twice
    scores = [{t.id: (t.success, t.score, len(t.steps)) for t in run} for run in (killed, whole.trajectories)]
    assert scores[0] == scores[1]
