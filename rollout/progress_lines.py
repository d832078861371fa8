"""Progress as plain lines, for an output that is no terminal: a log file, a batch job, a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Event, Lock, Thread

EVERY = 30.0
"""Seconds after which a line is due, whatever has happened."""

LEAST = 2.0
"""Seconds between two lines: what is over sooner needs none."""


class ProgressLines:
    """Says how far some work is: at each tenth of it, and every half minute.

    Between `start` and `stop` a thread watches the clock, so that work which hangs is seen to hang.

    Args:
        say: prints a line; called by whoever reports progress, and by the thread.
        tenths: whether a tenth of the work is worth a line; the clock alone speaks otherwise.
        clock: in seconds.
    """

    def __init__(
        self, say: Callable[[str], None], *, tenths: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say, self._tenths, self._clock = say, tenths, clock
        self._lock, self._stopped = Lock(), Event()
        self._thread: Thread | None = None
        self.begin("", None)

    def begin(self, what: str, total: int | None, *, unit: str = "") -> None:
        """Other work begins.

        Args:
            what: its name.
            total: how much there is to do; None if nobody knows.
            unit: what is counted.
        """
        self._what, self._total, self._unit = what, total, unit
        self._done, self._told, self._note = 0, 0, ""
        self._begun = self._last = self._clock()

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        """So much of it is done; `note` is said with it."""
        self._done, self._note = done, note
        self._total = total or self._total
        tenth = 10 * done // self._total if self._total else 0
        if self._tenths and tenth > self._told and self._clock() - self._last >= LEAST:
            self._line()
        self._told = max(tenth, self._told)

    def tick(self) -> None:
        """Say a line if one is due."""
        if self._what and self._clock() - self._last >= EVERY:
            self._line()

    def start(self) -> None:
        """Watch the clock."""
        self._last = self._clock()
        self._thread = Thread(target=self._watch, name="progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say nothing any more. May be called twice."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(1.0):
            with suppress(OSError, ValueError):  # nobody reads any more
                self.tick()

    def _line(self) -> None:
        with self._lock:
            now = self._clock()
            self._last = now
            self._say(self._text(now - self._begun))

    def _text(self, seconds: float) -> str:
        passed = f"{timedelta(seconds=round(seconds))}"
        total = self._total
        if not total:
            return "  ".join(part for part in (self._what, f"{passed} so far", self._note) if part)
        share = f"{self._what} {self._done:,}/{total:,} ({100 * self._done // total}%)"
        parts = [share, passed]
        if self._done:
            parts.append(_rate(self._done / max(seconds, 1e-9), self._unit))
            left = seconds / self._done * max(0, total - self._done)
            parts.append(f"{timedelta(seconds=round(left))} left")
        return "  ".join(part for part in (*parts, self._note) if part)


@contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """Say every half minute on standard error that something of unknown length goes on, such as loading a model."""
    lines = ProgressLines(lambda line: print(line, file=sys.stderr, flush=True))
    lines.begin(what, None)
    lines.start()
    try:
        yield
    finally:
        lines.stop()


def _rate(each_second: float, unit: str) -> str:
    value, per = (each_second, "s") if each_second >= 1 else (60 * each_second, "min")
    number = f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
    return f"{number} {unit}/{per}" if unit else f"{number}/{per}"
