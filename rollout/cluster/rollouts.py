"""Rollouts on Ray, with the semantics of `rollout.runner.play`, and what keeps them going when parts of them die."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from rollout.cluster.crew import Crew, Patience
from rollout.cluster.errors import ClusterError
from rollout.cluster.performance import Limits, Performance
from rollout.cluster.session import STORE_BYTES, connect, disconnect
from rollout.cluster.weights import Adapter, pack
from rollout.cluster.worker_actor import Terms
from rollout.engine import Engine
from rollout.policy import Policy
from rollout.runner import Jobs, Stage, Stop

if TYPE_CHECKING:
    import torch


class RayRollouts:
    """Episodes in worker processes, sampled by engine processes, on one machine or a cluster.

    Nothing starts before it is needed. It may be called from one event loop after another, but from one at a time; in
    that loop `update_weights` may run beside `play`.

    Args:
        stage: what the episodes share; its policy is not asked. May be replaced between two calls of `play`.
        make_engine: called in each engine's process, inside its event loop; pickled.
        make_policy: called in each worker with what stands for the engines there; pickled. May be replaced likewise.
        workers: processes that play episodes, many at once each.
        engines: processes with an engine each.
        address: `HOST:PORT` or `auto` for a cluster; None takes RAY_ADDRESS's, or starts Ray here and ends it at the
            close.
        gpus_per_engine: that Ray reserves for each engine.
        queue: episodes that may have ended and wait for the disk; then no slot begins another.
        patience: deadlines between driver and actors.
        max_deaths_per_task: workers that may die over a task before it is not played any more. The last time it is
            played alone, so that no other task is taken for the guilty one.
        failure_share: of the episodes of a `play` that may fail by one of `worker_died`, `engine_error` and
            `engine_timeout`, before it ends with an error.
        weights: the trainer's, for `sync`.
        store_bytes: of the object store, where Ray is started here; twice the weights fit best.
        own_gpus: so many of the first GPUs of this machine are the driver's: a Ray that is started here has the others.

    Attributes:
        version: of the newest weights.

    Raises:
        ClusterError: if a number is out of range.
    """

    def __init__(
        self,
        stage: Stage,
        make_engine: Callable[[], Engine],
        make_policy: Callable[[Engine], Policy],
        *,
        workers: int = 1,
        engines: int = 1,
        address: str | None = None,
        gpus_per_engine: float = 0,
        queue: int = 64,
        patience: Patience | None = None,
        max_deaths_per_task: int = 3,
        failure_share: float = 0.25,
        weights: Callable[[], Mapping[str, torch.Tensor] | Adapter] | None = None,
        store_bytes: int = STORE_BYTES,
        own_gpus: int = 0,
    ) -> None:
        if min(workers, engines, queue, max_deaths_per_task) < 1 or not 0 <= failure_share <= 1:
            raise ClusterError(
                f"{workers} workers, {engines} engines, a queue of {queue}, {max_deaths_per_task} deaths a task, "
                f"a share of {failure_share}",
                remedy="Give at least one of each, and a share from 0 to 1.",
            )
        self.stage, self.make_policy = stage, make_policy
        self._patience = patience or Patience()
        self._crew = Crew(workers, engines, gpus_per_engine, make_engine, self._patience)
        self._limits = Limits(queue, max_deaths_per_task, failure_share)
        self._weights = weights
        self._connect = partial(connect, address, store_bytes=store_bytes, own_gpus=own_gpus)
        self._deaths: Counter[str] = Counter()
        self._told: tuple[object, ...] = ()
        self._playing = self._ours = False

    @property
    def version(self) -> int:
        """Of the newest weights. May be set before the first are sent, to go on counting where another run stopped."""
        return self._crew.version

    @version.setter
    def version(self, number: int) -> None:
        self._crew.version = number

    @property
    def processes(self) -> dict[str, int]:
        """The number of each actor's process, by its name, as `engine 0`."""
        return {str(member): member.pid for kind in ("worker", "engine") for member in self._crew.members(kind)}

    async def play(self, jobs: Jobs, *, slots: int | None = None, stop: Stop | None = None) -> None:
        """As `rollout.runner.play`; `slots` are by default as many as the engines can work on at once.

        An episode whose worker dies is played again, with the same seed and its attempt counted up; one whose engine
        dies goes on with another engine.

        Raises:
            StoreError: if episodes cannot be written: the run ends at once.
            ClusterError: if actors do not start, too many episodes fail, or the disk stands still.
        """
        if self._playing:
            raise ClusterError("episodes are being played already", remedy="Wait for the other play to end.")
        self._playing = True
        try:
            await self._ready()
            facts = self._crew.facts
            assert facts is not None
            count = facts.capacity * len(self._crew.members("engine")) if slots is None else slots
            performance = Performance(
                self.stage, self._crew, jobs, stop or Stop(), self._limits, self._patience, self._deaths
            )
            await performance.run(max(1, count))
        finally:
            self._playing = False

    async def sync(self) -> int:
        """Give the trainer's weights to all engines. Returns the new version."""
        if self._weights is None:
            raise ClusterError("nobody said whose weights", remedy="Pass weights= to RayRollouts.")
        return await self.update_weights(self._weights())

    async def update_weights(self, weights: Mapping[str, torch.Tensor] | Adapter) -> int:
        """Load a state dict or an adapter in all engines, each between two of its forward passes. Returns the new
        version.

        Raises:
            ClusterError: if an engine does not take it, and neither does one that replaces it.
        """
        import ray

        await self._ready_engines()

        def put() -> Any:
            return ray.put(weights if isinstance(weights, Adapter) else pack(weights))

        # All at once from shared memory, kept for engines that are started later. Gigabytes must not stop heartbeats.
        reference = await asyncio.to_thread(put)
        await self._crew.update(reference, self._crew.version + 1)
        return self._crew.version

    async def close(self) -> None:
        """End all processes. May be called twice."""
        import ray

        try:
            if ray.is_initialized():
                await self._crew.close()
        finally:
            self._end()

    def _end(self) -> None:
        import ray

        if ray.is_initialized():
            self._crew.kill()
        self._crew.terms = self._crew.weights = None
        if self._ours:
            disconnect()
            self._ours = False

    async def _ready_engines(self) -> None:
        self._ours = self._connect() or self._ours
        await self._crew.settled("engine")

    async def _ready(self) -> None:
        import ray

        await self._ready_engines()
        stage, facts = self.stage, self._crew.facts
        assert facts is not None
        told = (stage.env, stage.protocol, stage.deadlines, self.make_policy)
        if len(self._told) != len(told) or any(new is not old for new, old in zip(told, self._told, strict=True)):
            patience = self._patience.heartbeat + self._patience.beat
            self._crew.terms = ray.put(Terms(*told, facts, patience))
            self._told = told
            await self._crew.restart_workers()
        await self._crew.fill("worker")
