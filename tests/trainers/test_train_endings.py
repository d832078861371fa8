"""Every way in which a training run ends leaves a checkpoint, a model and a report, and the run can be resumed."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.history import of_kind, read_metrics
from rollout import read_trajectories
from tests.trainers.killed import SMALLEST, WORD, FullDisk, fail, interrupt, terminate, train
from tests.trainers.test_train_killed import left

pytestmark = pytest.mark.slow

ALGORITHMS = {
    "grpo": ("--algo=grpo",),
    "grpo of several updates": ("--algo=grpo", "--steps-per-generation=2"),
    "gigpo": ("--algo=gigpo",),
    "grpo that plays ahead": ("--algo=grpo", "--max-staleness=1"),
    "grpo with a penalty": ("--algo=grpo", "--inadmissible-penalty=0.1"),
    "dpo": ("--algo=dpo",),
    "kto": ("--algo=kto",),
    "sft": ("--algo=sft", "--iterations=3"),
}


def iterations(run: Path) -> list[dict[str, Any]]:
    return of_kind(read_metrics(run), "iteration")


def saved(run: Path) -> list[int]:
    """The iterations of the checkpoints."""
    files = (run / "checkpoints").glob("checkpoint-*/run.json")
    return sorted(json.loads(file.read_bytes())["run"]["iteration"] for file in files)


def check_left(run: Path) -> None:
    assert (run / "model" / "model.safetensors").stat().st_size > 0
    assert (run / "model" / "README.md").read_text().splitlines()[8:]
    assert "Learning curve" in (run / "report.html").read_text()


@pytest.mark.parametrize("algo", [name for name in ALGORITHMS if name != "sft"])
def test_a_run_that_learns_its_task_ends_well_before_its_last_iteration(algo: str, tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    assert train([*WORD, *ALGORITHMS[algo], "-o", str(run)], log) == 0, log.read_text()
    records = iterations(run)
    assert 3 <= len(records) < 20
    assert [record["skipped"] for record in records[-3:]] == [records[-1]["skipped"] - n for n in (2, 1, 0)]
    assert "loss" in records[0]
    assert all(record["success"] == 1 and "loss" not in record for record in records[-2:])
    said = log.read_text()
    assert "no learning signal (all solved 2), the update is skipped" in said
    assert f"Training ended after {len(records)} of 20 iterations: every episode of the last 2 solved its task." in said
    assert saved(run)[-1] == len(records)
    check_left(run)
    assert "every episode of the last 2 solved its task" in (run / "report.html").read_text()
    (score,) = left(run).score
    assert score[0]["value"] == 1


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_where_nothing_is_ever_solved_the_run_says_so_and_its_weights_are_as_they_were(
    algo: str, tmp_path: Path
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    words = [*WORD, *ALGORITHMS[algo], "--env-args", "word=xyzzy", "-o", str(run)]
    assert train([*words, "--json"], log) == 1, log.read_text()
    assert [record["skipped"] for record in iterations(run)] == [1, 2]
    ended = json.loads(log.read_text().splitlines()[-1])["ended"]
    assert ended["reason"] == "no_signal"
    assert "no episode of the last 2 solved its task" in ended["text"]
    assert "Set easier tasks" in ended["text"]
    check_left(run)
    stored = Path("configs/models/tiny-alfworld/model.safetensors")
    assert weights(run / "model") == weights(stored.parent)
    # With more patience it goes on, and does not play again what it has played.
    assert train([*words, "--resume", "--patience=3"], log) == 1, log.read_text()
    assert [record["skipped"] for record in iterations(run)] == [1, 2, 3]
    assert not read_trajectories(run).twice


def weights(folder: Path) -> dict[str, list[float]]:
    from safetensors.torch import load_file

    return {name: one.flatten().tolist() for name, one in load_file(folder / "model.safetensors").items()}


SOMETIMES = (
    # A reply that is mostly right, so that of a few small groups some have a signal and others none.
    *(*WORD, "--tasks=1", "--iterations=6", "--patience=6", "--learning-rate=1e-4", "--lr-scheduler-type=linear"),
    *("--num-generations=3", "--save-steps=2", "--eval-tasks=0", "--beta=0"),
)


@pytest.mark.parametrize(("algo", "updates"), [("grpo", 2), ("dpo", 1)])
def test_skipped_iterations_change_nothing_that_a_resumed_run_would_do_otherwise(
    algo: str, updates: int, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    words = [*SOMETIMES, f"--algo={algo}", *([f"--steps-per-generation={updates}"] if algo == "grpo" else [])]
    assert train([*words, "-o", str(tmp_path / "whole")], log) == 0, log.read_text()
    expected, records = left(tmp_path / "whole"), iterations(tmp_path / "whole")
    skipped = [record["iteration"] for record in records if "loss" not in record]
    learned = [record["iteration"] for record in records if "loss" in record]
    assert skipped
    assert learned
    assert max(learned) > min(skipped)
    if algo == "grpo":
        steps = 6 * updates
        for record in records:
            if "loss" in record:
                first = (record["iteration"] - 1) * updates
                rates = [1e-4 * (1 - step / steps) for step in range(first, first + updates)]
                assert record["learning_rate"] == pytest.approx(sum(rates) / updates)
    for number, count in enumerate((min(skipped), max(learned))):
        run = tmp_path / str(number)
        assert train([*words, "-o", str(run)], log, "record", count) == -signal.SIGKILL, log.read_text()
        assert train([*words, "-o", str(run), "--resume"], log) == 0, log.read_text()
        assert left(run) == expected


COUNTS = {
    # In the third of four iterations of 8 episodes; where there are two updates of an iteration, in the second of them.
    "episode": {"grpo": 20, "dpo": 20, "ahead": 28},
    "update": {"grpo": 5, "dpo": 3, "ahead": 3},
    "gradient": {"grpo": 11, "dpo": 5, "ahead": 9},
}


@pytest.mark.parametrize("algo", ["grpo", "dpo", "ahead"])
@pytest.mark.parametrize(
    ("point", "happens", "code"),
    [
        ("episode", interrupt, 130),
        ("episode", terminate, 143),
        ("update", terminate, 143),
        ("episode", fail, 1),
        ("gradient", fail, 1),
    ],
)
def test_a_run_that_does_not_come_to_its_end_leaves_what_it_has_reached(
    algo: str, point: str, happens: Callable[[], None], code: int, tmp_path: Path
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    count = COUNTS[point][algo]
    kind = {"dpo": ("--algo=dpo", "--inadmissible-penalty=0"), "ahead": ("--algo=grpo", "--max-staleness=1")}
    kind["grpo"] = ("--algo=grpo", "--steps-per-generation=2")
    words = [*SMALLEST, *kind[algo], "--save-steps=100", "--eval-tasks=0", "--select-tasks=0"]
    words += ["-o", str(run)]
    assert train(words, log, point, count, happens=happens) == code, log.read_text()
    done = len(iterations(run))
    assert 2 <= done < 4
    assert saved(run) == [done]
    check_left(run)
    said = log.read_text()
    number = 2 * done if algo == "grpo" else done
    assert f"after {done} of 4 iterations; the checkpoint is {run}/checkpoints/checkpoint-{number}" in said
    if code > 1:
        assert "Traceback" not in said
        command = shlex.split(said.rpartition("go on with: ")[2])
        assert (Path(command[0]).name, command[1]) == ("train-agent", "train")
    assert train([*words, "--resume"], log) == 0, log.read_text()
    assert [record["iteration"] for record in iterations(run)] == [1, 2, 3, 4]
    assert [record["episodes"] for record in iterations(run)] == [8, 16, 24, 32]
    assert not read_trajectories(run).twice
    assert saved(run)[-1] == 4


@pytest.mark.parametrize(("algo", "point"), [("grpo", "no checkpoint due"), ("sft", "no checkpoint due in rounds")])
def test_a_signal_right_after_an_iteration_that_was_not_saved_saves_it(algo: str, point: str, tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    words = [*WORD, f"--algo={algo}", "--save-steps=100", "--eval-tasks=0", "-o", str(run)]
    assert train(words, log, point, 1, happens=terminate) == 143, log.read_text()
    assert saved(run) == [1]


@pytest.mark.parametrize("algo", ["grpo", "sft"])
def test_a_signal_in_the_last_iteration_does_not_do_away_with_its_evaluation(algo: str, tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    words = [*WORD, f"--algo={algo}", "--iterations=1", "--eval-tasks=0", "--select-tasks=2", "--select-split=test"]
    words += ["-o", str(run)]
    assert train(words, log, "record", 1, happens=terminate) == 143, log.read_text()
    assert train([*words, "--resume"], log) == 0, log.read_text()
    assert [record["iteration"] for record in of_kind(read_metrics(run), "evaluation")] == [1]


def test_a_resumed_run_measures_kl_from_the_model_before_training(tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    words = [*SMALLEST, "--algo=grpo", "--use-peft", "--beta=0.1", "--iterations=3", "--eval-tasks=0", "--eval-steps=1"]
    assert train([*words, "-o", str(tmp_path / "whole")], log) == 0, log.read_text()
    # The iteration is saved and its evaluation, for which there is no time, is made up for later.
    assert train([*words, "-o", str(run)], log, "record", 2, happens=terminate) == 143, log.read_text()
    assert train([*words, "-o", str(run), "--resume"], log) == 0, log.read_text()
    expected = [record["kl"] for record in iterations(tmp_path / "whole")]
    assert [record["kl"] for record in iterations(run)] == pytest.approx(expected)


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    words = [*SMALLEST, "--algo=grpo", "--eval-tasks=0", "--select-tasks=0", "--save-steps=100", "-o", str(run)]

    assert train(words, log, "turn", 40, 41, happens=terminate) == 143, log.read_text()
    assert "ended at once; go on with: " in log.read_text()
    assert not saved(run)
    assert train([*words, "--resume"], log) == 0, log.read_text()


def test_a_full_disk_leaves_the_earlier_model_as_it_was(tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    words = [*SMALLEST, "--algo=grpo", "--eval-tasks=0", "--select-tasks=0", "--save-steps=1", "-o", str(run)]
    assert train(words, log, "episode", 17, happens=terminate) == 143, log.read_text()
    before, model = saved(run), weights(run / "model")
    assert train([*words, "--resume"], log, "record", 1, happens=FullDisk(100_000)) == 1, log.read_text()
    assert "model/ could not be written" in log.read_text()
    assert saved(run) == before
    assert weights(run / "model") == model
    assert train([*words, "--resume"], log) == 0, log.read_text()
    assert len(iterations(run)) == 4
