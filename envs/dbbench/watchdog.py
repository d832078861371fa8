"""A thread that ends a statement which takes too long, or whose result would fill this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from envs.dbbench.limits import Growth

_LOOK = 0.02  # seconds between two looks


class Watchdog:
    """Ends a statement from outside: too late, or more than this process should hold.

    Args:
        seconds: until the end.
        stop: ends the session; called in a thread of its own.

    Attributes:
        fired: "late" or "large" once it has ended the statement, else "".
    """

    def __init__(self, seconds: float, stop: Callable[[], None]) -> None:
        self.fired = ""
        self._end = time.monotonic() + seconds
        self._stop = stop
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sql-watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        growth = Growth()
        while not self._done.wait(_LOOK):
            if time.monotonic() > self._end:
                self.fired = "late"
            elif growth.exceeded():
                self.fired = "large"
            if self.fired:
                with suppress(Exception):  # the driver's own time limit is the last resort
                    self._stop()
                return
