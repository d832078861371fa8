"""A training run on Ray, as a person types it, whose driver is killed and which goes on with `--resume`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eval.history import of_kind, read_metrics
from rollout import read_trajectories
from tests.rollout.cluster.test_survival import family
from tests.rollout.test_survival import gone
from tests.trainers.killed import SMALLEST, kill, train

pytestmark = pytest.mark.slow

WORDS = (
    *(*SMALLEST, "--algo=grpo", "--iterations=2", "--save-steps=1", "--eval-tasks=0", "--select-tasks=0"),
    *("--ray=auto", "--workers=2", "--engines=2"),
)


@dataclass(frozen=True)
class Death:
    """SIGKILL, once the processes that have to go too are noted."""

    file: Path

    def __call__(self) -> None:
        self.file.write_text(json.dumps(family(os.getpid())))
        kill()


def test_an_adapter_is_trained_on_ray_and_the_engines_play_with_it(tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    assert train([*WORDS, "--use-peft", "--lora-r=4", "-o", str(run)], log) == 0, log.read_text()
    records = of_kind(read_metrics(run), "iteration")
    assert [record["episodes"] for record in records] == [8, 16]
    # By the weights after an update, engine and trainer still agree: without the adapter they would not.
    assert all(abs(record["importance"] - 1) < 0.01 for record in records)


def test_on_a_cluster_that_goes_on_a_killed_driver_takes_its_actors_along_and_is_resumed(
    tmp_path: Path, nodes: Any
) -> None:
    run, log, pids = tmp_path / "run", tmp_path / "log", tmp_path / "pids"
    words = [*WORDS, f"--ray={nodes.address}", "-o", str(run)]
    assert train(words, log, "update", 2, happens=Death(pids)) == -signal.SIGKILL, log.read_text()
    assert gone([pid for pid in family(os.getpid()) if is_actor(pid)])
    assert train([*words, "--resume"], log) == 0, log.read_text()
    stored = read_trajectories(run)
    assert not stored.twice
    assert sum(one.scored for one in stored) == len(stored) == 16


def is_actor(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith((b"ray::WorkerActor", b"ray::EngineActor"))
    return False


def test_a_run_whose_driver_is_killed_leaves_nothing_running_and_goes_on_without_playing_twice(tmp_path: Path) -> None:
    run, log, pids = tmp_path / "run", tmp_path / "log", tmp_path / "pids"
    words = [*WORDS, "-o", str(run)]
    assert train(words, log, "episode", 3, happens=Death(pids)) == -signal.SIGKILL, log.read_text()
    processes = json.loads(pids.read_text())
    assert len(processes) > 5
    assert gone(processes)
    before = {one.id for one in read_trajectories(run) if one.scored}
    assert len(before) >= 3
    assert train([*words, "--resume"], log) == 0, log.read_text()
    stored = read_trajectories(run)
    assert not stored.twice
    assert before <= {one.id for one in stored}
    assert sum(one.scored for one in stored) == len(stored) == 16
    records = of_kind(read_metrics(run), "iteration")
    assert [(record["iteration"], record["episodes"]) for record in records] == [(1, 8), (2, 16)]
