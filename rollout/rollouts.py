"""Where episodes are played, as a trainer sees it: here in one process, elsewhere on Ray, by the same three calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from rollout.runner import Jobs, Stage, Stop, play


class Rollouts(Protocol):
    """Plays episodes with the newest policy.

    Attributes:
        stage: what the episodes share: the account and the store in which they end up.
    """

    stage: Stage

    async def play(self, jobs: Jobs, *, slots: int | None = None, stop: Stop | None = None) -> None:
        """As `rollout.runner.play`: every job is on disk and booked when this returns, or owed if it was stopped."""

    async def sync(self) -> int:
        """Give the trainer's weights to whatever samples. Returns the new version, which the next turns carry."""

    async def close(self) -> None:
        """Give back what is held. May be called twice."""


class LocalRollouts:
    """Episodes in this process.

    Args:
        stage: with whom, where, and by which rules.
        sync: brings the engine to the trainer's weights and returns its version.
    """

    def __init__(self, stage: Stage, sync: Callable[[], Awaitable[int]]) -> None:
        self.stage = stage
        self._sync = sync

    async def play(self, jobs: Jobs, *, slots: int | None = None, stop: Stop | None = None) -> None:
        await play(self.stage, jobs, slots=slots, stop=stop)

    async def sync(self) -> int:
        return await self._sync()

    async def close(self) -> None:
        await self.stage.policy.close()
