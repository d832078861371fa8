"""Episodes that have ended and are not yet on disk: so many and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from rollout.cluster.errors import ClusterError

Item = TypeVar("Item")


class Queue(Generic[Item]):
    """Writes what is put into it, while who put it goes on. Full, it lets them wait (back-pressure).

    Args:
        write: returns when an item is on disk.
        size: items that may wait.
        seconds: that a `put` may wait for room.
    """

    def __init__(self, write: Callable[[Item], Awaitable[None]], size: int, seconds: float) -> None:
        self._write, self._seconds = write, seconds
        self._room = asyncio.Semaphore(size)
        self._writing: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def put(self, item: Item) -> None:
        """Hand an item over. Cancelled while it waits for room, it is written all the same.

        Raises:
            ClusterError: if there was no room in time.
            Exception: what `write` raised for an earlier item.
        """
        try:
            async with asyncio.timeout(self._seconds):
                await self._room.acquire()
        except TimeoutError:
            raise ClusterError(
                f"no episode has got onto the disk for {self._seconds:g} s",
                remedy="See whether the disk answers; then go on with --resume.",
            ) from None
        except asyncio.CancelledError:
            self._begin(item)
            raise
        self._begin(item)
        if self._failure is not None:
            raise self._failure

    async def drained(self) -> None:
        """Wait until everything is written.

        Raises:
            Exception: what `write` raised.
        """
        while self._writing:
            await asyncio.wait(set(self._writing))
        if self._failure is not None:
            raise self._failure

    def _begin(self, item: Item) -> None:
        task = asyncio.create_task(self._work(item))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _work(self, item: Item) -> None:
        try:
            await self._write(item)
        except Exception as error:
            self._failure = self._failure or error
        finally:
            self._room.release()
