"""The simulated engine takes exactly the time that its latency model says, whatever the order of requests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from rollout.engine import Completion, ContextOverflow, EngineError, Sampling
from rollout.engines.simulated import Latency, SimulatedEngine
from tests.rollout.cluster.jumping import JumpingLoop

MODEL = Latency(prefill=0.001, step=0.01, row=0.002, load=0.5)


def ten(episode: str, prompt: Sequence[int], seed: int) -> Sequence[int]:
    """Ten tokens, or as many as the seed says."""
    return tuple(range(seed or 10))


def run(work: object) -> object:
    """In a loop whose clock jumps: what takes seconds there takes none."""
    loop = JumpingLoop()
    try:
        return loop.run_until_complete(work)  # type: ignore[arg-type]
    finally:
        loop.close()


async def asked(engine: SimulatedEngine, *requests: tuple[str, int, int]) -> list[tuple[float, Completion]]:
    """Episode, prompt length and tokens of requests that come at once; when each was answered, and with what."""
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def ask(episode: str, prompt: int, tokens: int) -> tuple[float, Completion]:
        done = await engine.generate(episode, [1] * prompt, Sampling(), tokens)
        return round(loop.time() - begun, 6), done

    return await asyncio.gather(*(ask(*request) for request in requests))


def test_one_request_takes_its_prefill_and_a_step_a_token() -> None:
    [(seconds, done)] = run(asked(SimulatedEngine(ten, MODEL), ("a", 100, 10)))  # type: ignore[misc]
    assert seconds == pytest.approx(100 * 0.001 + 10 * 0.012)
    assert (done.ids, done.finish, len(done.logprobs)) == (tuple(range(10)), "stop", 10)


def test_steps_are_longer_the_more_requests_share_them() -> None:
    answers = run(asked(SimulatedEngine(ten, MODEL), ("a", 1, 10), ("b", 1, 20)))
    # Ten steps of both, then ten of the longer one alone; both prefills come first.
    assert [seconds for seconds, _ in answers] == pytest.approx(  # type: ignore[attr-defined]
        [0.002 + 10 * 0.014, 0.002 + 10 * 0.014 + 10 * 0.012]
    )


def test_what_an_episode_s_turn_before_computed_is_not_computed_again() -> None:
    async def turns() -> list[float]:
        engine = SimulatedEngine(ten, MODEL)
        seconds = []
        for prompt in (100, 115, 130):
            [(took, _)] = await asked(engine, ("a", prompt, 10))
            seconds.append(took)
        await engine.release("a")
        [(took, _)] = await asked(engine, ("a", 130, 10))
        return [*seconds, took]

    assert run(turns()) == pytest.approx([0.1 + 0.12, 0.005 + 0.12, 0.005 + 0.12, 0.13 + 0.12])


def test_beyond_its_capacity_requests_wait_in_order() -> None:
    answers = run(asked(SimulatedEngine(ten, Latency(0, 0.01, 0), capacity=1), ("a", 1, 10), ("b", 1, 5), ("c", 1, 5)))
    assert [seconds for seconds, _ in answers] == pytest.approx([0.1, 0.15, 0.2])  # type: ignore[attr-defined]
    assert [done.queue for _, done in answers] == pytest.approx([0, 0.1, 0.15])  # type: ignore[attr-defined]


def test_a_cancelled_request_gives_its_place_to_the_next() -> None:
    async def cancel() -> float:
        engine = SimulatedEngine(ten, Latency(0, 0.01, 0), capacity=1)
        first = asyncio.create_task(asked(engine, ("a", 1, 1000)))
        await asyncio.sleep(0)
        second = asyncio.create_task(asked(engine, ("b", 1, 10)))
        await asyncio.sleep(0.05)
        first.cancel()
        [(seconds, _)] = await second
        return seconds

    assert run(cancel()) == pytest.approx(0.15)


def test_an_update_lets_everything_wait_and_counts_up() -> None:
    async def update() -> tuple[float, int, int]:
        engine = SimulatedEngine(ten, Latency(0, 0.01, 0, load=0.5))
        under_way = asyncio.create_task(asked(engine, ("a", 1, 10)))
        await asyncio.sleep(0.05)
        version = await engine.update_weights({})
        [(seconds, done)] = await under_way
        return seconds, version, done.version

    assert run(update()) == (pytest.approx(0.6), 1, 0)


def test_a_full_context_and_a_closed_engine_are_refused() -> None:
    async def ask() -> None:
        engine = SimulatedEngine(ten, MODEL, max_length=16)
        [(_, done)] = await asked(engine, ("a", 12, 10))
        assert (len(done.ids), done.finish) == (4, "length")
        with pytest.raises(ContextOverflow):
            await asked(engine, ("a", 16, 10))
        under_way = asyncio.create_task(asked(engine, ("b", 1, 10)))
        await asyncio.sleep(0)
        await engine.close()
        await engine.close()
        with pytest.raises(EngineError, match="closed"):
            await under_way
        with pytest.raises(EngineError, match="closed"):
            await asked(engine, ("b", 1, 10))

    run(ask())
