"""Training runs of the smallest size in processes of their own, to which something happens at a named point."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

# Imported here and not by a run, so that every run is forked from a process that has them.
import torch
from accelerate import Accelerator  # type: ignore[import-untyped]
from transformers import PreTrainedModel

import envs
import trainers.dpo
import trainers.leaving
import trainers.online
import trainers.opening
import trainers.rounds
from envs import TextEnv
from rollout.store import Store
from trainers.checkpoints import Checkpoints
from trainers.cli import main
from trainers.journal import Journal

SMALLEST = (
    *("--preset=none", "--protocol=plain", "--max-length=1024", "--no-bf16"),
    *("--env-args", "data=generated", "size=tiny", "length=12", "max_steps=4"),
    # Shaping and a penalty give groups a signal that a model without a solved game lacks.
    *("--rewards", "admissible=0.3", "no_repeats=0.2", "--inadmissible-penalty=0.1"),
    *(
        "--tasks=2",
        "--num-generations=4",
        "--iterations=4",
        "--rounds=1",
        "--capacity=3",
        "--learning-rate=0.0002",
        "--temperature=1.5",
    ),
    *("--per-device-train-batch-size=2", "--max-completion-length=8"),
    *("--eval-tasks=3", "--select-tasks=2", "--eval-steps=2"),
)
"""Options of a run of four iterations of eight episodes, with evaluations after the second and the fourth."""

envs.register("OneWord-v1", "tests.trainers.one_word:OneWord")

WORD = (
    *("--env=oneword", "--model=tiny-alfworld", "--preset=none", "--protocol=plain", "--max-length=512", "--no-bf16"),
    *("--tasks=2", "--num-generations=4", "--iterations=20", "--rounds=1", "--capacity=8", "--learning-rate=0.002"),
    *("--per-device-train-batch-size=8", "--max-completion-length=8", "--save-steps=2", "--patience=2"),
    *("--eval-tasks=8", "--select-tasks=0", "--eval-split=valid"),
)
"""Options of a run that learns to begin its one reply with a word, long before its last iteration."""

Point = tuple[Any, str, str, Callable[..., int]]
"""What is called; whether the end comes before or after it; and how much of a call counts."""


def _episodes(folder: str) -> Callable[..., int]:
    def count(store: Store, *trajectories: Any) -> int:
        return len(trajectories) if folder in store.path.parts else 0

    return count


def _once(*_: Any, **__: Any) -> int:
    return 1


def _iterations(journal: Journal, record: Any) -> int:
    return record["kind"] == "iteration"


POINTS: dict[str, Point] = {
    "episode": (Store, "append", "after", _episodes("run")),
    "turn": (TextEnv, "step", "after", _once),
    "first score": (Store, "append", "after", _episodes("before")),
    "selection": (Store, "append", "after", _episodes("00004-valid_seen")),
    "last score": (Store, "append", "after", _episodes("after")),
    "update": (torch.optim.AdamW, "step", "after", _once),
    "gradient": (Accelerator, "backward", "before", _once),
    "record": (Journal, "append", "after", _iterations),
    "weights": (PreTrainedModel, "save_pretrained", "after", _once),
    "no checkpoint due": (trainers.online, "assess", "after", _once),
    "no checkpoint due in rounds": (trainers.rounds, "assess", "after", _once),
    "seal": (Checkpoints, "seal", "before", _once),
    "naming the best": (Checkpoints, "_name_best", "before", _once),
    "card": (trainers.leaving, "write_card", "before", _once),
    "report": (trainers.leaving, "write_training_report", "after", _once),
}


def kill() -> None:
    """End without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> None:
    """Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


def terminate() -> None:
    """What Slurm sends before it takes the machine."""
    os.kill(os.getpid(), signal.SIGTERM)


def fail() -> None:
    """An error that nobody foresaw."""
    raise RuntimeError("the lights went out")


@dataclass(frozen=True)
class FullDisk:
    """From now on no file grows beyond so many bytes."""

    bytes: int

    def __call__(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.bytes, self.bytes))


def train(
    words: Sequence[str],
    log: Path,
    point: str = "",
    *counts: int,
    happens: Callable[[], None] = kill,
    after: float | None = None,
) -> int:
    """Run `train-agent train WORDS` in a process of its own, to which something happens.

    Args:
        words: of the command.
        log: the file for what it says; beside it `cpu_seconds` says how long it computed.
        point: one of `POINTS`.
        counts: at the so many-th such points it happens.
        happens: what.
        after: it happens after so many seconds of computing, wherever the process is then.

    Returns:
        The exit code, negative for a signal.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_train, args=(list(words), log, point, counts, happens, after))
    process.start()
    process.join(300)
    if process.is_alive():
        process.kill()
        raise TimeoutError(f"{words} at {point}: {log.read_text()}")
    assert process.exitcode is not None
    return process.exitcode


def cpu_seconds(log: Path) -> float:
    """That the last run with this log computed."""
    return float(log.with_suffix(".cpu").read_text())


def _train(
    words: list[str],
    log: Path,
    point: str,
    counts: tuple[int, ...],
    happens: Callable[[], None],
    after: float | None,
) -> None:
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(1)
    if point:
        _arm(point, counts, happens)
    if after is not None:
        signal.signal(signal.SIGPROF, lambda number, frame: happens())
        signal.setitimer(signal.ITIMER_PROF, after)
    begun = time.process_time()
    code = main(["train", *words])
    signal.setitimer(signal.ITIMER_PROF, 0)
    log.with_suffix(".cpu").write_text(str(time.process_time() - begun))
    sys.exit(code)


def _arm(point: str, counts: tuple[int, ...], happens: Callable[[], None]) -> None:
    owner, name, when, weigh = POINTS[point]
    original, seen = getattr(owner, name), 0

    @wraps(original)
    def armed(*args: Any, **kwargs: Any) -> Any:
        nonlocal seen
        before, seen = seen, seen + weigh(*args, **kwargs)
        reached = any(before < count <= seen for count in counts)
        if reached and when == "before":
            happens()
        result = original(*args, **kwargs)
        if reached and when == "after":
            happens()
        return result

    setattr(owner, name, armed)
