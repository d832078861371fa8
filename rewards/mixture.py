"""The reward of an episode: its outcome, and as much shaping as can never outweigh it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial

from envs import Task, TaskError, TaskSet
from envs.dbbench.task import DBTask
from rewards import shaping
from rewards.outcome import outcome
from rollout.trajectory import Trajectory

Shaping = Callable[[Trajectory], float]

LIMIT = 0.5
"""All weights together are at most this: a solved episode is worth at least 1, an unsolved one at most this."""

_GENERAL: dict[str, Shaping] = {
    "progress": shaping.progress,
    "well_formed": shaping.well_formed,
    "admissible": shaping.admissible,
    "no_repeats": shaping.no_repeats,
}
_SQL = ("valid_sql", "distinct_sql", "result_f1")
SHAPINGS = (*_GENERAL, *_SQL)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Fills an episode's rewards by name, and its score with their weighted sum; what a collection takes as scorer.

    Args:
        weights: of the shaping by name, each above 0, all together at most `LIMIT`.
        tasks: of the environment; needed by the shaping that executes SQL.

    Raises:
        TaskError: if a name is unknown (it names the nearest) or the weights are too large.
    """

    weights: Mapping[str, float]
    tasks: TaskSet[Task] | None = None

    def __post_init__(self) -> None:
        for name in self.weights:
            if name not in SHAPINGS:
                near = get_close_matches(name, SHAPINGS, n=1, cutoff=0.4)
                hint = f"Did you mean {near[0]!r}? " if near else ""
                raise TaskError(f"unknown reward {name!r}", remedy=f"{hint}There are: {', '.join(SHAPINGS)}.")
            if name in _SQL and self.tasks is None:
                raise TaskError(f"the reward {name!r} needs the environment's tasks")
        for name, weight in self.weights.items():
            if isinstance(weight, bool) or not isinstance(weight, (int, float)):
                raise TaskError(
                    f"the weight of {name!r} is {weight!r}, which is no number", remedy=f"Write --rewards {name}=0.1."
                )
        if any(not weight > 0 for weight in self.weights.values()) or sum(self.weights.values()) > LIMIT:
            raise TaskError(
                f"the weights {dict(self.weights)} must be above 0 and at most {LIMIT} together",
                remedy="Shaping that outweighs the outcome is what a policy learns to live on.",
            )

    def __call__(self, trajectory: Trajectory) -> Trajectory:
        """The episode with its rewards and score.

        Raises:
            ValueError: if the episode failed outside the model: it has no reward.
        """
        rewards = {"outcome": outcome(trajectory)}
        rewards |= {name: self._shaping(name, trajectory)(trajectory) for name in self.weights}
        score = rewards["outcome"] + sum(weight * rewards[name] for name, weight in self.weights.items())
        return replace(trajectory.with_rewards(**rewards), score=score)

    def _shaping(self, name: str, trajectory: Trajectory) -> Shaping:
        if name in _GENERAL:
            return _GENERAL[name]
        from rewards import sql

        assert self.tasks is not None
        task = self.tasks.by_id(trajectory.task)
        if not isinstance(task, DBTask):
            raise TaskError(f"the reward {name!r} is for DB-Bench", where=task.id)
        return partial(getattr(sql, name), task=task)
