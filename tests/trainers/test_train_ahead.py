"""Training runs of the smallest size that play while they update: killed, interrupted, and gone on with."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

import pytest

from eval.history import of_kind, read_metrics
from rollout import read_trajectories
from tests.trainers.killed import SMALLEST, FullDisk, interrupt, train

pytestmark = pytest.mark.slow

BOUND = 1
WORDS = (*SMALLEST, "--algo=grpo", f"--max-staleness={BOUND}", "--eval-tasks=0", "--select-tasks=0")


def words(run: Path, save_steps: int = 2) -> list[str]:
    return [*WORDS, f"--save-steps={save_steps}", "-o", str(run)]


def check(run: Path) -> None:
    """Four iterations, each counted once, of episodes that were each scored once and sampled by fresh weights."""
    records = of_kind(read_metrics(run), "iteration")
    assert [record["iteration"] for record in records] == [1, 2, 3, 4]
    assert [record["episodes"] for record in records] == [8, 16, 24, 32]
    assert all(record["staleness"]["max"] <= BOUND for record in records)
    assert all("stale" not in record["groups"] for record in records)
    assert all(record["importance"] == pytest.approx(1.0, abs=0.2) for record in records)
    stored = read_trajectories(run)
    assert not stored.twice
    assert sum(one.scored for one in stored) >= 32
    assert (run / "model" / "model.safetensors").stat().st_size > 0


def test_an_uninterrupted_run_plays_no_more_than_it_learns_from(tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    assert train(words(run), log) == 0, log.read_text()
    check(run)
    assert len(read_trajectories(run)) == 32
    first, *others = of_kind(read_metrics(run), "iteration")
    # What was sampled by the trainer's own weights needs no correction, and what was sampled by older ones does.
    assert first["staleness"] == {"mean": 0.0, "max": 0}
    assert first["importance"] == pytest.approx(1.0, abs=1e-4)
    assert any(abs(other["importance"] - 1.0) > 1e-4 for other in others)
    assert all("wait" in record["seconds"] for record in (first, *others))
    versions = [{step.version for step in one.steps} for one in read_trajectories(run)]
    assert max(map(max, versions)) - min(map(min, versions)) in (2, 3)


@pytest.mark.parametrize(
    ("save_steps", "point", "count"),
    [
        (2, "episode", 5),  # without a checkpoint
        (2, "episode", 28),  # after one, with episodes of the third and the fourth iteration under way
        (1, "update", 3),
        (2, "record", 3),
        (1, "weights", 2),
        (1, "seal", 2),
    ],
)
def test_killed_there_and_resumed_a_run_plays_nothing_twice_and_learns_from_all(
    save_steps: int, point: str, count: int, tmp_path: Path
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    assert train(words(run, save_steps), log, point, count) == -signal.SIGKILL, log.read_text()
    before = {one.id for one in read_trajectories(run) if one.scored}
    assert train([*words(run, save_steps), "--resume"], log) == 0, log.read_text()
    check(run)
    stored = read_trajectories(run)
    assert before <= {one.id for one in stored}
    # What was on disk is all learned from: no task is played beyond those that four iterations want.
    assert len(stored) == 32


@pytest.mark.parametrize(("point", "count"), [("turn", 9), ("update", 2)])
def test_after_ctrl_c_the_run_says_by_which_command_it_goes_on(point: str, count: int, tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    assert train(words(run, 1), log, point, count, happens=interrupt) == 130, log.read_text()
    said = log.read_text()
    assert "Traceback" not in said
    command = shlex.split(said.rpartition("go on with: ")[2])
    assert train(command[2:], log) == 0, log.read_text()
    check(run)


def test_a_full_disk_ends_the_run_in_words(tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    assert train(words(run), log, "record", 1, happens=FullDisk(2_000)) == 1, log.read_text()
    said = log.read_text()
    assert "Traceback" not in said
    assert "cannot be written" in said
    assert train([*words(run), "--resume"], log) == 0, log.read_text()
    check(run)
