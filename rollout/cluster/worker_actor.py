"""A process that plays episodes: environments and protocol here, the model elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from envs import Task, TextEnv
from envs.protocol import Protocol
from rollout.cluster.engine_actor import EngineFacts, Pulse, RemoteEngine, Started, started
from rollout.cluster.installation import checked_installation
from rollout.cluster.line import Desk
from rollout.engine import Engine
from rollout.episode import Job, run_episode
from rollout.host import Deadlines, EnvFailure, Host, make_host
from rollout.policy import Policy
from rollout.trajectory import Trajectory

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a worker has to know of a stage, and of the engines; see `RemoteEngine` for `patience`."""

    env: TextEnv[Task]
    protocol: Protocol
    deadlines: Deadlines
    make_policy: Callable[[Engine], Policy]
    facts: EngineFacts
    patience: float


class WorkerActor(Desk):
    """Plays episodes, many at once."""

    def __init__(self) -> None:
        super().__init__()
        self._terms: Any = None
        self._engine: Any = None
        self._policy: Any = None
        self._free: list[Host] = []
        self._waits: dict[str, str] = {}

    async def start(self, terms: Terms) -> Started:
        """Take the terms, in place of earlier ones."""
        checked_installation()
        await self._close_hosts()
        self._terms, this = terms, started()
        self._engine = RemoteEngine(terms.facts, this.name, terms.patience)
        self._policy = terms.make_policy(self._engine)
        return this

    async def play(self, job: Job, turns: int, engine: Any) -> Trajectory:
        """Play an episode at an engine; see `run_episode`."""
        self._engine.begin(job.id, engine)
        terms = self._terms
        host = self._free.pop() if self._free else make_host(terms.env, terms.deadlines)
        try:
            return await run_episode(
                host,
                self._policy,
                terms.protocol,
                job,
                terms.deadlines,
                max_turns=turns,
                watch=lambda cause: self._waits.__setitem__(job.id, cause),
            )
        finally:
            self._free.append(host)  # cut off, it has forgotten its episode or killed its process
            self._waits.pop(job.id, None)
            await self._engine.release(job.id)

    async def move(self, actors: dict[str, Any]) -> None:
        """Episodes go on at other engines."""
        self._engine.move(actors)

    async def pulse(self) -> Pulse:
        """What each episode waits for."""
        return Pulse(waits=dict(self._waits))

    async def close(self) -> None:
        """Close the environments."""
        await self._close_hosts()

    async def _close_hosts(self) -> None:
        hosts, self._free = self._free, []
        for result in await asyncio.gather(*(host.close() for host in hosts), return_exceptions=True):
            if isinstance(result, EnvFailure):
                log.warning("an environment did not close: %s", result)
