"""Completion and history of `train-agent play`, on a terminal."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trainers.line_editor import SQL, LineEditor

ROOT = Path(__file__).resolve().parents[2]
PLAY = [sys.executable, "-m", "train_agent", "play", "--env", "alfworld", "--env-args", "size=tiny", "data=generated"]


def test_whole_lines_are_completed_whatever_their_case() -> None:
    editor = LineEditor()
    editor.offer(["look", "go to desk 1", "go to drawer 2"], SQL)
    assert [editor.complete("Go to d", number) for number in range(3)] == ["go to desk 1", "go to drawer 2", None]


def test_without_lines_words_are_completed() -> None:
    editor = LineEditor()
    editor.offer((), SQL)
    assert [editor.complete("sel", number) for number in range(2)] == ["SELECT", None]


def test_without_a_terminal_nothing_is_edited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("look\n"))
    assert not LineEditor().edits


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, words: list[str]) -> None:
        self._master, slave = pty.openpty()
        variables = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            words, stdin=slave, stdout=slave, stderr=slave, env=variables, cwd=ROOT, start_new_session=True
        )
        os.close(slave)

    def until(self, text: str) -> str:
        """What is printed up to a text."""
        seen = ""
        while text not in seen:
            seen += os.read(self._master, 4096).decode(errors="replace")
        return seen

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def rest(self) -> str:
        seen = ""
        try:
            while data := os.read(self._master, 4096):
                seen += data.decode(errors="replace")
        except OSError:  # Linux's way of saying that the other end is closed
            pass
        os.close(self._master)
        return seen


@pytest.mark.timeout(120)
def test_on_a_terminal_tab_completes_an_arrow_brings_back_and_steps_are_counted() -> None:
    pytest.importorskip("readline")
    terminal = Terminal(PLAY)
    assert "Tab completes" in terminal.until("[1/50] > ")
    terminal.type("inven\t\r")
    assert "inventory" in terminal.until("[2/50] > ")
    terminal.type("\033[A\r")
    assert "inventory" in terminal.until("[3/50] > ")
    terminal.type("quit\r")
    assert "Not solved in 2 steps" in terminal.rest()
    assert terminal.process.wait() == 0


@pytest.mark.timeout(120)
def test_ctrl_c_at_the_prompt_ends_with_code_130() -> None:
    terminal = Terminal(PLAY)
    terminal.until("[1/50] > ")
    while terminal.process.poll() is None:  # readline may miss one that comes just before it begins to wait
        terminal.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            terminal.process.wait(2)
    assert "interrupted" in terminal.rest()
    assert terminal.process.returncode == 130
