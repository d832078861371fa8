"""SIGKILL, Ctrl-C and a full disk at named points of a training run, and SIGTERM at random ones, then `--resume`: the
same weights and numbers.

So many random moments by algorithm as TRAIN_AGENT_MOMENTS says, 2 by default:

    TRAIN_AGENT_MOMENTS=20 python -m pytest tests/trainers/test_train_killed.py -k random_moment
"""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eval.history import read_metrics
from rollout import Trajectory, read_trajectories
from tests.trainers.killed import SMALLEST, FullDisk, cpu_seconds, interrupt, terminate, train

ALGORITHMS = {
    # Two updates of an iteration's episodes: checkpoints are numbered by updates, and rows are shuffled.
    "grpo": ("--algo=grpo", "--steps-per-generation=2"),
    "dpo": ("--algo=dpo", "--train-batch-size=2", "--inadmissible-penalty=0"),
}
MOMENTS = int(os.environ.get("TRAIN_AGENT_MOMENTS", "2"))
TIMES = ("seconds", "time", "tokens_per_second", "slots", "engine_busy")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Left:
    """What a run leaves behind, but for times."""

    metrics: list[dict[str, Any]]
    episodes: dict[str, Any]
    score: list[Any]
    weights: bytes


def left(run: Path) -> Left:
    stored = read_trajectories(run)
    assert not stored.twice
    scores = [json.loads(file.read_bytes()) for file in sorted((run / "eval").glob("*.json"))]
    return Left(
        metrics=[{k: v for k, v in record.items() if k not in TIMES} for record in read_metrics(run)],
        episodes={one.id: (one.success, one.score, _said(one)) for one in stored},
        score=[(score["summary"]["success"], [row["success"] for row in score["episodes"]]) for score in scores],
        weights=(run / "model" / "model.safetensors").read_bytes(),
    )


def _said(episode: Trajectory) -> list[tuple[int, ...]]:
    # Not the logprobs: their last decimal depends on who else was in the batch.
    return [step.tokens.completion_ids for step in episode.steps if step.tokens]


