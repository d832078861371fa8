"""`train-agent collect`, `eval`, `compare` and `view`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollout import read_trajectories
from trainers.cli import main

TINY = ["--env", "alfworld", "--env-args", "size=tiny", "length=12", "data=generated"]


def test_collect_plays_shows_a_table_and_balances(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    assert main(["collect", *TINY, "--per-task", "2", "-o", run]) == 0
    printed = capsys.readouterr().out
    assert "24 planned = 24 scored + 0 failed + 0 cancelled + 0 owed" in printed
    assert "pick_two_obj_and_place" in printed
    assert len(read_trajectories(run)) == 24
    assert main(["collect", *TINY, "--per-task", "2", "-o", run]) == 2
    assert "Add --resume to go on" in capsys.readouterr().err
    assert main(["collect", *TINY, "--per-task", "2", "-o", run, "--resume"]) == 0
    assert "0 planned" in capsys.readouterr().out


def test_collect_as_json_prints_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collect", *TINY, "--episodes", "5", "--json", "-o", str(tmp_path / "run")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["account"]["scored"] == 5
    assert printed["types"]["all"] == {"episodes": 5.0, "solved": 5.0, "steps": printed["types"]["all"]["steps"]}


def test_a_dry_run_plays_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["collect", *TINY, "--episodes", "30", "--dry-run", "-o", str(run)]) == 0
    assert "would play 30 episodes of 12 tasks with expert" in capsys.readouterr().out
    assert main(["eval", *TINY, "--split", "valid_seen", "--dry-run", "-o", str(run)]) == 0
    assert "would play 12 tasks of alfworld valid_seen" in capsys.readouterr().out
    assert not run.exists()


def test_two_scores_are_compared_and_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(tmp_path / name) for name in ("random", "expert")]
    for run, model in zip(runs, ("random", "expert"), strict=True):
        assert main(["eval", *TINY, "--split", "valid_unseen", "--model", model, "-o", run]) == 0
        assert "12 planned = 12 scored" in capsys.readouterr().out
    assert main(["compare", *runs]) == 0
    assert "McNemar" in capsys.readouterr().out
    assert main(["compare", *runs, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["difference"]["value"] > 0
    assert main(["view", runs[1]]) == 0
    page = (tmp_path / "expert" / "report.html").read_text()
    assert page.lower().startswith("<!doctype html>")


def test_different_rules_are_not_compared_unless_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(tmp_path / name) for name in ("a", "b")]
    for run, seed in zip(runs, ("0", "1"), strict=True):
        assert main(["eval", *TINY, "--split", "valid_seen", "--seed", seed, "-o", run]) == 0
    capsys.readouterr()
    assert main(["compare", *runs]) == 1
    assert "seed" in capsys.readouterr().err
    assert main(["compare", *runs, "--force"]) == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["eval", "--env", "alfworld"], 2, "eval needs --protocol NAME, or --split"),
        (["eval", "--protocol", "alfworld-sen"], 2, "Did you mean 'alfworld-seen'"),
        (["eval", "--protocol", "verl-agent", "--env-args", "data=/nonexistent"], 1, "alfworld-download"),
        (["collect", "--model", "/no/such/model", "-o", "/tmp/x"], 2, "no such folder"),
        (["collect", *TINY, "--model", "gold", "-o", "/tmp/x"], 2, "DB-Bench's own solutions"),
        (["collect", *TINY, "--protocol", "raect", "-o", "/tmp/x"], 2, "Did you mean 'react'"),
        (["compare", "/nonexistent/a", "/nonexistent/b"], 1, "/nonexistent/a: cannot be read"),
        (["compare", "a"], 2, "the following arguments are required: B"),
        (["view", "/nonexistent"], 1, "train-agent collect -o FOLDER"),
    ],
)
def test_what_goes_wrong_is_said_with_a_remedy(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    assert message in capsys.readouterr().err


def test_a_config_file_gives_options_and_the_command_line_wins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "collect.yaml"
    file.write_text("env: alfworld\nenv_args: {size: tiny, length: 12, data: generated}\nepisodes: 7\ndry_run: true\n")
    assert main(["collect", "--config", str(file)]) == 0
    assert "would play 7 episodes" in capsys.readouterr().out
    assert main(["collect", "--config", str(file), "--episodes", "3"]) == 0
    assert "would play 3 episodes" in capsys.readouterr().out
