"""Finished episodes wait for the disk, so many and no more."""

from __future__ import annotations

import asyncio

import pytest

from rollout.cluster.errors import ClusterError
from rollout.cluster.queue import Queue


class Disk:
    def __init__(self) -> None:
        self.waiting = self.most = 0
        self.written: list[int] = []
        self.free = asyncio.Event()

    async def write(self, item: int) -> None:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await self.free.wait()
        self.waiting -= 1
        self.written.append(item)


def test_a_full_queue_lets_wait_and_writes_everything_in_the_end() -> None:
    async def fill() -> Disk:
        disk = Disk()
        queue = Queue(disk.write, 3, 60)
        puts = [asyncio.create_task(queue.put(item)) for item in range(9)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sum(put.done() for put in puts) == 3
        disk.free.set()
        await asyncio.gather(*puts)
        await queue.drained()
        return disk

    disk = asyncio.run(fill())
    assert (sorted(disk.written), disk.most) == (list(range(9)), 3)


def test_a_disk_that_stands_still_is_an_error_and_no_hang() -> None:
    async def fill() -> None:
        queue = Queue(Disk().write, 1, 0.01)
        await queue.put(0)
        await queue.put(1)

    with pytest.raises(ClusterError, match="no episode has got onto the disk"):
        asyncio.run(fill())


def test_an_episode_whose_slot_is_cancelled_while_it_waits_is_written_all_the_same() -> None:
    async def fill() -> Disk:
        disk = Disk()
        queue = Queue(disk.write, 1, 60)
        await queue.put(0)
        put = asyncio.create_task(queue.put(1))
        await asyncio.sleep(0)
        put.cancel()
        await asyncio.wait([put])
        disk.free.set()
        await queue.drained()
        return disk

    assert asyncio.run(fill()).written == [0, 1]


def test_what_a_write_raises_reaches_the_next_put_and_the_end() -> None:
    async def write(item: int) -> None:
        raise OSError("full")

    async def fill() -> None:
        queue = Queue(write, 4, 60)
        await queue.put(0)
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="full"):
            await queue.put(1)
        await queue.drained()

    with pytest.raises(OSError, match="full"):
        asyncio.run(fill())
