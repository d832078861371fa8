"""A live display of a training run: how far it is, what it is doing, how well it learns, and where the time goes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from eval.history import Record, flat, number
from rollout.account import Account
from rollout.episode import Job
from rollout.progress_lines import ProgressLines
from rollout.spent import Spent
from rollout.trajectory import Trajectory

REMEDIES = {
    "idle": "play more episodes an iteration (--tasks), or play on while it trains (--max-staleness 1)",
    "environment": "play in more processes (--ray auto --workers N)",
    "queue": "more places in the engine (--capacity), or more engines (--ray auto --engines N)",
    "train": "play on while it trains (--max-staleness 1); where it does, training is what must be faster",
    "sync": "play more episodes for each update of the engine's weights (--tasks)",
    "other": "train for longer (--iterations): most of it was to start what plays",
}
"""For each of `Spent.losses`."""

FULL = "the engine is full; take a faster one, or more of them (--ray auto --engines N)"


class TrainingDisplay:
    """Shows a training run; a context manager, and a watcher of the episodes that are played in it.

    On a terminal it draws; elsewhere it prints a line an iteration, and one every half minute in between. At the end it
    says where the time went. Records that it is given before it is entered are an earlier session's, and not printed
    again.

    Args:
        iterations: how many there are to do.
        console: where to draw; standard error by default, so that standard output stays clean.
    """

    def __init__(self, iterations: int, *, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._iterations, self._done, self._before = iterations, 0, 0
        self._begun: float | None = None
        columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, TextColumn("{task.fields[note]}", style="dim"))
        self._run = self._bar.add_task("iterations", total=iterations, note="")
        self._phase = self._bar.add_task("", total=None, visible=False, note="")
        self._waits: dict[int, str] = {}
        self._planned = self._ended = self._solved = self._scored = 0
        self._last: Record = {}
        self._held_out: dict[str, Record] = {}
        self._seconds: Counter[str] = Counter()
        self._spent = Spent()
        self._lines = ProgressLines(lambda line: self._print(Text(line)), tenths=False)
        # Kept on the screen at its end: it holds the run's last figures.
        self._live = Live(get_renderable=self._draw, console=self._console, refresh_per_second=4)

    def phase(self, name: str, planned: int | None = None) -> None:
        """Something else begins: `play`, `train`, `evaluate` ...

        Args:
            name: of it.
            planned: how many episodes it plays; None where it plays none, or nobody knows.
        """
        self._waits.clear()
        self._lines.begin(name, planned)
        self._planned = planned or 0
        self._ended = self._solved = self._scored = 0
        self._bar.reset(self._phase, visible=True, description=name, note="")
        for task in self._bar.tasks:
            if task.id == self._phase:
                task.total = planned  # None stands for an unknown number here, and for the old one in `reset`

    def record(self, record: Record) -> None:
        """Show a record of the run (see `eval.history`)."""
        if record.get("kind") == "evaluation":
            self._held_out[str(record.get("name"))] = record
        else:
            self._done = int(record["iteration"])
            self._last = record
            self._seconds.update(flat(record.get("seconds") or {}))
            self._bar.update(self._run, completed=self._done, note=self._left())
        if self._begun is None:
            self._before = self._done
        elif not self._console.is_terminal:
            self._print(Text(self._line(record)))

    def spent(self, spent: Spent) -> None:
        """Take in where an iteration's time went."""
        self._spent += spent

    def note(self, text: str) -> None:
        """Say something that stays on the screen, such as a warning."""
        self._print(Text(text, style="yellow"))

    def waits(self, slot: int, job: Job, cause: str) -> None:
        """The episode in a slot waits for `env` or `model`; "" when it is over."""
        if cause:
            self._waits[slot] = cause
        else:
            self._waits.pop(slot, None)

    def ended(self, trajectory: Trajectory, account: Account) -> None:
        """An episode is on disk and booked."""
        self._ended += 1
        self._scored += trajectory.scored
        self._solved += bool(trajectory.success)
        # The account may be of the whole run, and dynamic sampling plans more episodes as it goes.
        total = max(self._planned, self._ended + account.owed)
        self._bar.update(self._phase, completed=self._ended, total=total)
        self._lines.update(self._ended, total, self._solved_share())

    def __enter__(self) -> TrainingDisplay:
        self._begun = time.monotonic()
        if self._console.is_terminal:
            self._live.start()
        else:
            self._lines.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.update(self._phase, visible=False)
        if self._console.is_terminal:
            self._live.stop()
        self._lines.stop()
        if error is None and self._spent.playing:
            self._print(Text(self._spent.line(REMEDIES, FULL)))

    def _print(self, text: Text) -> None:
        # A pipe has no width: a line stays a line.
        self._console.print(text, soft_wrap=True)

    def _left(self) -> str:
        """The time left, at the pace of this session, evaluations and checkpoints included."""
        done = self._done - self._before
        if self._begun is None or done <= 0 or self._done >= self._iterations:
            return ""
        seconds = (time.monotonic() - self._begun) / done * (self._iterations - self._done)
        return f"ETA {timedelta(seconds=round(seconds))}"

    def _line(self, record: Record) -> str:
        head = f"iteration {record['iteration']}/{self._iterations}"
        if record.get("kind") == "evaluation":
            return f"{head}  held-out {_held_out(record)}"
        seconds = sorted(flat(record.get("seconds") or {}).items(), key=lambda item: -item[1])
        causes = ", ".join(f"{name} {value:.1f} s" for name, value in seconds)
        parts = [f"{name} {value}" for name, value in _figures(record)]
        return "  ".join(part for part in (head, *parts, causes, self._left()) if part)

    def _draw(self) -> RenderableType:
        if self._scored:
            waiting = ", ".join(f"{count} wait for {cause}" for cause, count in sorted(Counter(self._causes()).items()))
            self._bar.update(self._phase, note="  ".join(part for part in (self._solved_share(), waiting) if part))
        table = Table.grid(padding=(0, 3))
        for name, value in self._rows():
            table.add_row(Text(name, style="dim"), Text(value))
        return Group(self._bar, table)

    def _solved_share(self) -> str:
        return f"solved {100 * self._solved / self._scored:.1f}%" if self._scored else ""

    def _causes(self) -> list[str]:
        return list(self._waits.values())  # a copy: episodes go on in another thread

    def _rows(self) -> Iterable[tuple[str, str]]:
        for record in list(self._held_out.values()):
            yield f"held-out after {record['iteration']}", _held_out(record)
        if self._last:
            yield f"iteration {self._last['iteration']}", "   ".join(f"{a} {b}" for a, b in _figures(self._last))
        total = sum(self._seconds.values())
        if total:
            shares = ", ".join(f"{name} {100 * value / total:.0f}%" for name, value in self._seconds.most_common())
            yield "time", shares


