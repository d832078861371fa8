"""A tiny run as those see it who follow it: the terminal, the trackers, and the folder it leaves."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from eval.history import of_kind, read_metrics
from tests.trainers.killed import SMALLEST
from tests.trainers.test_trackers import history

pytest.importorskip("tensorboard")
pytest.importorskip("trackio")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of three iterations with all trackers; what it said lies beside it."""
    place = tmp_path_factory.mktemp("followed")
    words = [*SMALLEST, "--algo=grpo", "--iterations=3", "--report-to", "wandb", "tensorboard", "trackio"]
    command = [sys.executable, "-c", "import sys; from trainers.cli import main; sys.exit(main())", "train", *words]
    with (place / "log").open("w") as log:
        done = subprocess.run([*command, "-o", str(place / "run")], stdout=log, stderr=log, check=False)
    assert done.returncode == 0, (place / "log").read_text()
    return place / "run"


def curve(run: Path) -> list[tuple[int, float]]:
    return [(record["iteration"], record["return"]) for record in of_kind(read_metrics(run), "iteration")]


def test_the_journal_holds_an_iteration_a_line(run: Path) -> None:
    assert [iteration for iteration, _ in curve(run)] == [1, 2, 3]


def test_tensorboard_holds_the_curve(run: Path) -> None:
    reader: Any = import_module("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert [(one.step, one.value) for one in events.Scalars("return")] == [
        (step, pytest.approx(value)) for step, value in curve(run)
    ]
    assert [one.step for one in events.Scalars("eval/valid_unseen/success")] == [0, 3]


def test_trackio_holds_the_curve(run: Path) -> None:
    with sqlite3.connect(run / "trackio" / "train-agent.db") as database:
        rows = [(step, json.loads(values)) for step, values in database.execute("SELECT step, metrics FROM metrics")]
    assert sorted((step, values["return"]) for step, values in rows if "return" in values) == curve(run)


def test_wandb_holds_the_curve_offline(run: Path) -> None:
    (file,) = (run / "wandb").glob("offline-run-*/*.wandb")
    assert [(row["_step"], row["return"]) for row in history(file) if "return" in row] == curve(run)


def test_nothing_is_said_but_by_the_run_itself(run: Path) -> None:
    said = run.with_name("log").read_text()
    for noise in ("Warning", "Loading weights", "Writing model", "it/s]", "deprecated", "{'loss'"):
        assert noise not in said
    progress = [line for line in said.splitlines() if line.startswith("iteration ")]
    assert sum("tokens/s" in line for line in progress) == 3


def test_the_end_says_where_the_time_went(run: Path) -> None:
    (line,) = [line for line in run.with_name("log").read_text().splitlines() if line.startswith("engine busy ")]
    assert re.search(r"slots waited \d+% for the environment.* For more: .", line)
    for record in of_kind(read_metrics(run), "iteration"):
        assert sum(record["slots"].values()) == pytest.approx(1.0)
        assert record["slots"]["prefill"] > 0
        assert record["slots"]["decode"] > 0
        assert 0 < record["engine_busy"] <= 1
    assert "Where the time goes" in (run / "report.html").read_text()
    rows = json.loads((run / "timeline.json").read_bytes())
    assert rows["iteration"] == 3
    assert "t" in rows["trainer"]
    assert all("d" in row for row in rows["slots"].values())


def test_the_folder_holds_the_model_with_its_card_the_score_the_curve_and_the_report(run: Path) -> None:
    for name in ("model/README.md", "model/model.safetensors", "learning_curve.svg", "report.html", "config.yaml"):
        assert (run / name).stat().st_size > 0
    assert len(list((run / "eval").glob("*.json"))) == 1
    assert [path.name for path in (run / "checkpoints").iterdir() if path.is_file()] == []
