"""`train-agent play`: a person at a terminal, or the expert."""

from __future__ import annotations

import io
import json

import pytest

from trainers.cli import main

ALFWORLD = ["play", "--env", "alfworld", "--env-args", "size=tiny", "length=6", "data=generated"]


@pytest.mark.parametrize("env", [ALFWORLD, ["play", "--env", "dbbench", "--env-args", "generate={count: 3}"]])
def test_the_expert_plays_to_a_win(env: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*env, "--expert"]) == 0
    assert "Solved in" in capsys.readouterr().out


def test_the_expert_s_steps_are_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ALFWORLD, "--json"]) == 0
    steps = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert steps[0]["action"] is None
    assert [step["over"] for step in steps] == [False] * (len(steps) - 1) + [True]
    assert steps[-1]["won"] is True


def test_a_person_plays_lists_commands_and_leaves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("?\n\nlook\nfly\nquit\n"))
    assert main(ALFWORLD) == 0
    printed = capsys.readouterr().out
    assert "  inventory\n" in printed
    assert "you see nothing." in printed
    assert "Nothing happens." in printed
    assert "Not solved in 2 steps" in printed


def test_a_person_who_closes_the_input_leaves_cleanly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(ALFWORLD) == 0
    assert "Not solved in 0 steps" in capsys.readouterr().out


def test_without_a_list_of_commands_it_says_what_the_environment_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("?\nquit\n"))
    assert main(["play", "--env", "dbbench", "--env-args", "generate={count: 1}"]) == 0
    assert "QUERY; answer: ANSWERS" in capsys.readouterr().out


def test_a_named_task_is_played(capsys: pytest.CaptureFixture[str]) -> None:
    task = "tiny/train/pick_and_place_simple/"
    assert main([*ALFWORLD, "--task", task]) == 2
    nearest = capsys.readouterr().err.partition("nearest id is '")[2].partition("'")[0]
    assert nearest.startswith(task)
    assert main([*ALFWORLD, "--task", nearest, "--expert"]) == 0
    assert capsys.readouterr().out.startswith(nearest)
