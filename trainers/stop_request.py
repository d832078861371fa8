"""Ctrl-C and SIGTERM during a training run: the first asks it to save and to end, a second ends the process at once."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from rollout.runner import Stop

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """The user asked the run to stop; the episodes that ended are on disk."""


@dataclass(slots=True)
class StopRequest:
    """Whether the user has asked the run to stop.

    Attributes:
        signal: that asked for it; None before.
        go_on: the command that resumes the run, printed when a second signal ends it.
    """

    signal: int | None = None
    go_on: str = ""
    _tell: Callable[[], object] | None = field(default=None, repr=False)

    @property
    def exit_code(self) -> int:
        """As shells report a process that a signal ended: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.signal or signal.SIGINT)

    def check(self) -> None:
        """Raise `Stopped` if the user has asked for it."""
        if self.signal is not None:
            raise Stopped

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals inside. Outside of the main thread, their owner does."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        earlier = {number: signal.signal(number, self._received) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def stop(self) -> Stop:
        """For `rollout.runner.play`: after Ctrl-C live episodes play to their end, after SIGTERM they are cancelled."""
        return _RequestedStop(self)

    @contextmanager
    def telling(self, tell: Callable[[], object]) -> Iterator[None]:
        """Call something when the user asks inside, or has asked before. It is called in a signal handler."""
        self._tell = tell
        if self.signal is not None:
            tell()
        try:
            yield
        finally:
            self._tell = None

    def _received(self, number: int, frame: FrameType | None) -> None:
        # Written past Python's buffers and rich's, in which the main thread may be at this moment.
        if self.signal is not None:
            cursor = b"\x1b[?25h" if os.isatty(2) else b""
            os.write(2, cursor + f"\nended at once; go on with: {self.go_on}\n".encode())
            os._exit(128 + number)
        self.signal = number
        os.write(2, b"\nstopping: a checkpoint is written; a second signal ends at once\n")
        if self._tell is not None:
            self._tell()


class _RequestedStop(Stop):
    """A stop that follows a request."""

    __slots__ = ("_request",)

    def __init__(self, request: StopRequest) -> None:
        super().__init__()
        self._request = request

    @contextmanager
    def listening(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        with self._request.telling(lambda: loop.call_soon_threadsafe(self._end)):
            yield

    def _end(self) -> None:
        self.gently.set()
        if self._request.signal == signal.SIGTERM:  # who sends it takes the machine soon
            self.now.set()
