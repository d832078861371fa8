"""Playing stored episodes again: the same actions must be answered in the same way."""

from __future__ import annotations

from typing import Any, NamedTuple

from envs import TextEnv
from rollout.trajectory import Trajectory


class Difference(NamedTuple):
    """Where a replay departs from what is stored. `step` counts from 0; -1 is the reset."""

    episode: str
    step: int
    stored: str
    now: str


def replay(env: TextEnv[Any], trajectory: Trajectory) -> Difference | None:
    """Step a stored episode again: its task, its seed, its actions.

    Args:
        env: of the kind that played it, with its task.
        trajectory: what is stored; a failed episode is replayed as far as it went.

    Returns:
        The first observation that differs, or None if all are the same, bit for bit.

    Raises:
        TaskError: if the environment does not have the task.
    """
    observation, _ = env.reset(seed=trajectory.seed, options={"task": trajectory.task})
    if observation != trajectory.first_observation:
        return Difference(trajectory.id, -1, trajectory.first_observation, observation)
    for number, step in enumerate(trajectory.steps):
        # A turn in which nothing went to the environment holds the protocol's own words as its observation.
        for action, stored in zip(step.actions, step.observations, strict=False):
            observation = env.step(action)[0]
            if observation != stored:
                return Difference(trajectory.id, number, stored, observation)
    return None
