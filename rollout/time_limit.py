"""A limit on the time of Python code that gives no control back, such as a chat template, which its author programs."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_INTERVAL = 0.5
"""Seconds between two looks at what is running."""


class Overdue(Exception):
    """Raised in code that has not ended within its limit."""


@dataclass(eq=False, slots=True)
class _Running:
    thread: int
    end: float
    stopped: bool = False


_running: set[_Running] = set()
_lock = threading.Lock()
_watcher: threading.Thread | None = None


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `Overdue` inside the block when it takes longer, to within half a second.

    It stops loops in Python; a single call in C goes on to its end. Entering and leaving takes microseconds.
    """
    _start_watcher()
    this = _Running(threading.get_ident(), time.monotonic() + seconds)
    with _lock:
        _running.add(this)
    try:
        yield
    finally:
        with _lock:
            _running.discard(this)
        if this.stopped:  # the exception may be on its way still
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(this.thread), None)
    if this.stopped:
        raise Overdue


def _start_watcher() -> None:
    global _watcher
    if _watcher is None or not _watcher.is_alive():  # a forked process has none
        _watcher = threading.Thread(target=_watch, name="time-limit", daemon=True)
        _watcher.start()


def _watch() -> None:
    while True:
        time.sleep(_INTERVAL)
        now = time.monotonic()
        with _lock:
            for one in [one for one in _running if one.end < now and not one.stopped]:
                one.stopped = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(one.thread), ctypes.py_object(Overdue))
