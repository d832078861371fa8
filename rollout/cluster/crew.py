"""The actors of a run: started, watched by heartbeats, replaced when they are gone."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from rollout.cluster.engine_actor import EngineActor, EngineFacts, Pulse
from rollout.cluster.errors import ClusterError, Died, Gone
from rollout.cluster.member import Member, spawn
from rollout.cluster.worker_actor import WorkerActor
from rollout.engine import Engine, EngineError
from rollout.host import describe

log = logging.getLogger(__name__)

STARTS = 3
"""How often one tries to fill an actor's place before it stays empty."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that may pass between the driver and its actors.

    Attributes:
        start: until an actor is up, the model of an engine loaded.
        beat: between two heartbeats of an actor.
        heartbeat: until an actor that does not answer one is taken for dead.
        stall: until an engine that has requests and answers none is taken for dead.
        update: until new weights are in all engines.
        queue: until a finished episode has room to wait for the disk.
        close: until an actor has given back what it holds; then it is killed.
    """

    start: float = 600.0
    beat: float = 1.0
    heartbeat: float = 30.0
    stall: float = 300.0
    update: float = 300.0
    queue: float = 300.0
    close: float = 10.0


class Listener:
    """Is told who comes and goes, and what the actors say."""

    def joined(self, member: Member) -> None:
        """An actor is up."""

    def lost(self, member: Member) -> None:
        """An actor is gone, and killed."""

    def heard(self, member: Member, pulse: Pulse) -> None:
        """An actor has answered a heartbeat."""


@dataclass(slots=True)
class _Watched:
    """What belongs to one stretch of watching: its event loop's things."""

    listener: Listener
    failure: asyncio.Future[None]
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    replacing: dict[asyncio.Task[None], str] = field(default_factory=dict)


