"""The journal: on disk before the run goes on, whole after a kill, and the same after a resume."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eval.history import read_metrics
from rollout.store import StoreError
from trainers.errors import TrackerError
from trainers.journal import Journal
from trainers.trackers import _TRACKERS


def iteration(number: int, **more: Any) -> dict[str, Any]:
    return {"kind": "iteration", "iteration": number, "success": number / 10, **more}


def evaluation(number: int, value: float) -> dict[str, Any]:
    success = {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 50}
    return {"kind": "evaluation", "iteration": number, "name": "valid_seen", "success": success, "final": False}


class Seen:
    """Stands in for a tracker, to see what one is told."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.closed = False

    def log(self, values: Any, step: int) -> None:
        self.rows.append((step, dict(values)))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def trackers(monkeypatch: pytest.MonkeyPatch) -> list[Seen]:
    """The trackers that were opened, one a journal."""
    opened: list[Seen] = []

    def open_one(run: Path) -> Seen:
        opened.append(Seen())
        return opened[-1]

    monkeypatch.setitem(_TRACKERS, "seen", open_one)
    return opened


def test_records_are_read_back_as_they_were(tmp_path: Path) -> None:
    records = [evaluation(0, 0.4), iteration(1, seconds={"play": 1.5}, kl=None, failed={"env_error": 1})]
    with Journal(tmp_path / "new" / "run") as journal:
        for record in records:
            journal.append(record)
    assert read_metrics(tmp_path / "new" / "run") == records


def test_numbers_that_json_lacks_are_kept_as_words(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append(iteration(1, grad_norm=float("nan"), seconds={"play": float("inf")}))
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line, parse_constant=pytest.fail)["grad_norm"] == "nan"
    assert json.loads(line)["seconds"] == {"play": "inf"}


def test_a_record_is_on_disk_when_append_returns_even_if_the_process_dies(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from trainers.journal import Journal
journal = Journal(sys.argv[1])
journal.append({"kind": "iteration", "iteration": 1})
journal.append({"kind": "iteration", "iteration": 2})
journal._file.write(b'{"kind": "iteration", "iterat')
journal._file.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    died = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert died.returncode == -signal.SIGKILL
    with Journal(tmp_path) as journal:
        journal.append(iteration(3))
    assert [record["iteration"] for record in read_metrics(tmp_path)] == [1, 2, 3]


def test_a_rewound_journal_holds_what_an_uninterrupted_one_holds(tmp_path: Path) -> None:
    records = [evaluation(0, 0.4), iteration(1), iteration(2), evaluation(2, 0.5), iteration(3), iteration(4)]
    with Journal(tmp_path / "whole") as journal:
        for record in records:
            journal.append(record)
    with Journal(tmp_path / "cut") as journal:
        for record in records[:-1]:
            journal.append(record)
    with (tmp_path / "cut" / "metrics.jsonl").open("ab") as file:
        file.write(b'{"torn')
    with Journal(tmp_path / "cut") as journal:
        journal.rewind(2)
        for record in records[-2:]:
            journal.append(record)
    whole, cut = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "cut"))
    assert cut == whole


def test_trackers_get_the_numbers_by_path_with_the_iteration_as_step(tmp_path: Path, trackers: list[Seen]) -> None:
    with Journal(tmp_path, ["seen"]) as journal:
        journal.append({**iteration(3, seconds={"play": 2.0, "train": 1}, kl=None), "time": 1e9})
        journal.append(evaluation(3, 0.5))
    assert trackers[0].rows == [
        (3, {"success": 0.3, "seconds/play": 2.0, "seconds/train": 1.0}),
        (
            3,
            {
                "eval/valid_seen/success": 0.5,
                "eval/valid_seen/success/low": 0.4,
                "eval/valid_seen/success/high": 0.6,
                "eval/valid_seen/success/n": 50.0,
            },
        ),
    ]
    assert trackers[0].closed


def test_after_a_resume_trackers_are_told_the_whole_history_once(tmp_path: Path, trackers: list[Seen]) -> None:
    with Journal(tmp_path, ["seen"]) as journal:
        for number in (1, 2, 3):
            journal.append(iteration(number))
    with Journal(tmp_path, ["seen"]) as journal:
        journal.rewind(2)
        journal.append(iteration(3))
        journal.append(iteration(4))
    assert [step for step, _ in trackers[1].rows] == [1, 2, 3, 4]


def test_a_tracker_that_fails_is_given_up_with_one_warning(
    tmp_path: Path, trackers: list[Seen], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Seen, values: Any, step: int) -> None:
        raise OSError("no room")

    monkeypatch.setattr(Seen, "log", fail)
    with Journal(tmp_path, ["seen"]) as journal:
        journal.append(iteration(1))
        journal.append(iteration(2))
    assert [record["iteration"] for record in read_metrics(tmp_path)] == [1, 2]
    (warning,) = caplog.messages
    assert "seen is given up (OSError: no room)" in warning


def test_an_unknown_tracker_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(TrackerError, match="Did you mean 'tensorboard'") as caught:
        Journal(tmp_path, ["tensorbord"])
    assert caught.value.wrong_usage


@pytest.mark.parametrize("name", ["wandb", "tensorboard", "trackio"])
def test_a_tracker_that_is_not_installed_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # as Python marks a module that cannot be found
    for module in [module for module in sys.modules if module.startswith(f"{name}.")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(TrackerError, match=f"pip install {name}"):
        Journal(tmp_path, [name])


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(StoreError, match=r"run.*cannot be written"):
        Journal(tmp_path / "run")
