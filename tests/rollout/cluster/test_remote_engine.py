"""What a worker does when its line to an engine is cut."""

from __future__ import annotations

import asyncio
from array import array

from rollout.cluster.engine_actor import EngineFacts, RemoteEngine
from rollout.cluster.errors import Gone
from rollout.cluster.line import Desk
from rollout.engine import Completion, Sampling
from tests.rollout.cluster.test_line import Handle, until


class Slow(Desk):
    """An engine that never answers its first request."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = self.under_way = 0

    async def generate(self, episode: str, prompt_ids: array[int], sampling: Sampling, seed: int) -> Completion:
        self.asked += 1
        self.under_way += 1
        try:
            if self.asked == 1:
                await asyncio.Event().wait()
        finally:
            self.under_way -= 1
        return Completion((7,), (0.0,), "stop")


def test_where_only_the_line_was_at_fault_the_request_is_asked_again_and_once_over_there() -> None:
    async def scene() -> None:
        engine, desk = RemoteEngine(EngineFacts(4, 64), "worker", 0.01), Slow()
        engine.begin("episode", Handle(desk))
        answer = asyncio.create_task(engine.generate("episode", [1, 2], Sampling(), 0))
        await until(lambda: desk.under_way == 1)
        engine._at["episode"].cut(Gone("the network was down"))
        assert (await answer).ids == (7,)
        assert (desk.asked, desk.under_way) == (2, 0)

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_while_no_engine_is_left_a_turn_waits_and_then_goes_on_elsewhere() -> None:
    async def scene() -> None:
        engine, first, second = RemoteEngine(EngineFacts(4, 64), "worker", 0.01), Handle(Slow()), Slow()
        second.asked = 1
        engine.begin("episode", first)
        answer = asyncio.create_task(engine.generate("episode", [1, 2], Sampling(), 0))
        await until(lambda: first.desk.under_way == 1)  # type: ignore[attr-defined]
        first.dead.set()
        calls = first.calls
        await until(lambda: first.calls > calls + 20)  # it goes on trying, and does not give up
        engine.move({"episode": Handle(second)})
        assert (await answer).ids == (7,)

    asyncio.run(asyncio.wait_for(scene(), 60))
