"""What the command line says when it is typed wrongly, and that all of it is documented."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainers.cli import COMMANDS, _load, main

ROOT = Path(__file__).resolve().parents[2]


def test_without_words_it_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {command.name}" in printed and command.example in printed for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_with_an_example_and_stands_in_the_readme(
    command: object, capsys: pytest.CaptureFixture[str]
) -> None:
    name = getattr(command, "name")  # noqa: B009
    assert main([name, "--help"]) == 0
    assert "Example: train-agent" in capsys.readouterr().out
    assert f"train-agent {name}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--evn", "alfworld", "--algo", "grpo"], "unknown option '--evn'. Did you mean '--env'?"),
        (["plya"], "unknown command 'plya'. Did you mean 'play'?"),
        (["play", "--sede", "3"], "unknown option '--sede'. Did you mean '--seed'?"),
        (["play", "--seed", "x"], "command line: seed: 'x' is not integer"),
        (["play", "--env", "alfwolrd"], "Did you mean 'alfworld'?"),
        (["play", "--split", "trian"], "no split 'trian'. Take one of train"),
        (["play", "--task", "nonsense"], "no task has the id 'nonsense'"),
        (["play", "--seed", "-1", "--expert"], "seed: -1 is out of range. Take an integer from 0 to 4,294,967,295."),
        (["play", "--env-args", "sise=full"], "ALFWorld-v1: cannot be made: got an unexpected keyword argument 'sise'"),
        (["play", "--env-args", "max_steps=many"], "max_steps is 'many'"),
        (["play", "--env-args", "data=generated", "length=0"], "the length of train is 0"),
        (["play", "--env", "dbbench", "--env-args", "deadline=-1"], "the deadline is -1. A statement has seconds"),
        (["play", "--env", "dbbench", "--env-args", "deadline=.nan"], "the deadline is nan"),
        (
            ["play", "--env", "dbbench", "--env-args", "generate={count: 0}"],
            "generate: count is 0. Take a whole number",
        ),
        (["play", "--config", "/nonexistent.yaml"], "/nonexistent.yaml: No such file or directory"),
    ],
)
def test_wrong_usage_is_code_2_and_says_what_is_right(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["play", "--json"], ["play", "--expert"]])
def test_a_reader_that_has_seen_enough_gets_no_traceback(words: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "train_agent", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


def test_an_unknown_key_in_a_file_names_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "play.yaml"
    file.write_text("expret: true\n")
    assert main(["play", "--config", str(file)]) == 2
    assert "unknown key 'expret'. Did you mean 'expert'?" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["nonsense"]])
def test_a_command_that_is_not_on_the_path_names_itself_as_it_was_called(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [".venv/bin/train-agent", *words])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    main()
    said = "".join(capsys.readouterr())
    assert ".venv/bin/train-agent " in said
    assert "  train-agent" not in said


def test_a_file_that_the_system_refuses_is_named_and_no_traceback_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(name: str) -> object:
        if name.startswith("trainers.commands"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/nowhere/x")
        return _load(name)

    monkeypatch.setattr("trainers.cli._load", refused)
    assert main(["play"]) == 1
    assert "train-agent play: /nowhere/x: Permission denied. Get the right to read it" in capsys.readouterr().err
