"""An engine in a process of its own, and what stands for it in a worker."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from rollout.cluster.errors import Gone
from rollout.cluster.installation import checked_installation
from rollout.cluster.line import Desk, Line
from rollout.cluster.weights import Adapter, Packed, unpack
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

    @property
    def name(self) -> str:
        """By which engines know a worker."""
        return f"{self.node}/{self.pid}"


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
    """What an actor says of itself, called inside it at the end of its start."""
    import ray

    _look_less_for_cycles()
    return Started(os.getpid(), ray.get_runtime_context().get_node_id(), facts)


def _look_less_for_cycles() -> None:
    """Modules and a model stay, and a thousand episodes live for long: to look through them again and again for garbage
    would take a fifth of an actor's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


class EngineActor(Desk):
    """Holds an engine. Versions are counted by the driver, so that a replaced engine goes on where the old one was."""

    def __init__(self) -> None:
        super().__init__()
        self._engine: Any = None
        self._offset = 0
        self._busy = self._done = 0

    async def start(self, make_engine: Callable[[], Engine], version: int, packed: Packed | Adapter | None) -> Started:
        """Make the engine and bring it to the driver's version."""
        checked_installation()
        self._engine = make_engine()
        if packed is not None:
            await self._load(packed)
        self._offset = version - self._engine.version
        return started(EngineFacts(self._engine.capacity, self._engine.max_length))

    async def generate(self, episode: str, prompt_ids: array[int], sampling: Sampling, seed: int) -> Completion:
        """See `Engine.generate`."""
        self._busy += 1
        try:
            done: Completion = await self._engine.generate(episode, prompt_ids.tolist(), sampling, seed)
        except EngineError:
            raise
        except Exception as error:
            raise EngineError(describe(error)) from error
        finally:
            self._busy -= 1
            self._done += 1
        return replace(done, version=done.version + self._offset)

    async def release(self, episode: str) -> None:
        """See `Engine.release`."""
        await self._engine.release(episode)

    async def update(self, packed: Packed | Adapter, version: int) -> int:
        """Load weights or an adapter between two forward passes. Returns the version.

        Raises:
            EngineError: if the engine cannot load them, or counts otherwise than by one.
        """
        got = await self._load(packed) + self._offset
        if got != version:
            raise EngineError(f"the engine is at version {got}, not {version}")
        return version

    async def _load(self, packed: Packed | Adapter) -> int:
        if isinstance(packed, Adapter):
            with TemporaryDirectory(prefix="adapter-") as folder:
                packed.write(Path(folder))
                version: int = await self._engine.update_adapter(folder)
        else:
            version = await self._engine.update_weights(unpack(packed))
        return version

    async def pulse(self) -> Pulse:
        """Answers as long as the process lives and its event loop turns."""
        return Pulse(busy=self._busy, done=self._done)

    async def close(self) -> None:
        """Give the engine back."""
        if self._engine is not None:
            await self._engine.close()


class RemoteEngine:
    """`rollout.engine.Engine` in a worker: its requests go over one line to each engine's actor.

    When an engine dies, its requests wait until the driver has moved their episodes and are asked again: they hold the
    whole prompt and their seed, so the next engine samples the same.

    Args:
        facts: of the engines.
        name: of the worker, for the engines to know it by.
        patience: seconds in which the driver finds out that an engine is dead.
    """

    version = 0

    def __init__(self, facts: EngineFacts, name: str, patience: float) -> None:
        self.capacity, self.max_length = facts.capacity, facts.max_length
        self._name, self._patience = name, patience
        self._numbers = count()
        self._lines: dict[Any, Line] = {}
        self._at: dict[str, Line] = {}
        self._calls: dict[str, asyncio.Future[Completion]] = {}
        self._moved = asyncio.Event()

    def begin(self, episode: str, actor: Any) -> None:
        """An episode begins at an engine."""
        self._at[episode] = self._line(actor)

    def move(self, actors: dict[str, Any]) -> None:
        """Episodes go on at other engines; a request under way is asked again there."""
        for episode, actor in actors.items():
            if episode in self._at:
                self._at[episode] = self._line(actor)
                if (call := self._calls.get(episode)) is not None:
                    call.cancel()
        self._moved.set()
        self._moved = asyncio.Event()

    async def generate(self, episode: str, prompt_ids: Sequence[int], sampling: Sampling, seed: int) -> Completion:
        """See `Engine.generate`. What passes beside the engine's own time counts as queue."""
        begun = perf_counter()
        request = (episode, array("i", prompt_ids), sampling, seed)
        moves = 0
        while moves < MAX_MOVES:
            line = self._at[episode]
            done = await self._ask(line, episode, request)
            if done is not None:
                return replace(done, queue=perf_counter() - begun - done.model)
            moves += await self._moved_from(line, episode)
        raise EngineError(f"{MAX_MOVES} engines died over this turn")

    async def _moved_from(self, line: Line, episode: str) -> bool:
        """Wait until the driver has moved an episode off a line that was cut. Returns False where it does not: then
        the engine may live and only the line be at fault, and there is a new one to it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                while self._at[episode] is line:
                    await self._moved.wait()
        if self._at[episode] is not line:
            return True
        self._at[episode] = self._line(line.actor)
        return False

    async def release(self, episode: str) -> None:
        """See `Engine.release`; nobody waits for it."""
        if (line := self._at.pop(episode, None)) is not None:
            line.tell("release", episode)

    async def close(self) -> None:
        """The engines are the driver's to close."""

    def _line(self, actor: Any) -> Line:
        known = self._lines.get(actor)
        if known is not None and known.dead:
            known.hang_up()  # the engine may not have heard that it was cut
        if known is None or known.dead:
            self._lines = {actor: line for actor, line in self._lines.items() if not line.dead}
            known = self._lines[actor] = Line(actor, f"{self._name}#{next(self._numbers)}")
        return known

    async def _ask(self, line: Line, episode: str, request: tuple[Any, ...]) -> Completion | None:
        """The completion, or None if the engine died or the episode was moved."""
        call: asyncio.Future[Completion] = line.ask("generate", *request)
        self._calls[episode] = call
        try:
            return await call
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return None
        except Gone:
            return None
        finally:
            del self._calls[episode]
