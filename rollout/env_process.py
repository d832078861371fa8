"""The process of one environment: `python -m rollout.env_process`, driven through its standard input and output.

Frames are a number, a length and a pickle. The first holds the environment; each later one a call, answered under its
number. Only the parent writes to this process, so unpickling is as safe as the parent is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import struct
import sys
from typing import IO, Any

_HEADER = struct.Struct("!QI")
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl(2)


def main() -> None:
    """Serve until the parent closes the pipe or dies."""
    _die_with_parent()
    # What the environment prints must not end up between two frames.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = sys.stdin.buffer
    from train_agent import check_installation

    check_installation()
    env: Any = None
    while (frame := _read(requests)) is not None:
        number, body = frame
        try:
            request = pickle.loads(body)
            env, result = (request, None) if env is None else (env, _call(env, request))
            answer = pickle.dumps((False, result))
        except Exception as error:
            answer = pickle.dumps((True, f"{type(error).__name__}: {error}".replace("\n", " ")[:500]))
        answers.write(_HEADER.pack(number, len(answer)) + answer)
        answers.flush()
    with contextlib.suppress(Exception):
        env.close()


def _call(env: Any, request: tuple[Any, ...]) -> Any:
    method, *arguments = request
    if method == "reset":
        task, seed = arguments
        return env.reset(seed=seed, options={"task": task})
    return getattr(env, method)(*arguments)


def _read(pipe: IO[bytes]) -> tuple[int, bytes] | None:
    header = pipe.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    number, size = _HEADER.unpack(header)
    body = pipe.read(size)
    return (number, body) if len(body) == size else None


def _die_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


if __name__ == "__main__":
    main()