def words(algo: str, run: Path, save_steps: int) -> list[str]:
    return [*SMALLEST, *ALGORITHMS[algo], f"--save-steps={save_steps}", "-o", str(run)]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By algorithm, where an uninterrupted run and its log are."""
    found = {}
    for algo in ALGORITHMS:
        found[algo] = place = tmp_path_factory.mktemp(algo)
        assert train(words(algo, place / "run", 2), place / "log") == 0, (place / "log").read_text()
    return found


@pytest.fixture(scope="module")
def uninterrupted(places: dict[str, Path]) -> dict[str, Left]:
    """What these runs leave."""
    return {algo: left(place / "run") for algo, place in places.items()}


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_a_run_learns_in_every_iteration_and_is_scored_before_and_after(
    algo: str, uninterrupted: dict[str, Left]
) -> None:
    metrics = uninterrupted[algo].metrics
    assert [record["iteration"] for record in metrics if record["kind"] == "iteration"] == [1, 2, 3, 4]
    assert all(record["grad_norm"] > 0 for record in metrics if record["kind"] == "iteration")
    scored = [(record["iteration"], record["name"]) for record in metrics if record["kind"] == "evaluation"]
    assert scored == [(0, "valid_unseen"), (2, "valid_seen"), (4, "valid_seen"), (4, "valid_unseen")]
    assert len(uninterrupted[algo].episodes) == 32
    assert len(uninterrupted[algo].score) == 1


@pytest.mark.parametrize(
    ("algo", "save_steps", "point", "count"),
    [
        ("grpo", 2, "first score", 2),
        ("grpo", 2, "episode", 4),  # without a checkpoint
        ("grpo", 2, "episode", 29),  # two iterations after one: the third is learned again from stored episodes
        ("grpo", 2, "update", 7),
        ("grpo", 2, "selection", 1),
        ("grpo", 2, "record", 4),
        ("grpo", 1, "weights", 3),
        ("grpo", 1, "seal", 2),
        ("grpo", 2, "naming the best", 2),
        ("grpo", 2, "last score", 2),
        ("grpo", 2, "card", 1),
        ("grpo", 2, "report", 1),
        ("dpo", 2, "episode", 29),
        ("dpo", 1, "update", 3),
        ("dpo", 2, "selection", 2),
        ("dpo", 1, "weights", 3),
        ("dpo", 2, "seal", 2),
    ],
)
def test_killed_there_and_resumed_a_run_ends_like_an_uninterrupted_one(
    algo: str, save_steps: int, point: str, count: int, uninterrupted: dict[str, Left], tmp_path: Path
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    assert train(words(algo, run, save_steps), log, point, count) == -signal.SIGKILL, log.read_text()
    assert train([*words(algo, run, save_steps), "--resume"], log) == 0, log.read_text()
    found, expected = left(run), uninterrupted[algo]
    assert found.metrics == expected.metrics
    assert found.episodes == expected.episodes
    assert found.score == expected.score
    assert found.weights == expected.weights


def test_a_run_that_goes_on_beyond_its_end_is_scored_anew(uninterrupted: dict[str, Left], tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    assert train([*words("dpo", run, 2), "--iterations=2"], log) == 0, log.read_text()
    assert train([*words("dpo", run, 2), "--resume"], log) == 0, log.read_text()
    found, expected = left(run), uninterrupted["dpo"]
    assert found.weights == expected.weights
    assert found.score == expected.score
    in_between = [record for record in found.metrics if record["iteration"] == 2 and record.get("final")]
    assert len(in_between) == 1
    assert [record for record in found.metrics if record not in in_between] == expected.metrics


@pytest.mark.parametrize(
    ("algo", "point", "counts", "ended"),
    [
        ("grpo", "turn", (3,), 3),  # the three that were under way play to their end
        ("grpo", "turn", (3, 5), 0),
        ("dpo", "update", (1,), 8),
    ],
)
def test_after_ctrl_c_the_run_says_by_which_command_it_goes_on(
    algo: str, point: str, counts: tuple[int, ...], ended: int, uninterrupted: dict[str, Left], tmp_path: Path
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    asked = [*words(algo, run, 2), "--eval-tasks=0"]
    assert train(asked, log, point, *counts, happens=interrupt) == 130, log.read_text()
    assert sum(one.scored for one in read_trajectories(run)) == ended
    said = log.read_text()
    assert "Traceback" not in said
    command = shlex.split(said.rpartition("go on with: ")[2])
    assert (Path(command[0]).name, command[1]) == ("train-agent", "train")
    assert train(command[2:], log) == 0, log.read_text()
    found = left(run)
    assert found.weights == uninterrupted[algo].weights
    assert found.episodes == uninterrupted[algo].episodes


# The weights take 3.4 MB and the optimiser's state 6.8 MB.
@pytest.mark.parametrize(("algo", "room"), [("grpo", 2_000_000), ("grpo", 5_000_000), ("dpo", 2_000_000)])
def test_a_disk_that_is_full_stops_the_run_and_costs_no_episode(
    algo: str, room: int, uninterrupted: dict[str, Left], tmp_path: Path
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    assert train(words(algo, run, 2), log, "record", 2, happens=FullDisk(room)) == 1, log.read_text()
    said = log.read_text()
    assert "Traceback" not in said
    assert f"{run}: cannot be written" in said
    assert "then go on with: " in said
    assert len(read_trajectories(run)) == 16
    assert train([*words(algo, run, 2), "--resume"], log) == 0, log.read_text()
    assert left(run) == uninterrupted[algo]


@pytest.mark.parametrize("moment", range(MOMENTS))
@pytest.mark.parametrize("algo", ALGORITHMS)
def test_after_sigterm_at_a_random_moment_nothing_finished_is_lost(
    algo: str, moment: int, places: dict[str, Path], uninterrupted: dict[str, Left], tmp_path: Path
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    after = random.Random(f"{algo} {moment}").random() * cpu_seconds(places[algo] / "log")
    code = train(words(algo, run, 100), log, happens=terminate, after=after)
    said = log.read_text()
    assert code in (0, 128 + signal.SIGTERM, -signal.SIGTERM), said  # the last before the run has been opened
    assert "Traceback" not in said
    if code == 128 + signal.SIGTERM:
        done = [record["iteration"] for record in read_metrics(run) if record["kind"] == "iteration"]
        saved = sorted(json.loads(file.read_bytes())["run"]["iteration"] for file in run.glob("checkpoints/*/run.json"))
        assert saved[-1:] == done[-1:]
        assert (run / "model" / "model.safetensors").exists() == bool(done)
        assert (run / "report.html").exists()
    begun = (run / "config.yaml").exists()
    assert train([*words(algo, run, 100), *(["--resume"] if begun else [])], log) == 0, log.read_text()
    found, expected = left(run), uninterrupted[algo]
    for record, other in zip(found.metrics, expected.metrics, strict=True):
        assert record == other
    assert found == expected