def _held_out(record: Record) -> str:
    value, low, high = (number(record, "success", key) for key in ("value", "low", "high"))
    shown = "-" if value is None else f"{100 * value:.1f}%"
    reach = "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"
    size = number(record, "success", "n")
    note = ", ".join(part for part in (reach, "" if size is None else f"n {size:.0f}") if part)
    return f"{record.get('name', '')} {shown}{f' ({note})' if note else ''}"


def _figures(record: Record) -> Iterable[tuple[str, str]]:
    """What is shown of an iteration: a measure that it lacks is left out."""
    for name, key, form in (
        ("success", "success", "{:.1%}"),
        ("reward", "return", "{:.3f}"),
        ("signal", "signal_share", "{:.0%}"),
        ("KL", "kl", "{:.4f}"),
        ("KL of the update", "kl_update", "{:.4f}"),
        ("entropy", "entropy", "{:.3f}"),
        ("clipped", "clip_share", "{:.1%}"),
        ("gradient", "grad_norm", "{:.2f}"),
        ("tokens/s", "tokens_per_second", "{:,.0f}"),
    ):
        if (value := number(record, key)) is not None:
            yield name, form.format(value)
    failed = flat(record.get("failed") or {})
    if failed:
        yield "failed", ", ".join(f"{name} {count:.0f}" for name, count in failed.items())
