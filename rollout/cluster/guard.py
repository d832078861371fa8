"""Ends processes when the one that started it is gone: `python guard.py PID...`.

A Ray that lost its driver goes by itself, but for two agents of its own, which look for their head for a minute.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def main() -> None:
    """Wait for the end of the standard input, which comes with the end of whoever holds its other end."""
    handles = []
    for word in sys.argv[1:]:
        with contextlib.suppress(ProcessLookupError):
            handles.append(os.pidfd_open(int(word)))  # a number may be another process's by then
    sys.stdin.buffer.read()
    for handle in handles:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)


if __name__ == "__main__":
    main()
