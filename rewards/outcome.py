"""The terminal verdict: the one reward that says what is wanted."""

from __future__ import annotations

from rollout.trajectory import Trajectory


def outcome(trajectory: Trajectory) -> float:
    """1 if the benchmark counts the episode as solved, else 0.

    Raises:
        ValueError: if the episode failed outside the model or was cancelled: that is no reward of any size.
    """
    if not trajectory.scored or trajectory.success is None:
        raise ValueError(f"{trajectory.id} ended as {trajectory.ending!r} and has no outcome: leave it out of training")
    return float(trajectory.success)
