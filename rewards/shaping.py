"""Shaping that reads nothing but the episode. Each gives a number in [0, 1]; higher is better.

A shaped reward pays for a means, so a policy will take the means without the end. Below each stands the hack that it
invites and what guards against it here; the last guard is the mixture's (`rewards.mixture`): all shaping together is
worth less than the outcome.
"""

from __future__ import annotations

from collections.abc import Callable

from rollout.trajectory import Step, Trajectory


def progress(trajectory: Trajectory) -> float:
    """The share of the goal's conditions that hold at the end (ALFWorld's goal-condition success).

    Hack: meet the cheap conditions and stop. Guard: it is the state at the end that counts, not the best on the way, so
    undoing and redoing a condition earns nothing.
    """
    last = next((step.progress for step in reversed(trajectory.steps) if step.progress is not None), None)
    return last or 0.0


def well_formed(trajectory: Trajectory) -> float:
    """The share of turns that kept to the protocol's form.

    Hack: many empty but well-formed turns. Guard: it is a share and not a sum, and a repeated turn does not count.
    """
    return _share(trajectory, lambda step: step.valid)


def admissible(trajectory: Trajectory) -> float:
    """The share of turns whose actions were admissible, where the environment lists what is.

    Hack: harmless admissible actions ("look", "inventory") until the end. Guard: a turn that repeats an earlier action
    with the same answer does not count.
    """
    return _share(trajectory, lambda step: step.admissible is True)


def no_repeats(trajectory: Trajectory) -> float:
    """The share of turns that are not a repetition: the same actions with the same answers as an earlier turn.

    Hack: tiny variations of one action. Guard: none by itself; it only says that a loop is worth nothing, and pays
    the same for one turn as for many.
    """
    return _share(trajectory, lambda step: True)


def _share(trajectory: Trajectory, good: Callable[[Step], bool]) -> float:
    """The share of turns that are good and no repetition of an earlier one."""
    seen: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
    count = 0
    for step in trajectory.steps:
        turn = (step.actions, step.observations)
        count += good(step) and turn not in seen
        seen.add(turn)
    return count / len(trajectory.steps) if trajectory.steps else 0.0
