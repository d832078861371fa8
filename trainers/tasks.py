"""Which tasks are played next: the types in turn, or those that teach most."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

from envs import Task
from envs.errors import DataError
from rollout.episode import Job
from rollout.jobs import episode_seed
from rollout.trajectory import Trajectory

MEMORY = 0.9
"""How much of a type's earlier rate of success stays when another group of it has been played."""

LEAST = 0.05
"""Weight of a type that is always or never solved, against 0.25 for one that is solved half of the time."""


class TaskOrder:
    """An endless, seeded order of tasks, each with the numbers of its next group of episodes.

    A type's tasks come in an order of their own, and again in another when all have been played. Without a curriculum
    the types take turns; with one, a type is drawn by p (1 - p), where p is the recent share of its episodes that were
    solved: what is always or never solved teaches nothing to a group-relative learner.

    Args:
        tasks: of the training split.
        size: episodes of a group.
        seed: of orders, draws and episodes.
        by_success: whether types are drawn by what they teach.
    """

    def __init__(self, tasks: Iterable[Task], size: int, seed: int, *, by_success: bool = False) -> None:
        self._by_type: dict[str, list[Task]] = {}
        for task in tasks:
            self._by_type.setdefault(task.type, []).append(task)
        self._size, self._seed, self._by_success = size, seed, by_success
        self._drawn = 0
        self._taken = dict.fromkeys(self._by_type, 0)
        self._rates: dict[str, float] = {}

    def next(self) -> list[Job]:
        """The episodes of the next group."""
        kind = self._kind()
        self._drawn += 1
        tasks = self._by_type[kind]
        epoch, place = divmod(self._taken[kind], len(tasks))
        self._taken[kind] += 1
        task = random.Random(f"{self._seed}/{kind}/{epoch}").sample(tasks, len(tasks))[place]
        return self._group(task, epoch * self._size)

    def again(self, task: str, first: int) -> list[Job]:
        """The episodes of a group that `next` has given before: of the task with this id, from this sample on.

        Raises:
            DataError: if there is no such task.
        """
        for tasks in self._by_type.values():
            for one in tasks:
                if one.id == task:
                    return self._group(one, first)
        raise DataError("the task is not among those of the run", where=task, remedy="Resume with the run's own data.")

    def saw(self, trajectories: Iterable[Trajectory]) -> None:
        """Take note of what was solved."""
        for trajectory in trajectories:
            if trajectory.scored:
                before = self._rates.get(trajectory.task_type, 0.5)
                weight = MEMORY ** (1 / self._size)
                self._rates[trajectory.task_type] = weight * before + (1 - weight) * bool(trajectory.success)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON."""
        return {"drawn": self._drawn, "taken": dict(self._taken), "rates": dict(self._rates)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where a checkpoint was made."""
        self._drawn = state["drawn"]
        self._taken = {**self._taken, **state["taken"]}
        self._rates = dict(state["rates"])

    def _group(self, task: Task, first: int) -> list[Job]:
        samples = range(first, first + self._size)
        return [Job(task, sample, episode_seed(self._seed, task.id, sample)) for sample in samples]

    def _kind(self) -> str:
        kinds = list(self._by_type)
        if not self._by_success:
            return kinds[self._drawn % len(kinds)]
        rates = [self._rates.get(kind, 0.5) for kind in kinds]
        weights = [max(LEAST, rate * (1 - rate)) for rate in rates]
        return random.Random(f"{self._seed}/{self._drawn}").choices(kinds, weights)[0]
