"""Plays and scores a small run, and kills itself at a named point: `python -m tests.rollout.killed FOLDER POINT`."""

from __future__ import annotations

import os
import signal
import sys
from functools import wraps
from pathlib import Path
from typing import Any

from eval import Evaluation, evaluate
from eval.protocols import EvalProtocol
from rollout.account import Account
from rollout.codec import encode
from rollout.store import Store
from rollout.trajectory import Trajectory
from tests.rollout.corridor import Corridor

POINTS: dict[str, tuple[Any, str, int, str]] = {
    "before the store is open": (Store, "__init__", 1, "before"),
    "store open, no config": (Store, "__init__", 1, "after"),
    "config beside its place": (Path, "replace", 1, "before"),
    "config in place, no episode": (Path, "replace", 1, "after"),
    "in a reset": (Corridor, "_begin", 3, "before"),
    "in a step": (Corridor, "_act", 7, "after"),
    "before a line": (Store, "append", 2, "before"),
    "half a line": (Store, "append", 2, "torn"),
    "lines written, not synced": (os, "fsync", 4, "before"),
    "line on disk, not booked": (Store, "append", 2, "after"),
    "booked, nobody told": (Account, "book", 3, "after"),
    "all played, store not closed": (Store, "close", 1, "before"),
    "result beside its place": (Path, "replace", 2, "before"),
    "result in place": (Path, "replace", 2, "after"),
}
"""What is called, for the how-manieth time, and whether the end comes before or after it."""

RULES = EvalProtocol(name="walk", env="corridor", split="train")


def score(folder: Path) -> Evaluation:
    """Twelve episodes of a random walk."""
    return evaluate(RULES, "random", output=folder, env=Corridor(max_steps=3), epochs=3, workers=2, resume=True)


def _arm(point: str) -> None:
    owner, name, calls, when = POINTS[point]
    original = getattr(owner, name)
    count = 0

    @wraps(original)
    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == calls and when == "torn":
            _tear(*args)
        if count == calls and when == "before":
            _die()
        result = original(*args, **kwargs)
        if count == calls:
            _die()
        return result

    setattr(owner, name, deadly)


def _tear(store: Store, trajectory: Trajectory, *_: Trajectory) -> None:
    line = encode(trajectory).encode()
    with store.path.open("ab") as file:
        file.write(line[: len(line) // 2])
    _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _arm(sys.argv[2])
    score(Path(sys.argv[1]))
