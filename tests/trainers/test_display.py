"""The display of a training run: what it says on a terminal, and line by line elsewhere."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from envs import Task
from rollout.account import Account
from rollout.episode import Job
from rollout.runner import Watcher
from rollout.spent import Spent
from rollout.trajectory import Trajectory
from trainers.display import TrainingDisplay

ITERATION = {
    "kind": "iteration",
    "iteration": 3,
    "success": 0.41,
    "return": 0.38,
    "signal_share": 0.7,
    "kl": 0.0123,
    "entropy": 0.512,
    "clip_share": 0.03,
    "grad_norm": 0.7,
    "tokens_per_second": 3124.0,
    "failed": {"env_error": 2},
    "seconds": {"play": 20.0, "train": 5.0},
}
EVALUATION = {
    "kind": "evaluation",
    "iteration": 5,
    "name": "valid_seen",
    "success": {"value": 0.52, "low": 0.451, "high": 0.588, "n": 200},
}


def console(terminal: bool) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, width=160, height=40), out


def drawn(display: TrainingDisplay) -> str:
    page, out = console(False)
    page.print(display._draw())
    return out.getvalue()


def play(display: Watcher, count: int) -> None:
    jobs = [Job(Task(f"t{i}", "heat", "train")) for i in range(count + 1)]
    account = Account(job.id for job in jobs)
    for slot, job in enumerate(jobs[:-1]):
        display.waits(slot, job, "env")
        display.waits(slot, job, "")
        ended = Trajectory(job.id, job.task.id, "heat", "train", success=slot % 2 == 0, score=0.0)
        account.book(ended)
        display.ended(ended, account)
    display.waits(count, jobs[-1], "model")


def test_a_run_without_a_terminal_has_a_line_for_every_record() -> None:
    page, out = console(False)
    with TrainingDisplay(40, console=page) as display:
        display.phase("play", 16)
        display.record(ITERATION)
        display.record(EVALUATION)
        display.note("KL explosion")
    first, second, third = out.getvalue().splitlines()
    assert first.startswith("iteration 3/40  success 41.0%  reward 0.380  signal 70%  KL 0.0123  entropy 0.512")
    assert "clipped 3.0%" in first
    assert "tokens/s 3,124" in first
    assert "failed env_error 2" in first
    assert "play 20.0 s, train 5.0 s" in first
    assert re.search(r"ETA \d+:\d\d:\d\d$", first)
    assert second == "iteration 5/40  held-out valid_seen 52.0% (45.1 to 58.8, n 200)"
    assert third == "KL explosion"


@pytest.mark.parametrize("terminal", [False, True])
def test_the_end_says_where_the_time_of_all_iterations_went(terminal: bool) -> None:
    page, out = console(terminal)
    with TrainingDisplay(2, console=page) as display:
        for _ in range(2):
            display.spent(Spent(100.0, 60.0, 50.0, train=40.0, slots={"decode": 3.0, "idle": 1.0}))
    last = out.getvalue().split("engine ")[-1]
    assert last == (
        "busy 50% of the time, training 40%; slots waited 0% for the environment, 0% in the queue, and were idle 25%. "
        "For more: play on while it trains (--max-staleness 1); where it does, training is what must be faster\n"
    )


def test_a_run_that_played_nothing_has_nothing_to_say_of_its_slots() -> None:
    page, out = console(False)
    with TrainingDisplay(1, console=page) as display:
        display.spent(Spent(wall=5.0, train=5.0))
    assert out.getvalue() == ""


def test_a_drawing_shows_the_run_its_phase_and_the_last_figures() -> None:
    page, _ = console(True)
    with TrainingDisplay(40, console=page) as display:
        display.record(EVALUATION)
        display.record(ITERATION)
        display.phase("evaluate", 11)
        play(display, 10)
        text = drawn(display)
    assert re.search(r"iterations.* 3/40", text)
    assert re.search(r"evaluate.* 10/11", text)
    assert "solved 50.0%  1 wait for model" in text
    assert "held-out after 5" in text
    assert "45.1 to 58.8" in text
    assert "play 80%, train 20%" in text
    assert "ETA" in text


def test_a_new_phase_begins_with_nothing_played() -> None:
    display = TrainingDisplay(4, console=console(True)[0])
    display.phase("play", 11)
    play(display, 10)
    display.phase("train")
    text = drawn(display)
    assert "solved" not in text
    assert "play" not in text
    assert "0/?" in text


def test_a_resumed_run_goes_on_where_it_was_and_reckons_with_its_own_pace() -> None:
    page, out = console(False)
    display = TrainingDisplay(40, console=page)
    display.record(EVALUATION)
    display.record({**ITERATION, "iteration": 30})
    assert out.getvalue() == ""
    with display:
        assert "30/40" in drawn(display)
        assert "held-out after 5" in drawn(display)
        assert "ETA" not in drawn(display)
        display.record({**ITERATION, "iteration": 31})
    assert out.getvalue().startswith("iteration 31/40")
    assert "ETA" in out.getvalue()


def test_a_phase_counts_its_own_episodes_where_the_account_is_of_the_whole_run() -> None:
    display = TrainingDisplay(4, console=console(True)[0])
    account = Account(())
    for phase in range(2):
        display.phase("play", 2)
        account.expect(f"t{phase}{i}#0" for i in range(4))
        for i in range(3):
            ended = Trajectory(f"t{phase}{i}#0", f"t{phase}{i}", "heat", "train", success=True)
            account.book(ended)
            display.ended(ended, account)
        assert f"{3}/{4 + phase}" in drawn(display)  # the one that the first phase left owed is still to come


def test_the_last_iteration_has_no_time_left() -> None:
    page, out = console(False)
    with TrainingDisplay(3, console=page) as display:
        display.record(ITERATION)
    assert "ETA" not in out.getvalue()


def test_measures_that_a_record_lacks_are_left_out() -> None:
    page, out = console(False)
    bare: list[dict[str, Any]] = [
        {"kind": "iteration", "iteration": 1, "kl": None, "loss": float("nan"), "failed": {}},
        {"kind": "evaluation", "iteration": 1, "name": "x"},
    ]
    with TrainingDisplay(1, console=page) as display:
        for record in bare:
            display.record(record)
    assert out.getvalue().splitlines() == ["iteration 1/1", "iteration 1/1  held-out x -"]
