"""Episodes of a smoke run: the first of each group is the expert's, so that one is solved whatever the model can do.

A smoke run cuts the model's episodes short, so hardly any of them solves its task. With the expert's beside them a
group has a signal, a pair, both verdicts, and something to imitate: every algorithm has something to learn from.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from envs.protocol import Protocol
from rollout.episode import Job, run_episode
from rollout.host import make_host
from rollout.rendering import Renderer
from rollout.rollouts import Rollouts
from rollout.runner import Jobs, Stage, Stop, Writer, cancelled, one_by_one
from rollout.scripted import expert_policy
from rollout.trajectory import Step, Trajectory
from trainers.generation import Played
from trainers.supervised import with_own_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ENOUGH = 100
"""Steps in which an expert solves a task, where the model's episodes end earlier."""


class DemonstratedRollouts:
    """Rollouts of which the first episode of each group is played here by the environment's expert.

    Args:
        rollouts: play the others.
        size: episodes of a group.
    """

    def __init__(self, rollouts: Rollouts, size: int) -> None:
        self._rollouts, self._size = rollouts, size

    @property
    def stage(self) -> Stage:
        """Of the model's episodes."""
        return self._rollouts.stage

    @stage.setter
    def stage(self, stage: Stage) -> None:
        self._rollouts.stage = stage

    async def play(self, jobs: Jobs, *, slots: int | None = None, stop: Stop | None = None) -> None:
        """See `rollout.rollouts.Rollouts`."""
        env = copy.copy(self.stage.env)
        env.max_steps = max(env.max_steps, ENOUGH)
        expert = expert_policy(env)
        expert.window = self.stage.policy.window
        lineage = {**self.stage.lineage, "policy": {"name": expert.name, "window": expert.window}}
        stage = replace(self.stage, env=env, policy=expert, max_turns=None, lineage=lineage)
        writer = Writer(stage)

        async def demonstrated(job: Job) -> bool:
            if job.sample % self._size:
                return False
            await _demonstrate(stage, job, writer)
            return True

        await self._rollouts.play(_Others(one_by_one(jobs), demonstrated), slots=slots, stop=stop)

    async def sync(self) -> int:
        """See `rollout.rollouts.Rollouts`."""
        return await self._rollouts.sync()

    async def close(self) -> None:
        """See `rollout.rollouts.Rollouts`."""
        await self._rollouts.close()


def with_demonstrations(
    played: Played, tokenizer: PreTrainedTokenizerBase, talk: Protocol, enable_thinking: bool | None = None
) -> Played:
    """The episodes, those of the expert with the tokens by which the model would have said the same.

    An expert always says the same, so the log-probability of its tokens under its own policy is 0.
    """
    renderer = Renderer(tokenizer, talk.schemas, enable_thinking=enable_thinking)

    def tokenised(episode: Trajectory) -> Trajectory:
        if not episode.steps or any(step.tokens for step in episode.steps):
            return episode
        found = with_own_tokens(episode, tokenizer, renderer)
        return replace(found, steps=tuple(map(_certain, found.steps)))

    groups = [replace(group, members=tuple(map(tokenised, group.members))) for group in played.groups]
    return replace(played, groups=groups, episodes=list(map(tokenised, played.episodes)))


def _certain(step: Step) -> Step:
    if step.tokens is None:
        return step
    return replace(step, tokens=replace(step.tokens, logprobs=(0.0,) * len(step.tokens.completion_ids)))


async def _demonstrate(stage: Stage, job: Job, writer: Writer) -> None:
    host = make_host(stage.env, stage.deadlines)
    try:
        episode = await run_episode(
            host, stage.policy, stage.protocol, job, stage.deadlines, max_turns=stage.turns, lineage=stage.lineage
        )
        await writer.write(episode)
    except asyncio.CancelledError:
        await asyncio.shield(writer.write(cancelled(job, stage.lineage)))
        raise
    finally:
        await asyncio.shield(host.close())


class _Others:
    """Jobs but for those that have been played elsewhere."""

    def __init__(self, jobs: AsyncIterator[Job], elsewhere: Callable[[Job], Awaitable[bool]]) -> None:
        self._jobs, self._elsewhere = jobs, elsewhere

    def __aiter__(self) -> AsyncIterator[Job]:
        return self

    async def __anext__(self) -> Job:
        job = await anext(self._jobs)
        while await self._elsewhere(job):
            job = await anext(self._jobs)
        return job
