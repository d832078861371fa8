"""What a run survives: signals, the death of its parts and of itself, and ten thousand episodes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envs import ContractError, Outcome
from envs.base import Info
from envs.protocol import Message, Protocol
from envs.protocols import ToolProtocol
from rollout import collect, read_trajectories
from rollout.collect import ResumeError
from rollout.host import Deadlines, EnvFailure, ProcessHost
from rollout.policy import Episode, Reply, Turn
from tests.rollout.corridor import Corridor
from tests.rollout.killed import POINTS, score

ROOT = Path(__file__).parents[2]


class Patient:
    """A policy that never answers."""

    name = "patient"
    capacity = 3
    window: int | None = None

    def player(self, episode: Episode) -> Patient:
        return self

    async def act(self, turn: Turn) -> Reply:
        await asyncio.sleep(3600)
        raise AssertionError("an hour has passed")

    async def close(self) -> None:
        pass


RUN = """
import sys
from rollout import collect
from tests.rollout.corridor import Corridor
from tests.rollout.test_survival import Patient
policy, fault, folder = sys.argv[1:]
env = Corridor(tasks=9, fault=fault, faulty=0, in_process=False)
done = collect(env, Patient() if policy == "patient" else policy, output=folder)
print(done.account)
"""


def started(policy: str, fault: str, folder: Path, ready: Callable[[int], bool]) -> subprocess.Popen[str]:
    """A collection in another process, once it is ready."""
    words = [sys.executable, "-c", RUN, policy, fault, str(folder)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    while process.poll() is None and not ready(process.pid):
        time.sleep(0.02)
    return process


def children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in listed.stdout.split()]


def gone(pids: list[int]) -> bool:
    """Whether all of them end; a process that nobody waits for counts as ended."""
    for _ in range(500):
        left = [pid for pid in pids if _state(pid) not in ("", "Z")]
        if not left:
            return True
        time.sleep(0.02)
    return False


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_twice_to_stop_it_stops_at_once_and_what_was_cut_off_is_cancelled(
    number: signal.Signals, tmp_path: Path
) -> None:
    process = started("patient", "", tmp_path, lambda pid: len(children(pid)) == 3)
    hosts = children(process.pid)
    process.send_signal(number)
    assert process.stderr is not None
    assert "live episodes play to their end" in process.stderr.readline()
    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)
    assert printed.strip() == "9 planned = 0 scored + 0 failed + 3 cancelled + 6 owed"
    assert gone(hosts)
    assert [trajectory.ending for trajectory in read_trajectories(tmp_path)] == ["cancelled"] * 3


class Walk(Patient):
    """Walks right."""

    async def act(self, turn: Turn) -> Reply:
        return Reply(Message("assistant", "Action: right"))


@pytest.mark.slow
def test_when_the_run_is_killed_its_environments_die_also_while_they_hang_in_c(tmp_path: Path) -> None:
    file = tmp_path / "episodes" / "episodes.jsonl"
    # The other slots have played everything: what is left is the hanging step.
    process = started(
        "expert", "hangs in c", tmp_path, lambda pid: file.exists() and file.read_bytes().count(b"\n") == 8
    )
    hosts = children(process.pid)
    assert hosts
    process.kill()
    process.communicate()
    assert gone(hosts)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point_and_resumed_the_score_is_that_of_an_uninterrupted_run(
    point: str, tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "tests.rollout.killed", str(tmp_path / "killed"), point]
    assert subprocess.run(words, cwd=ROOT, check=False, timeout=120).returncode == -signal.SIGKILL
    killed, whole = score(tmp_path / "killed"), score(tmp_path / "whole")
    assert not killed.collected.trajectories.twice
    assert killed.file.is_file()
    assert without_seconds(killed.result.to_dict()) == without_seconds(whole.result.to_dict())


def without_seconds(result: dict[str, Any]) -> dict[str, Any]:
    del result["summary"]["seconds"]
    for row in result["episodes"]:
        del row["seconds"], row["link"]
    result["episodes"].sort(key=lambda row: row["id"])
    return result


class Talkative(Corridor):
    """Answers a step twice: once under the number of the step before, with a victory that never was."""

    def _act(self, action: str) -> Outcome:
        assert stat.S_ISFIFO(os.fstat(3).st_mode)  # where the process answers
        self.number = getattr(self, "number", 2) + 1
        body = pickle.dumps((False, ("You won long ago.", 1.0, True, False, {})))
        os.write(3, struct.pack("!QI", self.number - 1, len(body)) + body)
        return super()._act(action)


class Nesting(Corridor):
    """Starts a process of its own and hangs."""

    def _act(self, action: str) -> Outcome:
        child = subprocess.Popen(["sleep", "3600"])
        Path(self.note).write_text(str(child.pid))
        time.sleep(3600)
        raise AssertionError

    note = ""


class Broken(Corridor):
    """Does not come to life in another process."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise RuntimeError("no display")


class Locked(Corridor):
    """Holds what does not pickle."""

    def __init__(self) -> None:
        super().__init__(in_process=False)
        self.lock = threading.Lock()


class Stuck(Corridor):
    """Does not close."""

    def close(self) -> None:
        raise RuntimeError("the door is stuck")


class Rough(Corridor):
    """Says of its state what no line of JSON can hold."""

    def _info(self) -> Info:
        return {**super()._info(), "state": b"\x00"}


def test_an_answer_that_comes_late_is_not_credited_to_the_next_step() -> None:
    async def play() -> list[tuple[str, float]]:
        host = ProcessHost(Talkative(in_process=False), Deadlines())
        try:
            await host.reset("walk-0", 0)
            return [tuple(await host.step("right"))[:2] for _ in range(2)]
        finally:
            await host.close()

    assert asyncio.run(play()) == [("You are at place 1.", 0.0), ("You are at place 2.", 1.0)]


