"""Progress where the output is no terminal: a line at each tenth and every half minute."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from envs import Task
from rollout import progress_lines
from rollout.account import Account
from rollout.episode import Job
from rollout.progress import LiveProgress
from rollout.progress_lines import EVERY, ProgressLines
from rollout.trajectory import Trajectory
from trainers.commands import warm_start
from trainers.display import TrainingDisplay
from trainers.warm_start.learning import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def work(clock: Clock, total: int, seconds: float, *, tenths: bool = True, tick: float = 1.0) -> list[str]:
    """The lines of so many things that take so long together, in equal steps."""
    said: list[str] = []
    lines = ProgressLines(said.append, tenths=tenths, clock=clock)
    lines.begin("episodes", total)
    for done in range(1, total + 1):
        for _ in range(max(1, round(seconds / total / tick))):
            clock.now += min(tick, seconds / total)
            lines.tick()
        lines.update(done, note="solved 50.0%")
    return said


def test_each_tenth_of_long_work_has_a_line_with_count_rate_and_time_left(clock: Clock) -> None:
    said = work(clock, 200, 100)
    assert len(said) == 10
    assert said[0] == "episodes 20/200 (10%)  0:00:10  2.0/s  0:01:30 left  solved 50.0%"
    assert said[-1] == "episodes 200/200 (100%)  0:01:40  2.0/s  0:00:00 left  solved 50.0%"


def test_slow_work_has_a_line_every_half_minute(clock: Clock) -> None:
    said = work(clock, 4, 600)
    assert len(said) >= 600 / EVERY - 1
    assert said[0] == "episodes 0/4 (0%)  0:00:30"
    assert "0.3/min" in said[-1]


def test_work_that_is_over_at_once_has_none(clock: Clock) -> None:
    assert work(clock, 1000, 1) == []


def test_work_without_tenths_has_lines_by_the_clock_alone(clock: Clock) -> None:
    assert work(clock, 200, 25, tenths=False) == []
    assert len(work(clock, 200, 65, tenths=False)) == 2


@pytest.mark.parametrize("total", [None, 0])
def test_work_whose_amount_nobody_knows_says_how_long_it_takes(total: int | None, clock: Clock) -> None:
    said: list[str] = []
    lines = ProgressLines(said.append, clock=clock)
    lines.begin("train", total)
    clock.now = 31
    lines.tick()
    assert said == ["train  0:00:31 so far"]


def test_before_anything_has_begun_there_is_nothing_to_say(clock: Clock) -> None:
    said: list[str] = []
    lines = ProgressLines(said.append, clock=clock)
    clock.now = 31
    lines.tick()
    assert said == []


def test_loading_speaks_too_and_its_thread_ends(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[ProgressLines] = []

    def make(say: Callable[[str], None]) -> ProgressLines:
        made.append(ProgressLines(say, clock=clock))
        return made[0]

    monkeypatch.setattr(progress_lines, "ProgressLines", make)
    with progress_lines.waiting_for("loading a model"):
        clock.now += 40
        made[0].tick()
    assert capsys.readouterr().err == "loading a model  0:00:40 so far\n"
    assert made[0]._thread is not None
    assert not made[0]._thread.is_alive()


def test_the_thread_ends_with_the_work() -> None:
    lines = ProgressLines(lambda line: None)
    lines.start()
    lines.stop()
    lines.stop()
    assert lines._thread is not None
    assert not lines._thread.is_alive()


def played(watcher: LiveProgress | TrainingDisplay, clock: Clock) -> None:
    account = Account(f"t{i}#0" for i in range(10))
    for i in range(10):
        clock.now += 10
        job = Job(Task(f"t{i}", "heat", "train"))
        ended = Trajectory(job.id, f"t{i}", "heat", "train", success=i % 2 == 0)
        account.book(ended)
        watcher.ended(ended, account)
        watcher._lines.tick()


@pytest.mark.parametrize(("terminal", "lines"), [(False, 10), (True, 0)])
def test_a_collection_speaks_where_it_cannot_draw(terminal: bool, lines: int, clock: Clock) -> None:
    out = io.StringIO()
    with LiveProgress(10, Console(file=out, force_terminal=terminal, width=200)) as progress:
        progress._lines._clock = clock
        progress._lines.begin("episodes", 10)
        played(progress, clock)
    said = re.findall(r"episodes \d+/10 \(\d+%\)  0:0\d:\d0  6\.0/min .* left  solved \d+\.\d%", out.getvalue())
    assert len(said) == lines


def test_a_phase_of_training_speaks_every_half_minute(clock: Clock) -> None:
    out = io.StringIO()
    with TrainingDisplay(4, console=Console(file=out, width=200)) as display:
        display._lines._clock = clock
        display.phase("evaluate valid_seen", 10)
        played(display, clock)
    assert len(out.getvalue().splitlines()) == 3
    assert out.getvalue().startswith("evaluate valid_seen 3/10 (30%)  0:00:30  6.0/min  0:01:10 left  solved 66.7%")


def test_a_warm_start_speaks(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Callable[..., ProgressLines] = ProgressLines
    monkeypatch.setattr(warm_start, "ProgressLines", lambda say: made(say, clock=clock))
    out = io.StringIO()
    with warm_start._shown(Console(file=out, width=200), 1000) as watch:
        for tokens in (100, 500, 1000):
            clock.now += 10
            watch(Progress(tokens, 1, 0.5, 0.9, 1e-3, clock.now))
    assert [line.split("  ")[0] for line in out.getvalue().splitlines()] == [
        "warm start 100/1,000 (10%)",
        "warm start 500/1,000 (50%)",
        "warm start 1,000/1,000 (100%)",
    ]
    assert "10 tokens/s" in out.getvalue()
