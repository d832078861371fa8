"""An engine in a process of its own, and what stands for it in a worker."""

from __future__ import annotations

import asyncio
import os
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

from rollout.cluster.installation import checked_installation
from rollout.cluster.weights import Packed, unpack
from rollout.engine import Completion, Engine, EngineError, Sampling
from rollout.host import describe

MAX_MOVES = 3
"""Engines that may die over one turn before its episode fails as `engine_error`."""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What a worker has to know of the engines, which are all alike."""

    capacity: int
    max_length: int


@dataclass(frozen=True, slots=True)
class Started:
    """What an actor says of itself when it has started: its process, Ray's id of its machine, an engine's facts."""

    pid: int
    node: str
    facts: EngineFacts | None = None


@dataclass(frozen=True, slots=True)
class Pulse:
    """An actor's answer to a heartbeat.

    Attributes:
        waits: what each episode of a worker waits for.
        busy: requests under way in an engine.
        done: requests that it has answered so far.
    """

    waits: dict[str, str] = field(default_factory=dict)
    busy: int = 0
    done: int = 0


def started(facts: EngineFacts | None = None) -> Started:
    """What an actor says of itself, called inside it."""
    import ray

    return Started(os.getpid(), ray.get_runtime_context().get_node_id(), facts)


class EngineActor:
    """Holds an engine. Versions are counted by the driver, so that a replaced engine goes on where the old one was."""

    def __init__(self) -> None:
        self._engine: Any = None
        self._offset = 0
        self._busy = self._done = 0

    async def start(self, make_engine: Callable[[], Engine], version: int, packed: Packed | None) -> Started:
        """Make the engine and bring it to the driver's version."""
        checked_installation()
        self._engine = make_engine()
        if packed is not None:
            await self._engine.update_weights(unpack(packed))
        self._offset = version - self._engine.version
        return started(EngineFacts(self._engine.capacity, self._engine.max_length))

    async def generate(self, episode: str, prompt_ids: array[int], sampling: Sampling, seed: int) -> Completion:
        """See `Engine.generate`."""
        self._busy += 1
        try:
            done: Completion = await self._engine.generate(episode, prompt_ids.tolist(), sampling, seed)
        finally:
            self._busy -= 1
            self._done += 1
        return replace(done, version=done.version + self._offset)

    async def release(self, episode: str) -> None:
        """See `Engine.release`."""
        await self._engine.release(episode)

    async def update(self, packed: Packed, version: int) -> int:
        """Load weights between two forward passes. Returns the version.

        Raises:
            EngineError: if the engine cannot load them, or counts otherwise than by one.
        """
        got = await self._engine.update_weights(unpack(packed)) + self._offset
        if got != version:
            raise EngineError(f"the engine is at version {got}, not {version}")
        return version

    async def pulse(self) -> Pulse:
        """Answers as long as the process lives and its event loop turns."""
        return Pulse(busy=self._busy, done=self._done)

    async def close(self) -> None:
        """Give the engine back."""
        if self._engine is not None:
            await self._engine.close()


@dataclass(eq=False, slots=True)
class Route:
    """Where the requests of one episode go.

    Attributes:
        actor: the engine's.
        call: the request under way.
    """

    actor: Any
    call: asyncio.Future[Completion] | None = None


class RemoteEngine:
    """`rollout.engine.Engine` in a worker: each request is one call of the engine's actor.

    When an engine dies, its requests wait until the driver has moved their episodes and are asked again: they hold the
    whole prompt and their seed, so the next engine samples the same.
    """

    version = 0

    def __init__(self, facts: EngineFacts) -> None:
        self.capacity, self.max_length = facts.capacity, facts.max_length
        self._routes: dict[str, Route] = {}
        self._moved = asyncio.Event()

    def begin(self, episode: str, actor: Any) -> None:
        """An episode begins at an engine."""
        self._routes[episode] = Route(actor)

    def move(self, actors: dict[str, Any]) -> None:
        """Episodes go on at other engines; a request under way is asked again there."""
        for episode, actor in actors.items():
            if (old := self._routes.get(episode)) is not None:
                self._routes[episode] = Route(actor)
                if old.call is not None:
                    old.call.cancel()
        self._moved.set()
        self._moved = asyncio.Event()

    async def generate(self, episode: str, prompt_ids: Sequence[int], sampling: Sampling, seed: int) -> Completion:
        """See `Engine.generate`. What passes beside the engine's own time counts as queue."""
        begun = perf_counter()
        request = (episode, array("i", prompt_ids), sampling, seed)
        for _ in range(MAX_MOVES):
            route = self._routes[episode]
            done = await self._ask(route, request)
            if done is not None:
                return replace(done, queue=perf_counter() - begun - done.model)
            while self._routes[episode] is route:
                await self._moved.wait()
        raise EngineError(f"{MAX_MOVES} engines died over this turn")

    async def release(self, episode: str) -> None:
        """See `Engine.release`; nobody waits for it."""
        if (route := self._routes.pop(episode, None)) is not None:
            route.actor.release.remote(episode)

    async def close(self) -> None:
        """The engines are the driver's to close."""

    async def _ask(self, route: Route, request: tuple[Any, ...]) -> Completion | None:
        """The completion, or None if the engine died or the episode was moved."""
        import ray

        reference = route.actor.generate.remote(*request)
        route.call = asyncio.wrap_future(reference.future())
        try:
            return await route.call
        except asyncio.CancelledError:
            task = asyncio.current_task()
            ray.cancel(reference)  # frees its place in the batch
            if task is not None and task.cancelling():
                raise
            return None
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, EngineError):
                raise error.cause from None
            raise EngineError(describe(error.cause)) from None
        except ray.exceptions.RayError:
            return None
        finally:
            route.call = None