def test_after_a_deadline_the_next_episode_has_a_process_of_its_own() -> None:
    async def play() -> str:
        host = ProcessHost(Corridor(in_process=False, fault="hangs in python"), Deadlines(step=0.3))
        try:
            await host.reset("walk-1", 0)
            with pytest.raises(EnvFailure, match=r"step took longer than 0\.3 s"):
                await host.step("right")
            with pytest.raises(EnvFailure, match="the environment's process is gone"):
                await host.step("right")
            await host.reset("walk-0", 0)
            return (await host.step("right")).observation
        finally:
            await host.close()

    assert asyncio.run(play()) == "You are at place 1."


def test_what_a_killed_environment_had_started_is_killed_with_it(tmp_path: Path) -> None:
    env = Nesting(tasks=1, in_process=False)
    env.note = str(tmp_path / "pid")
    done = collect(env, output=tmp_path / "run", deadlines=Deadlines(step=1.0))
    assert done.account.failed == {"env_timeout": 1}
    assert gone([int((tmp_path / "pid").read_text())])


def test_an_environment_that_does_not_come_to_life_fails_every_episode_by_what_it_said(tmp_path: Path) -> None:
    done = collect(Broken(tasks=2, in_process=False), output=tmp_path, workers=1)
    assert done.account.failed == {"env_error": 2}
    assert {t.failure.message for t in done.trajectories if t.failure} == {"RuntimeError: no display"}


def test_an_environment_that_does_not_pickle_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"Locked: the environment cannot be sent .*__getstate__"):
        collect(Locked(), output=tmp_path)


def test_an_environment_that_does_not_close_is_reported_and_its_episodes_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert collect(Stuck(), output=tmp_path).complete
    assert "did not close: RuntimeError: the door is stuck" in caplog.text


def test_what_cannot_be_written_as_json_fails_its_episode(tmp_path: Path) -> None:
    done = collect(Rough(), output=tmp_path)
    assert done.account.failed == {"env_error": 4}
    assert "info's state is bytes" in str(done.trajectories[0].failure)


def test_an_error_of_who_watches_ends_the_run_and_does_not_freeze_it(tmp_path: Path) -> None:
    class Clumsy:
        def waits(self, slot: int, job: object, cause: str) -> None:
            pass

        def ended(self, trajectory: object, account: object) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        collect(Corridor(), output=tmp_path, watcher=Clumsy())
    assert collect(Corridor(), output=tmp_path, resume=True).complete


def test_a_policy_s_own_timeout_is_not_taken_for_the_episode_s(tmp_path: Path) -> None:
    class Hasty(Walk):
        async def act(self, turn: Turn) -> Reply:
            raise TimeoutError("the socket")

    done = collect(Corridor(tasks=1), Hasty(), output=tmp_path)
    assert done.account.failed == {"policy_error": 1}
    done = collect(Corridor(tasks=1), Patient(), output=tmp_path / "b", deadlines=Deadlines(episode=0.1))
    assert done.account.failed == {"episode_timeout": 1}


def test_an_episode_that_is_begun_again_counts_its_attempts(tmp_path: Path) -> None:
    env = Corridor(fault="step raises")
    for _ in range(2):
        collect(env, output=tmp_path, resume=True)
    env.fault = ""
    done = collect(env, output=tmp_path, resume=True)
    assert {t.task: t.attempt for t in done.trajectories} == {"walk-0": 0, "walk-1": 2, "walk-2": 0, "walk-3": 0}


def test_episodes_without_a_config_are_not_added_to(tmp_path: Path) -> None:
    collect(Corridor(), output=tmp_path)
    (tmp_path / "config.yaml").unlink()
    with pytest.raises(ResumeError, match=r"no config\.yaml"):
        collect(Corridor(), output=tmp_path, resume=True)


MANY = """
import json, os, sys, threading
from rollout import collect
from tests.rollout.corridor import Corridor

class Meter:
    def __init__(self):
        self.read = []
    def waits(self, slot, job, cause):
        pass
    def ended(self, trajectory, account):
        if account.scored in (2_000, 10_000):
            size = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            self.read.append([size, len(os.listdir("/proc/self/fd")), threading.active_count()])

meter = Meter()
done = collect(Corridor(tasks=10_000), output=sys.argv[1], watcher=meter)
print(json.dumps([done.account.scored, *meter.read]))
"""


@pytest.mark.slow
def test_ten_thousand_episodes_leave_memory_descriptors_and_threads_as_they_were(tmp_path: Path) -> None:
    words = [sys.executable, "-c", MANY, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT, timeout=300)
    scored, (early, descriptors, _), (late, later, threads) = json.loads(done.stdout)
    assert scored == 10_000
    assert later == descriptors
    assert threads <= 8 + (os.cpu_count() or 1)  # asyncio's pool grows to its limit when the machine is busy
    assert late - early < 8 << 20


def test_a_turn_without_an_action_is_neither_admissible_nor_inadmissible(tmp_path: Path) -> None:
    class Brief(ToolProtocol):
        max_turns = 1

    class Mute(Corridor):
        def protocol(self, name: str) -> Protocol:
            return Brief("", self.tools)

    class Idle(Walk):
        def player(self, episode: Episode) -> Idle:
            return self

        async def act(self, turn: Turn) -> Reply:
            return Reply(Message("assistant", "I would rather not."))

    (trajectory,) = collect(Mute(tasks=1), Idle(), output=tmp_path).trajectories
    assert [(step.actions, step.valid, step.admissible) for step in trajectory.steps] == [((), False, None)]
