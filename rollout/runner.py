"""Many episodes at once, each on its own clock: a slot begins its next episode the moment its last one ends."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from envs import Task, TextEnv
from envs.protocol import Protocol as TalkProtocol
from rollout.account import Account
from rollout.episode import Job, run_episode
from rollout.host import Deadlines, EnvFailure, make_host
from rollout.policy import Policy
from rollout.store import Store
from rollout.trajectory import Trajectory

log = logging.getLogger(__name__)

Scorer = Callable[[Trajectory], Trajectory]

Jobs = Iterable[Job] | AsyncIterable[Job]
"""In the order in which they begin, taken one by one; where they come asynchronously, a slot waits for its next."""


class Watcher(Protocol):
    """Is told how a run goes on."""

    def waits(self, slot: int, job: Job, cause: str) -> None:
        """The episode in a slot waits for `env` or `model`; "" when it is over."""

    def ended(self, trajectory: Trajectory, account: Account) -> None:
        """An episode is on disk and booked."""


@dataclass(slots=True)
class Stop:
    """How a run is asked to end early: `gently` lets live episodes finish, `now` cancels them. `signal` is the signal
    that asked first; None if none did."""

    gently: asyncio.Event = field(default_factory=asyncio.Event)
    now: asyncio.Event = field(default_factory=asyncio.Event)
    signal: int | None = None

    def ask(self) -> None:
        """Once for gently, twice for now."""
        if not self.gently.is_set():
            self.gently.set()
            log.warning("stopping: live episodes play to their end; ask again (Ctrl-C) to cut them off")
        else:
            self.now.set()

    def listening(self) -> AbstractContextManager[None]:
        """While episodes are played: Ctrl-C and SIGTERM ask, where this is the main thread."""
        return on_signals(self)


@dataclass(frozen=True, slots=True)
class Stage:
    """What the episodes of a run share. `max_turns` lowers the limit that protocol and environment set."""

    env: TextEnv[Task]
    policy: Policy
    protocol: TalkProtocol
    store: Store
    account: Account
    deadlines: Deadlines = field(default_factory=Deadlines)
    lineage: dict[str, Any] = field(default_factory=dict)
    scorer: Scorer | None = None
    keep: Callable[[Trajectory], bool] | None = None
    watcher: Watcher | None = None
    max_turns: int | None = None

    @property
    def turns(self) -> int:
        """After which an episode is truncated."""
        usual = self.protocol.max_turns or self.env.max_steps
        return usual if self.max_turns is None else min(self.max_turns, usual)


async def play(stage: Stage, jobs: Jobs, *, slots: int | None = None, stop: Stop | None = None) -> None:
    """Play every job and book it once it is on disk.

    Args:
        stage: with whom, where, and by which rules.
        jobs: see `Jobs`.
        slots: episodes at once; the policy's capacity if None.
        stop: asks for an early end. What was not begun stays owed; what was cut off is booked as cancelled.

    Raises:
        StoreError: if episodes cannot be written: the run ends at once.
    """
    stop = stop or Stop()
    writer = Writer(stage)
    source = one_by_one(jobs)
    count = stage.policy.capacity if slots is None else slots
    with stop.listening():
        tasks = [asyncio.create_task(_slot(number, stage, source, writer, stop)) for number in range(max(1, count))]
        watch = asyncio.create_task(cancel_on(stop.now, tasks))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task not in done:
                    task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            watch.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, watch, return_exceptions=True)
            await writer.finish()
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _slot(number: int, stage: Stage, source: AsyncIterator[Job], writer: Writer, stop: Stop) -> None:
    host = make_host(stage.env, stage.deadlines)
    try:
        while not stop.gently.is_set() and (job := await anext(source, None)) is not None:

            def watch(cause: str, job: Job = job) -> None:
                if stage.watcher is not None:
                    stage.watcher.waits(number, job, cause)

            try:
                trajectory = await run_episode(
                    host,
                    stage.policy,
                    stage.protocol,
                    job,
                    stage.deadlines,
                    max_turns=stage.turns,
                    lineage=stage.lineage,
                    watch=watch,
                )
            except asyncio.CancelledError:
                await asyncio.shield(writer.write(cancelled(job, stage.lineage)))
                raise
            await writer.write(trajectory)
    finally:
        try:
            await asyncio.shield(host.close())
        except EnvFailure as failure:
            log.warning("an environment did not close: %s", failure)


class Writer:
    """Writes what is waiting with one fsync: an episode is booked, and its slot freed, only then."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._waiting: list[tuple[Trajectory, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def write(self, trajectory: Trajectory) -> None:
        stage = self._stage
        if trajectory.scored and stage.scorer is not None:
            trajectory = stage.scorer(trajectory)
        if trajectory.scored and stage.keep is not None and not stage.keep(trajectory):
            # Its line stays, so that the account is whole and a resumed run does not play it again.
            trajectory = replace(trajectory, steps=())
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((trajectory, written))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        await asyncio.shield(written)

    async def finish(self) -> None:
        if self._task is not None:
            await self._task

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._stage.store.append, *(trajectory for trajectory, _ in batch))
                for trajectory, _ in batch:
                    self._stage.account.book(trajectory)
                    if self._stage.watcher is not None:
                        self._stage.watcher.ended(trajectory, self._stage.account)
            except Exception as error:  # whatever it is: a slot that is never told would wait for ever
                for _, written in batch:
                    written.set_exception(error)
                    written.exception()  # marks it as seen: its slot may have been cancelled
                continue
            for _, written in batch:
                written.set_result(None)


def one_by_one(jobs: Jobs) -> AsyncIterator[Job]:
    """Jobs for several slots to take from."""
    return aiter(jobs) if isinstance(jobs, AsyncIterable) else _AtHand(iter(jobs))


class _AtHand:
    """Not an asynchronous generator, which two slots could not wait for at once."""

    def __init__(self, jobs: Iterator[Job]) -> None:
        self._jobs = jobs

    def __aiter__(self) -> AsyncIterator[Job]:
        return self

    async def __anext__(self) -> Job:
        try:
            return next(self._jobs)
        except StopIteration:
            raise StopAsyncIteration from None


def cancelled(job: Job, lineage: dict[str, Any]) -> Trajectory:
    task = job.task
    return Trajectory(
        id=job.id,
        task=task.id,
        task_type=task.type,
        split=task.split,
        sample=job.sample,
        attempt=job.attempt,
        seed=job.seed,
        ending="cancelled",
        lineage=lineage,
    )


async def cancel_on(event: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    await event.wait()
    for task in tasks:
        task.cancel()


def _received(stop: Stop, number: int) -> None:
    stop.signal = stop.signal or number
    stop.ask()


@contextmanager
def on_signals(stop: Stop) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    installed = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, RuntimeError, ValueError):  # not the main thread: its owner handles signals
            loop.add_signal_handler(number, _received, stop, number)
            installed.append(number)
    try:
        yield
    finally:
        for number in installed:
            loop.remove_signal_handler(number)
