"""Which episodes a run plays, in which order, with which seeds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import sha256
from itertools import islice

from envs import Task, TaskError
from rollout.episode import Job


def episode_seed(seed: int, task_id: str, sample: int) -> int:
    """The seed of one episode: the same in every run with the same seed, whatever else is played."""
    return int.from_bytes(sha256(f"{seed}/{task_id}/{sample}".encode()).digest()[:4], "big")


def plan(tasks: Sequence[Task], *, episodes: int | None = None, per_task: int = 1, seed: int = 0) -> list[Job]:
    """The episodes of a run: `per_task` of each task, task by task.

    Args:
        tasks: of a split.
        episodes: how many in all; None plays every task. Fewer than all are drawn evenly over the types of tasks, by
            the seed; more begin again with further samples.
        per_task: samples of one task, which form a group.
        seed: of the draw and of every episode.

    Raises:
        TaskError: if there would be no episode.
    """
    if not tasks or per_task < 1 or (episodes is not None and episodes < 1):
        raise TaskError(
            f"nothing to play: {len(tasks)} tasks, {episodes} episodes, {per_task} a task",
            remedy="Give at least one of each.",
        )
    if episodes is None:
        chosen = list(tasks)
        episodes = len(chosen) * per_task
    else:
        chosen = _drawn(tasks, -(-episodes // per_task), seed)
    rounds = -(-episodes // (len(chosen) * per_task))
    order = (
        (task, sample)
        for turn in range(rounds)
        for task in chosen
        for sample in range(turn * per_task, (turn + 1) * per_task)
    )
    return [Job(task, sample, episode_seed(seed, task.id, sample)) for task, sample in islice(order, episodes)]


def _drawn(tasks: Sequence[Task], count: int, seed: int) -> list[Task]:
    """So many tasks, the types in turn, each type's in an order of its own."""
    by_type: dict[str, list[Task]] = {}
    for task in tasks:
        by_type.setdefault(task.type, []).append(task)
    draw = random.Random(seed)
    for group in by_type.values():
        draw.shuffle(group)
    drawn: list[Task] = []
    while len(drawn) < min(count, len(tasks)):
        drawn += [group.pop() for group in by_type.values() if group]
    return drawn[:count]
