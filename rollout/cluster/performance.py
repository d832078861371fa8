"""One call of `RayRollouts.play`: slots that hand episodes to workers, and what becomes of those whose worker dies."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from rollout.cluster.crew import Crew, Listener, Patience
from rollout.cluster.engine_actor import Pulse
from rollout.cluster.errors import ClusterError, Gone
from rollout.cluster.line import Line
from rollout.cluster.member import Member
from rollout.cluster.queue import Queue
from rollout.cluster.routes import Routes
from rollout.episode import Job
from rollout.runner import Jobs, Stage, Stop, Writer, cancel_on, cancelled, one_by_one
from rollout.trajectory import Failure, Trajectory

log = logging.getLogger(__name__)

CONTAINED = ("worker_died", "engine_error", "engine_timeout")
"""Classes of failure that say that the machinery fails, and not an environment."""

FEW = 16
"""A share is taken of so many episodes at least: the first failure of a run is not all of it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run bears: see `RayRollouts`."""

    queue: int
    deaths: int
    share: float


@dataclass(eq=False, slots=True)
class Live:
    """An episode under way, as the driver sees it."""

    slot: int
    job: Job
    worker: Member
    cause: str = ""


class Performance(Listener):
    """Plays jobs on a crew.

    Args:
        stage: what the episodes share.
        crew: complete, and told the stage's terms.
        jobs: taken one by one.
        stop: asks for an early end.
        limits: what the run bears.
        patience: deadlines.
        deaths: workers that died over a task so far, by the task's id; counted on here.
    """

    def __init__(
        self,
        stage: Stage,
        crew: Crew,
        jobs: Jobs,
        stop: Stop,
        limits: Limits,
        patience: Patience,
        deaths: Counter[str],
    ) -> None:
        self._stage, self._crew, self._stop = stage, crew, stop
        self._limits, self._patience, self._deaths = limits, patience, deaths
        self._source = one_by_one(jobs)
        self._writer = Writer(stage)
        self._queue = Queue(self._writer.write, limits.queue, patience.queue)
        self._engines: Routes[Member] = Routes()
        self._workers: Routes[Member] = Routes()
        self._name = uuid4().hex
        self._lines: dict[Member, Line] = {}
        self._live: dict[str, Live] = {}
        self._changed = asyncio.Event()
        self._alone = asyncio.Lock()
        self._failed: Counter[str] = Counter()
        self._ended = 0

    async def run(self, slots: int) -> None:
        """Play until the jobs are all on disk, or the run is stopped."""
        with self._stop.listening():
            async with self._crew.watched(self) as failure:
                tasks = [asyncio.create_task(self._slot(number)) for number in range(slots)]
                watch = asyncio.create_task(cancel_on(self._stop.now, tasks))
                everybody: asyncio.Future[Any] = asyncio.gather(*tasks)
                try:
                    await asyncio.wait([everybody, failure], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in (*tasks, watch):
                        task.cancel()
                    results = await asyncio.gather(*tasks, return_exceptions=True)
                    await asyncio.gather(everybody, watch, return_exceptions=True)
                    for line in self._lines.values():
                        line.hang_up()
                    await self._queue.drained()
                    await self._writer.finish()
                if failure.done():
                    failure.result()
        for result in results:
            if isinstance(result, Exception):
                raise result

    def joined(self, member: Member) -> None:
        """An actor is up: episodes that have no place get one."""
        if member.kind == "engine":
            self._move(self._engines.add(member))
        else:
            self._lines[member] = Line(member.actor, self._name)
            if not member.alone:
                self._workers.add(member)
        self._wake()

    def lost(self, member: Member) -> None:
        """An actor is gone: its load moves, or is played again."""
        if member.kind == "engine":
            self._move(self._engines.drop(member))
            return
        self._workers.drop(member)
        hit = [live for live in self._live.values() if live.worker is member]
        log.warning("%d episodes of %s are played again", len(hit), member)
        # Many workers may die at once, as with their machine: only one of its own convicts a task.
        most = self._limits.deaths if member.alone else self._suspect
        self._deaths.update(task for task in {live.job.task.id for live in hit} if self._deaths[task] < most)
        self._lines.pop(member).cut(Gone(f"{member} died"))
        for engine in self._crew.members("engine"):
            engine.actor.hang_up.remote(member.name)
        self._wake()

    def heard(self, member: Member, pulse: Pulse) -> None:
        """What the episodes of a worker wait for."""
        for episode, cause in pulse.waits.items():
            live = self._live.get(episode)
            if live is not None and live.cause != cause:
                live.cause = cause
                self._tell(live, cause)

    async def _slot(self, number: int) -> None:
        while not self._stop.gently.is_set() and (job := await anext(self._source, None)) is not None:
            try:
                trajectory = await self._episode(number, job)
            except asyncio.CancelledError:
                await asyncio.shield(self._writer.write(cancelled(job, self._stage.lineage)))
                raise
            await self._queue.put(replace(trajectory, lineage=self._stage.lineage))
            self._count(trajectory)

    async def _episode(self, slot: int, job: Job) -> Trajectory:
        """Play an episode until it ends, or its task is convicted."""
        while True:
            deaths = self._deaths[job.task.id]
            if deaths >= self._limits.deaths:
                return _quarantined(job, deaths)
            try:
                if deaths < self._suspect:
                    engine = await self._place(self._engines, job)
                    return await self._play(slot, job, await self._place(self._workers, job, self._crew.near(engine)))
                async with self._alone:
                    # While it waited for its turn the task may have been acquitted, or convicted.
                    if self._suspect <= self._deaths[job.task.id] < self._limits.deaths:
                        return await self._judge(slot, job)
            except Gone:
                job = replace(job, attempt=job.attempt + 1)
            finally:
                self._workers.release(job.id)
                self._engines.release(job.id)

    @property
    def _suspect(self) -> int:
        """Workers that died over a task before it gets one of its own."""
        return max(1, self._limits.deaths - 1)

    async def _judge(self, slot: int, job: Job) -> Trajectory:
        """Play an episode with a worker to itself: if that dies too the task is the reason, and if not it is not."""
        alone = [member for member in self._crew.members("worker") if member.alone]
        trajectory = await self._play(slot, job, alone[0] if alone else await self._crew.hire_alone())
        self._deaths.pop(job.task.id, None)
        return trajectory

    async def _place(self, routes: Routes[Member], job: Job, near: Collection[Member] = ()) -> Member:
        while not len(routes):
            await self._changed.wait()  # for a replacement, whose start has a deadline
        return routes.assign(job.id, near)

    async def _play(self, slot: int, job: Job, worker: Member) -> Trajectory:
        """One attempt.

        Raises:
            Gone: if the worker died.
        """
        engine = await self._place(self._engines, job)
        if (line := self._lines.get(worker)) is None:
            raise Gone(f"{worker} died before it began")
        self._live[job.id] = live = Live(slot, job, worker)
        self._tell(live, "env")
        try:
            # The worker keeps the episode's deadline; this one is for an answer that is lost on its way.
            async with asyncio.timeout(self._stage.deadlines.episode + self._patience.heartbeat):
                trajectory: Trajectory = await line.ask("play", job, self._stage.turns, engine.actor)
                return trajectory
        except Gone as error:
            self._crew.bury(worker, f"{worker} died ({error})")
            raise
        except TimeoutError:
            self._crew.bury(worker, f"{worker} has lost an episode")
            raise Gone(f"{worker} did not answer") from None
        finally:
            del self._live[job.id]
            self._tell(live, "")

    def _count(self, trajectory: Trajectory) -> None:
        """Hold the run to the share of failures that it may have."""
        self._ended += 1
        if trajectory.failure is None or trajectory.failure.kind not in CONTAINED:
            return
        kind = trajectory.failure.kind
        self._failed[kind] += 1
        if self._failed[kind] > self._limits.share * max(self._ended, FEW):
            raise ClusterError(
                f"{self._failed[kind]} of {self._ended} episodes failed as {kind} (the last: "
                f"{trajectory.failure.message}), more than a share of {self._limits.share:g}",
                remedy="Mend what they say, then go on with --resume.",
            )

    def _move(self, places: dict[str, Member]) -> None:
        """Tell the workers where the requests of their episodes go from now on."""
        by_worker: dict[Member, dict[str, object]] = {}
        for episode, engine in places.items():
            if (live := self._live.get(episode)) is not None:
                by_worker.setdefault(live.worker, {})[episode] = engine.actor
        for worker, actors in by_worker.items():
            if (line := self._lines.get(worker)) is not None:  # else it has just died too, and its episodes begin anew
                line.tell("move", actors)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _tell(self, live: Live, cause: str) -> None:
        if self._stage.watcher is not None:
            self._stage.watcher.waits(live.slot, live.job, cause)


def _quarantined(job: Job, deaths: int) -> Trajectory:
    log.error("%s is quarantined: %d workers died over it; it is not played any more", job.task.id, deaths)
    failure = Failure("worker_died", f"the task is quarantined: {deaths} workers died over it, at last one of its own")
    return replace(cancelled(job, {}), ending="error", failure=failure)
