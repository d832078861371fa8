"""Groups by task: the episodes that are compared with one another, and an account of those that are not.

An episode that failed outside the model, or was cancelled, says nothing about the model: it is masked, and its group is
formed by the others. A group whose scores are all equal has no signal, since every group-relative advantage in it is 0:
it is dropped, and other tasks are played in its place (dynamic sampling: DAPO, 2503.14476, section 3.2).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from envs.errors import ContractError, DataError
from rollout.trajectory import Trajectory

EQUAL = 1e-6
"""Scores that differ by less are equal: shaping may add up to the same sum in another order."""


@dataclass(frozen=True, slots=True)
class Group:
    """The episodes of one task that are compared with one another.

    Attributes:
        task: the task's id.
        members: the scored episodes, in the order of their samples.
        masked: the others: failed outside the model, or cancelled.
    """

    task: str
    members: tuple[Trajectory, ...]
    masked: tuple[Trajectory, ...] = ()

    @property
    def scores(self) -> NDArray[np.float64]:
        """Of the members, shape (n,).

        Raises:
            DataError: if one has none, or a number that is none.
        """
        return np.array([score(member) for member in self.members])

    @property
    def kind(self) -> str:
        """`signal`; or why there is none: `all solved`, `none solved`, `equal scores`, or `too few` to compare."""
        if len(self.members) < 2:
            return "too few"
        if np.ptp(self.scores) > EQUAL:
            return "signal"
        solved = {bool(member.success) for member in self.members}
        return "equal scores" if len(solved) > 1 else "all solved" if solved == {True} else "none solved"

    @property
    def has_signal(self) -> bool:
        """Whether the scores differ."""
        return self.kind == "signal"


@dataclass(slots=True)
class GroupAccount:
    """What became of the episodes of groups: `episodes = trained + dropped + masked`.

    Attributes:
        episodes: all of them.
        trained: members of groups with a signal.
        dropped: members of groups without one, or of stale ones.
        masked: failed ones by class, and cancelled ones.
        groups: by kind (see `Group.kind`); `stale` were sampled by weights that are too old.
    """

    episodes: int = 0
    trained: int = 0
    dropped: int = 0
    masked: Counter[str] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)

    @property
    def signal_share(self) -> float | None:
        """The share of groups with a signal among those with two or more scored members; None before the first."""
        compared = self.groups.total() - self.groups["too few"] - self.groups["stale"]
        return self.groups["signal"] / compared if compared else None

    @property
    def balanced(self) -> bool:
        """Whether every episode is accounted for."""
        return self.episodes == self.trained + self.dropped + self.masked.total()

    def enter(self, group: Group, *, stale: bool = False) -> None:
        """Take a complete group in."""
        kind = "stale" if stale else group.kind
        self.groups[kind] += 1
        self.episodes += len(group.members) + len(group.masked)
        if kind == "signal":
            self.trained += len(group.members)
        else:
            self.dropped += len(group.members)
        self.masked.update(episode.failure.kind if episode.failure else episode.ending for episode in group.masked)

    def tasks_needed(self, count: int) -> int:
        """How many more tasks to begin so that `count` groups with a signal may be expected.

        They are reckoned with the share of groups that had a signal so far; with one group added to it, so that a bad
        start asks for many tasks and not for infinitely many.
        """
        share = (self.groups["signal"] + 1) / (self.groups.total() + 1)
        # A hair less, or rounding in the share would ask for one task too many.
        return max(0, math.ceil((count - self.groups["signal"]) / share - 1e-9))


def score(trajectory: Trajectory) -> float:
    """What an episode is worth: its score, or the environment's return where nobody has scored it.

    Raises:
        DataError: if the score is not a finite number.
    """
    value = trajectory.env_return if trajectory.score is None else trajectory.score
    if not math.isfinite(value):
        raise DataError(f"its score is {value}", where=trajectory.id, remedy="Mend the reward: it must be finite.")
    return value


def form_groups(trajectories: Iterable[Trajectory]) -> tuple[list[Group], GroupAccount]:
    """Stored episodes as groups: all episodes of a task are one, whatever their number.

    Returns:
        The groups with a signal, in the order of their tasks' first episodes, and the account of all episodes.
    """
    by_task: dict[str, list[Trajectory]] = {}
    for trajectory in trajectories:
        by_task.setdefault(trajectory.task, []).append(trajectory)
    account = GroupAccount()
    groups = [_group(episodes) for episodes in by_task.values()]
    for group in groups:
        account.enter(group)
    return [group for group in groups if group.has_signal], account


class GroupBuffer:
    """Takes episodes as they end and gives groups as they are complete.

    The samples `k * size` to `(k + 1) * size - 1` of a task are one group, as `rollout.jobs.plan` numbers them, so a
    task may be played again while an earlier group of it is still open.

    Args:
        size: members of a group, at least 2.
    """

    def __init__(self, size: int) -> None:
        if size < 2:
            raise ContractError(f"groups of {size} cannot be compared", remedy="Set num_generations to 2 or more.")
        self.size = size
        self._open: dict[tuple[str, int], dict[int, Trajectory]] = {}

    def add(self, trajectory: Trajectory) -> Group | None:
        """Take an episode, once, after its last attempt.

        Returns:
            The group that it completes, with a signal or without; None while members are missing.

        Raises:
            ContractError: if the episode is already there.
        """
        key = (trajectory.task, trajectory.sample // self.size)
        members = self._open.setdefault(key, {})
        if trajectory.sample in members:
            raise ContractError("the episode is in the buffer already", where=trajectory.id)
        members[trajectory.sample] = trajectory
        if len(members) < self.size:
            return None
        return _group(self._open.pop(key).values())


def _group(episodes: Iterable[Trajectory]) -> Group:
    ordered = sorted(episodes, key=lambda episode: episode.sample)
    members = tuple(episode for episode in ordered if episode.scored)
    return Group(ordered[0].task, members, tuple(episode for episode in ordered if not episode.scored))
