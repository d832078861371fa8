"""Many requests in one call of an actor, and many answers in one."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rollout.cluster.errors import Gone
from rollout.cluster.line import Desk, Line

CALLS = 200


class Pedantic(Exception):
    """Does not come out of a pickle again."""

    def __init__(self, *, what: str) -> None:
        super().__init__(what)


class Clerk(Desk):
    def __init__(self) -> None:
        super().__init__()
        self.doors: dict[int, asyncio.Event] = {}
        self.under_way = 0
        self.told: list[str] = []

    async def double(self, number: int) -> int:
        return 2 * number

    async def wait(self, number: int) -> int:
        self.under_way += 1
        try:
            await self.doors.setdefault(number, asyncio.Event()).wait()
        finally:
            self.under_way -= 1
        return number

    async def fail(self, what: str) -> None:
        raise Pedantic(what=what) if what == "pedantic" else LookupError(what)

    async def note(self, word: str) -> None:
        self.told.append(word)


class Handle:
    """Stands for Ray's: it calls methods of an object in this process, and what passes is pickled."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.calls, self.dead = desk, 0, asyncio.Event()

    def __getattr__(self, method: str) -> Any:
        handle, work = self, getattr(self.desk, method)

        class Method:
            @staticmethod
            def remote(*args: Any) -> asyncio.Task[Any]:
                handle.calls += 1
                return asyncio.ensure_future(handle.carry(work(*pickle.loads(pickle.dumps(args)))))

        return Method

    async def carry(self, work: Coroutine[Any, Any, Any]) -> Any:
        import ray

        task, died = asyncio.ensure_future(work), asyncio.ensure_future(self.dead.wait())
        await asyncio.wait([task, died], return_when=asyncio.FIRST_COMPLETED)
        if died.done():
            raise ray.exceptions.ActorDiedError
        died.cancel()
        return pickle.loads(pickle.dumps(task.result()))


def on_line(scene: Callable[[Line, Clerk, Handle], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        clerk = Clerk()
        handle = Handle(clerk)
        async with asyncio.timeout(60):
            await scene(Line(handle, "a line"), clerk, handle)

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_each_gets_its_own_answer_and_the_calls_are_few() -> None:
    async def scene(line: Line, clerk: Clerk, handle: Handle) -> None:
        answers = await asyncio.gather(*(line.ask("double", number) for number in range(CALLS)))
        assert answers == [2 * number for number in range(CALLS)]
        assert handle.calls == 1

    on_line(scene)


def test_an_answer_does_not_wait_for_those_that_take_longer() -> None:
    async def scene(line: Line, clerk: Clerk, handle: Handle) -> None:
        slow, quick = line.ask("wait", 1), line.ask("double", 4)
        assert await quick == 8
        later = line.ask("wait", 2)  # goes while the line listens for the first
        await until(lambda: clerk.under_way == 2)
        clerk.doors[2].set()
        assert await later == 2
        assert not slow.done()
        clerk.doors[1].set()
        assert await slow == 1

    on_line(scene)


def test_what_a_method_raises_reaches_only_who_called_it() -> None:
    async def scene(line: Line, clerk: Clerk, handle: Handle) -> None:
        asked = [line.ask("fail", "lost"), line.ask("fail", "pedantic"), line.ask("double", 1)]
        lost, pedantic, fine = await asyncio.gather(*asked, return_exceptions=True)
        assert (type(lost), str(lost)) == (LookupError, "lost")
        assert (type(pedantic), str(pedantic)) == (RuntimeError, "Pedantic: pedantic")
        assert fine == 2

    on_line(scene)


def test_a_cancelled_request_is_cancelled_over_there_and_the_others_go_on() -> None:
    async def scene(line: Line, clerk: Clerk, handle: Handle) -> None:
        first, second = line.ask("wait", 1), line.ask("wait", 2)
        await until(lambda: clerk.under_way == 2)
        first.cancel()
        await until(lambda: clerk.under_way == 1)
        clerk.doors[2].set()
        assert await second == 2

    on_line(scene)


def test_nobody_waits_for_what_is_told() -> None:
    async def scene(line: Line, clerk: Clerk, handle: Handle) -> None:
        for word in "abc":
            line.tell("note", word)
        await until(lambda: len(clerk.told) == 3)
        assert (clerk.told, handle.calls) == (["a", "b", "c"], 1)

    on_line(scene)


def test_when_the_actor_dies_whoever_waits_learns_it_and_so_does_who_comes_later() -> None:
    async def scene(line: Line, clerk: Clerk, handle: Handle) -> None:
        asked = [line.ask("wait", number) for number in range(3)]
        await until(lambda: clerk.under_way == 3)
        handle.dead.set()
        answers = await asyncio.gather(*asked, line.ask("double", 1), return_exceptions=True)
        assert all(isinstance(answer, Gone) for answer in answers)
        assert line.dead
        with pytest.raises(Gone, match="ActorDied"):
            await line.ask("double", 2)

    on_line(scene)


def test_hanging_up_cancels_what_is_under_way_at_both_ends() -> None:
    async def scene(line: Line, clerk: Clerk, handle: Handle) -> None:
        asked = line.ask("wait", 1)
        await until(lambda: clerk.under_way == 1)
        line.hang_up()
        with pytest.raises(Gone):
            await asked
        await until(lambda: clerk.under_way == 0)

    on_line(scene)
