"""An event loop in a thread of its own, for what goes on while the main thread trains."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from trainers.errors import TrainingError

T = TypeVar("T")

PATIENCE = 1800.0
"""Seconds after which the main thread does not wait any longer for something that has deadlines of its own."""


class Background:
    """Runs coroutines beside the main thread, all in one event loop.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._ready = threading.Event()
        # A daemon: whatever happens in it, the process can end.
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name=name, daemon=True)
        self._thread.start()
        self._ready.wait()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start something. Its result, or what it raised, is in the future."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T], seconds: float = PATIENCE) -> T:
        """Do something and wait for it.

        Raises:
            TrainingError: if it takes longer than `seconds`. Then it is cancelled.
        """
        future = self.begin(work)
        try:
            return future.result(seconds)
        except TimeoutError as error:
            if future.done():
                raise
            what = getattr(work, "__qualname__", "it")
            remedy = "See the engine's own log for what hangs, then go on with --resume."
            raise TrainingError(f"{what} took longer than {seconds:g} s", remedy=remedy) from error
        finally:
            future.cancel()

    def close(self, seconds: float = 60.0) -> None:
        """Cancel what is left and end the thread. May be called twice."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._over.set)
            self._thread.join(seconds)

    async def _serve(self) -> None:
        self.loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._over.wait()
