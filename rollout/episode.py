"""One episode, from reset to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from envs import Task
from envs.protocol import Exchange, Message, Protocol, Reading
from envs.record import Record
from rollout.engine import ContextOverflow, EngineError
from rollout.host import Answer, Deadlines, EnvFailure, Host, describe
from rollout.policy import Episode, Player, Policy, Reply, Turn
from rollout.trajectory import Ending, Failure, Step, Timing, Trajectory


@dataclass(frozen=True, slots=True)
class Job(Record):
    """An episode to be played.

    Attributes:
        task: what is played.
        sample: which of the task's episodes, from 0.
        seed: of the environment's reset and of the sampling.
        attempt: how often it was tried before.
    """

    task: Task
    sample: int = 0
    seed: int = 0
    attempt: int = 0

    @property
    def id(self) -> str:
        """Unique in a run."""
        return f"{self.task.id}#{self.sample}"


Watch = Callable[[str], None]
"""Told what an episode waits for: `env`, `model`, or "" when it is over."""


async def run_episode(
    host: Host,
    policy: Policy,
    protocol: Protocol,
    job: Job,
    deadlines: Deadlines,
    *,
    max_turns: int,
    lineage: dict[str, Any] | None = None,
    watch: Watch = lambda cause: None,
) -> Trajectory:
    """Play one episode. Whatever fails outside the model ends it with a failure of a class and is never raised.

    Args:
        host: the environment's home; it is free again when this returns.
        policy: who plays.
        protocol: how observations become messages, and what the model says actions.
        job: which episode.
        deadlines: for each part and for the whole.
        max_turns: the model's turns before the episode is truncated; a turn that the protocol answers counts too.
        lineage: stored with the episode.
        watch: told what the episode waits for.

    Raises:
        asyncio.CancelledError: if the task is cancelled; what has been played is lost.
    """
    play = _Play(host, policy, protocol, job, deadlines, max_turns, watch)
    begun = time.monotonic()
    ending: Ending
    failure: Failure | None = None
    success: bool | None = None
    clock = asyncio.timeout(deadlines.episode)
    try:
        async with clock:
            ending = await play.run()
            success = await host.solved()
    except EnvFailure as error:
        ending, failure = "error", Failure(error.kind, str(error))
    except EngineError as error:
        ending, failure = "error", Failure("engine_error", describe(error))
    except Exception as error:
        ending = "error"
        if play.overdue:
            failure = Failure("engine_timeout", f"took longer than {deadlines.generate:g} s")
        elif clock.expired():
            failure = Failure("episode_timeout", f"took longer than {deadlines.episode:g} s")
        else:
            failure = Failure("policy_error", describe(error))
    finally:
        watch("")
    return replace(
        play.trajectory(),
        ending=ending,
        failure=failure,
        success=success,
        score=None if failure else play.reward,
        lineage=lineage or {},
        seconds=round(time.monotonic() - begun, 6),
    )


@dataclass(slots=True)
class _Play:
    host: Host
    policy: Policy
    protocol: Protocol
    job: Job
    deadlines: Deadlines
    max_turns: int
    watch: Watch
    overdue: bool = False
    reward: float = 0.0
    first: str = ""
    steps: list[Step] = field(default_factory=list)

    async def run(self) -> Ending:
        """Play to the end, turn by turn."""
        episode = Episode(self.job.id, self.job.task, self.job.seed, self.protocol)
        player = self.policy.player(episode)
        try:
            return await self._turns(player)
        finally:
            await player.close()

    def trajectory(self) -> Trajectory:
        task = self.job.task
        return Trajectory(
            id=self.job.id,
            task=task.id,
            task_type=task.type,
            split=task.split,
            sample=self.job.sample,
            attempt=self.job.attempt,
            seed=self.job.seed,
            first_observation=self.first,
            steps=tuple(self.steps),
            window=0 if self.protocol.standalone else self.policy.window,
        )

    async def _turns(self, player: Player) -> Ending:
        self.watch("env")
        answer = await self.host.reset(self.job.task.id, self.job.seed)
        self.first = answer.observation
        messages = self.protocol.open(answer.observation, answer.info)
        said: list[Message] = []
        past: list[Exchange] = []
        while True:
            try:
                reply = await self._reply(player, Turn(messages, answer.observation, answer.info))
            except ContextOverflow:
                return "overlong"
            reading = self.protocol.read(reply.message, answer.info, said)
            said.append(reply.message)
            before = answer.observation
            answer, step = await self._play(messages, reply, reading, answer)
            past.append(Exchange(before, "\n".join(step.actions)))
            self.steps.append(step)
            self.reward += step.reward
            if answer.terminated or answer.truncated:
                return "terminated" if answer.terminated else "truncated"
            if reading.end or len(said) == self.max_turns:
                # The environment has not ended it, so it has not paid for what the episode leaves behind either.
                self.reward += float(await self.host.solved())
                return "terminated" if reading.end else "truncated"
            messages = self.protocol.show(reply.message, step.observations, answer.info, past)

    async def _reply(self, player: Player, turn: Turn) -> Reply:
        self.watch("model")
        clock = asyncio.timeout(self.deadlines.generate)
        try:
            async with clock:
                return await player.act(turn)
        finally:
            self.overdue = clock.expired()

    async def _play(
        self, messages: list[Message], reply: Reply, reading: Reading, before: Answer
    ) -> tuple[Answer, Step]:
        self.watch("env")
        begun = time.monotonic()
        answer = before
        observations: list[str] = []
        reward = 0.0
        unsupported: bool | None = None
        stopped = ""
        for action in reading.actions:
            answer = await self.host.step(action)
            observations.append(answer.observation)
            stopped = stopped or str(answer.info.get("stopped", ""))
            reward += answer.reward
            if "unsupported" in answer.info:
                unsupported = bool(unsupported or answer.info["unsupported"])
            if answer.terminated or answer.truncated:
                break
        commands = before.info.get("admissible_commands") if reading.actions else None
        step = Step(
            messages=tuple(messages),
            reply=reply.message,
            actions=reading.actions[: len(observations)],
            observations=tuple(observations) or ((reading.feedback,) if reading.feedback else ()),
            reward=reward,
            valid=reading.valid,
            admissible=None if commands is None else all(action in commands for action in reading.actions),
            tokens=reply.tokens,
            finish=reply.finish,
            version=reply.version,
            progress=answer.info.get("progress"),
            state=before.info.get("state"),
            timing=Timing(reply.queue, reply.model, round(time.monotonic() - begun, 6), reply.prefill),
            unsupported=unsupported,
            forgiven=reading.forgiven,
            stopped=stopped,
        )
        return answer, step
