"""Coroutines that are waited for from code that is none, in a script and in a notebook."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import threading
from pathlib import Path

import pytest

from eval import evaluate
from eval.protocols import EvalProtocol
from rollout import collect
from rollout.synchronous import run_sync
from tests.rollout.corridor import Corridor

COLOUR = contextvars.ContextVar("colour", default="none")


async def add(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


async def fail() -> None:
    raise LookupError("no")


async def cell() -> int:
    """What a notebook runs: ordinary calls inside a loop."""
    return run_sync(add(1, 2))


def test_a_result_comes_back_with_a_loop_and_without() -> None:
    assert run_sync(add(1, 2)) == 3
    assert asyncio.run(cell()) == 3


def test_an_error_comes_back_as_it_was_raised() -> None:
    async def inside() -> None:
        run_sync(fail())

    for call in (lambda: run_sync(fail()), lambda: asyncio.run(inside())):
        with pytest.raises(LookupError, match="no"):
            call()


def test_what_the_caller_has_set_for_its_context_holds_inside() -> None:
    async def seen() -> str:
        return COLOUR.get()

    async def inside() -> str:
        COLOUR.set("red")
        return run_sync(seen())

    assert asyncio.run(inside()) == "red"


def test_an_interrupt_cancels_what_is_waited_for() -> None:
    cancelled = threading.Event()

    async def endless() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def inside() -> None:
        # A notebook's kernel leaves the signal to Python.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run_sync(endless())

    loop = asyncio.new_event_loop()
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(inside())
    finally:
        signal.signal(signal.SIGINT, before)
        loop.close()
    assert cancelled.is_set()


def test_episodes_are_collected_and_scored_inside_a_running_loop(tmp_path: Path) -> None:
    async def inside() -> tuple[int, float]:
        collected = collect(Corridor(), output=tmp_path / "collected")
        rules = EvalProtocol(name="walks", env="corridor", split="train")
        done = evaluate(rules, "expert", env=Corridor(), output=tmp_path / "scored")
        assert done.result.summary.success is not None
        return len(collected.trajectories), done.result.summary.success.value

    assert asyncio.run(inside()) == (4, 1.0)


def test_no_command_and_no_library_call_needs_a_thread_without_a_loop() -> None:
    """`asyncio.run` raises in a notebook; the loop of a thread of one's own is nobody else's."""
    root = Path(__file__).resolve().parents[2]
    files = [file for name in ("rollout", "trainers", "eval", "envs") for file in (root / name).rglob("*.py")]
    own = {"synchronous.py", "background.py"}
    assert not [file for file in files if "asyncio.run(" in file.read_text(encoding="utf-8") and file.name not in own]
