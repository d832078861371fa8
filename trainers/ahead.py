"""Episodes that are played while the trainer updates (asynchronous training), within a bound on their staleness.

All that plays lives in the event loop of one thread, beside the main thread that trains. New weights are taken in
flight: the engine changes them between two of its steps, and episodes under way go on with them. Each token keeps the
log-probability that it was sampled with, so the trainer can correct for the weights that sampled it
(`EpisodeGRPOTrainer`'s `importance_cap`).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import replace
from typing import Any

from rollout.episode import Job
from rollout.rollouts import Rollouts
from rollout.runner import Stop
from rollout.trajectory import Trajectory
from trainers.background import PATIENCE, Background
from trainers.backlog import Backlog
from trainers.errors import TrainingError
from trainers.generation import Played, Tap

GRACE = 60.0
"""Seconds in which episodes that are cut off give back what they hold."""

_LOOK = 0.5
"""Seconds after which the main thread, while it waits for episodes, looks whether the user has asked for an end."""


class Ahead:
    """Gives the groups of one iteration after another, as `Generation` does, and plays on meanwhile.

    Nothing is played before the first `play`. Call `sync` once after each update: an iteration may begin episodes when
    the one before has been learned from.

    Args:
        rollouts: where episodes are played; from now on used in the thread alone.
        backlog: of the groups.
        check: raises `Stopped` once the user has asked for an end.
    """

    def __init__(self, rollouts: Rollouts, backlog: Backlog, check: Callable[[], None] = lambda: None) -> None:
        self.rollouts, self._backlog, self._check = rollouts, backlog, check
        self._stop = Stop()
        self._changed = threading.Condition()
        self._room = asyncio.Event()
        self._thread: Background | None = None
        self._playing: Future[None] | None = None

    def play(self) -> Played:
        """The groups of the next iteration; waits until there are enough. They may be none, where none has a signal.

        Raises:
            Stopped: if the user asked for it.
            TrainingError: if no episode could be scored, or nothing has ended for very long.
            EnvError: whatever ended the playing.
        """
        if self._playing is None:
            self._playing = self._background.begin(self._play())
            self._playing.add_done_callback(lambda _: self._tell())
        patience = self.rollouts.stage.deadlines.episode + PATIENCE
        with self._changed:
            since = time.monotonic()
            while (played := self._next(self._playing)) is None:
                self._check()
                if self._changed.wait(_LOOK):
                    since = time.monotonic()
                elif time.monotonic() - since > patience:
                    remedy = "See the engine's own log for what hangs, then go on with --resume."
                    raise TrainingError(f"no episode has ended for {patience:g} s", remedy=remedy)
        self._background.loop.call_soon_threadsafe(self._room.set)  # groups without a signal have left
        played.check()
        return played

    def sync(self) -> None:
        """Bring the engine to the trainer's weights, in flight."""
        self._background.run(self._update())

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON."""
        with self._changed:
            return self._backlog.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where a checkpoint was made."""
        with self._changed:
            self._backlog.restore(state)

    def end(self) -> None:
        """The last iteration has been played: episodes under way are cut off.

        Raises:
            EnvError: whatever ended the playing before.
            AccountError: if an episode has been lost.
            TrainingError: if they do not let themselves be cut off.
        """
        if self._playing is not None:
            self._halt(self._playing)
            if self._playing.cancelled():
                remedy = "What was learned is saved; go on with --resume."
                raise TrainingError(f"episodes could not be cut off within {GRACE:g} s", remedy=remedy)
            self._playing.result()
            self.rollouts.stage.account.check()

    def close(self) -> None:
        """End everything that runs in the thread, and the thread."""
        try:
            if self._playing is not None:
                self._halt(self._playing)  # what ended it was told to who asked for episodes
            self._background.run(self.rollouts.close())
        finally:
            self._background.close()

    @property
    def _background(self) -> Background:
        if self._thread is None:
            self._thread = Background("ahead")
        return self._thread

    def _halt(self, playing: Future[None]) -> None:
        self._background.run(self._cut_off())
        wait([playing], GRACE)
        playing.cancel()

    def _next(self, playing: Future[None]) -> Played | None:
        if playing.done():
            playing.result()
            raise TrainingError("no more episodes are played", remedy="Go on with --resume.")
        return self._backlog.take()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # From here on in the thread.

    async def _play(self) -> None:
        stage = self.rollouts.stage
        self.rollouts.stage = replace(stage, watcher=Tap(stage.watcher, self._ended))
        await self.rollouts.play(_Jobs(self._next_job), stop=self._stop)

    async def _next_job(self) -> Job | None:
        """For a slot: the next episode, as soon as one may begin; None at the end."""
        while not self._stop.gently.is_set():
            self._room.clear()
            with self._changed:
                job = self._backlog.next()
                self._changed.notify_all()  # episodes on disk may have completed a group
            if job is not None:
                self.rollouts.stage.account.expect([job.id])
                return job
            await self._room.wait()
        return None

    def _ended(self, trajectory: Trajectory) -> None:
        with self._changed:
            if trajectory.ending != "cancelled":
                self._backlog.add(trajectory)
            self._changed.notify_all()
        self._room.set()

    async def _update(self) -> None:
        version = await self.rollouts.sync()
        with self._changed:
            self._backlog.updated(version)
        self._room.set()

    async def _cut_off(self) -> None:
        self._stop.gently.set()
        self._stop.now.set()
        self._room.set()


class _Jobs:
    """What slots take their jobs from, as long as there are any."""

    def __init__(self, take: Callable[[], Awaitable[Job | None]]) -> None:
        self._take = take

    def __aiter__(self) -> AsyncIterator[Job]:
        return self

    async def __anext__(self) -> Job:
        if (job := await self._take()) is None:
            raise StopAsyncIteration
        return job
