"""A live display of a run: how far it is, how well it goes, and what its slots wait for."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from rollout.account import Account
from rollout.episode import Job
from rollout.progress_lines import ProgressLines
from rollout.timeline import Timeline
from rollout.trajectory import Trajectory

REMEDIES = {
    "idle": "play more episodes in one run: the last ones leave places empty",
    "environment": "play more episodes at once (--workers)",
    "queue": "more places in the engine (--capacity)",
}
"""For each of `Spent.losses` that playing alone has."""

FULL = "the engine is full; take a faster one"


class LiveProgress:
    """Watches a run and shows it; a context manager. Where the output is no terminal it says a plain line now and then.

    At its end it says where the time of a model that played went.

    Args:
        planned: how many episodes there are to play.
        console: where to draw; standard error by default, so that standard output stays clean.
    """

    def __init__(self, planned: int, console: Console | None = None) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._task = self._bar.add_task("episodes", total=planned)
        self._waits: dict[int, str] = {}
        self._timeline = Timeline()
        self._solved = self._scored = self._failed = self._tokens = 0
        self._begun = time.monotonic()
        console = console or Console(stderr=True)
        self._live = Live(get_renderable=self._draw, console=console, refresh_per_second=4, transient=True)
        self._shown = console.is_terminal
        self._lines = ProgressLines(self._print)
        self._lines.begin("episodes", planned)

    def waits(self, slot: int, job: Job, cause: str) -> None:
        """The episode in a slot waits for `env` or `model`; "" when it is over."""
        self._timeline.waits(slot, job, cause)
        if cause:
            self._waits[slot] = cause
        else:
            self._waits.pop(slot, None)

    def ended(self, trajectory: Trajectory, account: Account) -> None:
        """An episode is on disk and booked."""
        self._timeline.ended(trajectory, account)
        self._scored += trajectory.scored
        self._solved += bool(trajectory.success)
        self._failed += trajectory.failure is not None
        self._tokens += sum(len(step.tokens.completion_ids) for step in trajectory.steps if step.tokens)
        done = account.planned - account.owed
        self._bar.update(self._task, completed=done, total=account.planned)
        if not self._shown:
            failed = f", failed {self._failed}" if self._failed else ""
            self._lines.update(done, account.planned, f"solved {self._rate()}{failed}")

    def __enter__(self) -> LiveProgress:
        if self._shown:
            self._live.start()
        else:
            self._lines.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._live.stop()
        self._lines.stop()
        spent = self._timeline.end()
        spent = replace(spent, wall=spent.playing)  # what comes after the last episode is not playing
        if error is None and spent.busy:
            self._print(spent.line(REMEDIES, FULL))

    def _print(self, line: str) -> None:
        self._live.console.print(Text(line), soft_wrap=True)

    def _rate(self) -> str:
        return f"{100 * self._solved / self._scored:.1f}%" if self._scored else "-"

    def _draw(self) -> RenderableType:
        seconds = max(1e-9, time.monotonic() - self._begun)
        waiting = ", ".join(f"{count} {cause}" for cause, count in sorted(Counter(self._waits.values()).items()))
        parts = [f"solved {self._rate()}", f"failed {self._failed}", f"{self._scored / seconds:.1f} episodes/s"]
        if self._tokens:
            parts.append(f"{self._tokens / seconds:.0f} tokens/s")
        parts.append(f"waiting for: {waiting or 'nothing'}")
        return Group(self._bar, Text("  ".join(parts), style="dim"))