class Crew:
    """Workers and engines.

    Args:
        workers, engines: how many of each.
        gpus: of each engine; Ray places by it.
        make_engine: called in each engine's process.
        patience: deadlines.

    Attributes:
        terms: a reference in Ray's store to the workers' terms; set before workers are started.
        weights: a reference to the newest weights; None until the first update.
        version: of the weights.
        facts: of the engines, once one has started.
    """

    def __init__(
        self, workers: int, engines: int, gpus: float, make_engine: Callable[[], Engine], patience: Patience
    ) -> None:
        self._wanted = {"worker": workers, "engine": engines}
        self._gpus, self._make_engine, self._patience = gpus, make_engine, patience
        self._members: dict[str, dict[int, Member]] = {"worker": {}, "engine": {}}
        self._starting: set[Member] = set()
        self._watched: _Watched | None = None
        self.terms: Any = None
        self.weights: Any = None
        self.version = 0
        self.facts: EngineFacts | None = None

    def members(self, kind: str) -> list[Member]:
        """Who is up."""
        return list(self._members[kind].values())

    def near(self, engine: Member) -> list[Member]:
        """The workers of an engine's group. Where workers and engines keep to their groups a call carries more; of as
        many as the greatest common divisor all are alike, so nobody gets more than others."""
        groups = math.gcd(*self._wanted.values())
        return [worker for worker in self.members("worker") if worker.number % groups == engine.number % groups]

    async def fill(self, kind: str) -> None:
        """Start those that are missing, all at once.

        Raises:
            ClusterError: if one of the first does not start; later on a run goes on with those that it has.
        """
        members, first = self._members[kind], not self._members[kind]
        missing = [number for number in range(self._wanted[kind]) if number not in members]
        try:
            await _all(self._start(kind, number) for number in missing)
        except ClusterError as error:
            if first:
                raise
            log.error("%d of %d are up: %s", len(members), self._wanted[kind], error)

    async def hire_alone(self) -> Member:
        """One more worker, which is not replaced.

        Raises:
            ClusterError: if it does not start.
        """
        return await self._start("worker", self._wanted["worker"], alone=True)

    @asynccontextmanager
    async def watched(self, listener: Listener) -> AsyncIterator[asyncio.Future[None]]:
        """While inside, actors are watched and replaced. Yields a future that fails when none of a kind is left."""
        failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watched = _Watched(listener, failure)
        try:
            for members in self._members.values():
                for member in members.values():
                    self._join(member)
            yield failure
        finally:
            tasks, self._watched = self._watched.tasks, None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for member in [member for member in self.members("worker") if member.alone]:
                await self._dismiss(member)
            failure.cancel()

    def bury(self, member: Member, why: object) -> None:
        """An actor is gone: kill what is left of it and fill its place, where that is watched. Once for each."""
        if self._members[member.kind].get(member.number) is not member:
            return
        del self._members[member.kind][member.number]
        member.kill()
        log.warning("%s", why)
        if self._watched is not None:
            self._watched.listener.lost(member)
            if not member.alone:
                replacing = self._watched.replacing
                task = self._begin(self._replace(member))
                replacing[task] = member.kind
                task.add_done_callback(lambda task: replacing.pop(task, None))

    async def update(self, weights: Any, version: int) -> None:
        """Bring all engines to new weights; one that does not take them is replaced by one that begins with them.

        Raises:
            ClusterError: if a replacement does not take them either.
        """
        self.weights, self.version = weights, version

        async def load(member: Member) -> None:
            try:
                await member.call("update", weights, version, seconds=self._patience.update)
            except (Gone, EngineError) as error:
                self.bury(member, f"{member} did not take version {version}: {error}")

        await _all(load(member) for member in self.members("engine"))
        await self.settled("engine")

    async def settled(self, kind: str) -> None:
        """Wait until nobody is missing. Where the crew is watched its replacements are under way already."""
        while (watched := self._watched) is not None:
            replacing = [task for task, of in watched.replacing.items() if of == kind]
            if not replacing:
                return
            await asyncio.wait([*replacing, watched.failure], return_when=asyncio.FIRST_COMPLETED)
            if watched.failure.done() and not watched.failure.cancelled():
                watched.failure.result()
        await self.fill(kind)

    async def restart_workers(self) -> None:
        """Give the workers that are up new terms."""

        async def tell(member: Member) -> None:
            try:
                await member.call("start", self.terms, seconds=self._patience.start)
            except Gone as error:
                self.bury(member, error)

        await _all(tell(member) for member in self.members("worker"))

    async def close(self) -> None:
        """End all actors: politely, then for certain."""
        everybody = [*self.members("worker"), *self.members("engine")]
        await _all(self._dismiss(member) for member in everybody)

    def kill(self) -> None:
        """End all actors at once."""
        for member in [*self.members("worker"), *self.members("engine"), *self._starting]:
            member.kill()
        for members in self._members.values():
            members.clear()

    async def _start(self, kind: str, number: int, *, alone: bool = False, insist: bool = False) -> Member:
        """Fill a place; again where the actor died before it was up, and `insist`ing after any failure."""
        attempt = 0
        while True:
            try:
                return await self._try(kind, number, attempt, alone)
            except ClusterError as error:
                attempt += 1
                if attempt == STARTS or not (insist or isinstance(error.__cause__, Died)):
                    raise
                log.warning("%s; it is started again", error.__cause__)

    async def _try(self, kind: str, number: int, attempt: int, alone: bool) -> Member:
        what = WorkerActor if kind == "worker" else EngineActor
        gpus = self._gpus if kind == "engine" else 0
        member: Member | None = None
        try:
            member = spawn(kind, number, what, gpus=gpus, alone=alone, attempt=attempt)
            self._starting.add(member)
            version = self.version
            args = (self.terms,) if kind == "worker" else (self._make_engine, version, self.weights)
            found = await member.call("start", *args, seconds=self._patience.start)
            member.pid, member.node, member.name = found.pid, found.node, found.name
            while kind == "engine" and version != self.version:  # weights came while it started
                version = self.version
                await member.call("update", self.weights, version, seconds=self._patience.update)
        except BaseException as error:
            if member is not None:
                member.kill()
            if not isinstance(error, Exception):
                raise
            remedy = "Mend that; or ask for fewer engines, or fewer GPUs for each, if Ray has no room for them."
            said = str(error) if isinstance(error, Gone) else f"{kind} {number} does not start: {describe(error)}"
            raise ClusterError(said, remedy=remedy) from error
        finally:
            self._starting.discard(member)
        self.facts = found.facts or self.facts
        self._members[kind][number] = member
        self._join(member)
        return member

    async def _replace(self, member: Member) -> None:
        try:
            await self._start(member.kind, member.number, insist=True)
            log.warning("%s is back", member)
        except ClusterError as error:
            log.error("%s is not replaced: %s", member, error)
            watched, this = self._watched, asyncio.current_task()
            if watched is None or this is None:
                return
            watched.replacing.pop(this, None)  # now, and not a moment later: the last two may fail in one
            nobody = not self._members[member.kind] and member.kind not in watched.replacing.values()
            if nobody and not watched.failure.done():
                watched.failure.set_exception(error)

    def _join(self, member: Member) -> None:
        if self._watched is not None:
            self._watched.listener.joined(member)
            self._begin(self._beat(member))

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._watched is not None
        tasks = self._watched.tasks
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    async def _beat(self, member: Member) -> None:
        """Ask an actor again and again how it is, until it is gone."""
        loop, done = asyncio.get_running_loop(), -1
        moved = loop.time()
        while self._members[member.kind].get(member.number) is member:
            try:
                pulse: Pulse = await member.call("pulse", seconds=self._patience.heartbeat)
            except Gone as error:
                self.bury(member, error)
                return
            if not pulse.busy or pulse.done != done:
                moved, done = loop.time(), pulse.done
            elif loop.time() - moved > self._patience.stall:
                self.bury(
                    member, f"{member} has {pulse.busy} requests and answered none for {self._patience.stall:g} s"
                )
                return
            if self._watched is not None:
                self._watched.listener.heard(member, pulse)
            await asyncio.sleep(self._patience.beat)

    async def _dismiss(self, member: Member) -> None:
        self._members[member.kind].pop(member.number, None)
        try:
            await member.call("close", seconds=self._patience.close)
        except Exception:  # whatever it says: it is killed
            member.kill()
        else:
            member.end()


async def _all(works: Iterable[Coroutine[Any, Any, object]]) -> None:
    """All at once; the first failure is raised when all have ended."""
    for result in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
