"""Coroutines from code that is none: in a script, and in a notebook, where an event loop runs already."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

R = TypeVar("R")


def run_sync(work: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine to its end and return its result, whether or not this thread runs an event loop.

    Where it does, as in a notebook, the coroutine gets a loop in a thread of its own. An interrupt while this thread
    waits for it cancels it.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    return _run_beside(work)


def _run_beside(work: Coroutine[Any, Any, R]) -> R:
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()
    ended: Future[R] = Future()

    async def watched() -> R:
        task = asyncio.current_task()
        assert task is not None
        started.set_result((asyncio.get_running_loop(), task))
        return await work

    def run() -> None:
        try:
            ended.set_result(asyncio.run(watched()))
        except BaseException as error:
            ended.set_exception(error)

    thread = Thread(target=contextvars.copy_context().run, args=(run,), name="run_sync", daemon=True)
    try:
        thread.start()
        return ended.result()
    except KeyboardInterrupt:
        loop, task = started.result()
        with suppress(RuntimeError):  # it has just ended
            loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        thread.join()
