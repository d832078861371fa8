"""Groups by task: the episodes that are compared with one another, and an account of those that are not.

An episode that failed outside the model, or was cancelled, says nothing about the model: it is masked, and its group is
formed by the others. A group whose scores are all equal has no signal, since every group-relative advantage in it is 0:
it is dropped, and other tasks are played in its place (dynamic sampling: DAPO, 2503.14476, section 3.2).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

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
    """What became of every episode: `episodes = trained + dropped + masked + waiting`.

    Attributes:
        episodes: all that came in.
        trained: members of groups with a signal.
        dropped: members of groups without one.
        masked: failed ones by class, and cancelled ones.
        waiting: in groups that are not complete yet.
        groups: complete groups by kind (see `Group.kind`).
    """

    episodes: int = 0
    trained: int = 0
    dropped: int = 0
    masked: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    groups: Counter[str] = field(default_factory=Counter)

    @property
    def signal_share(self) -> float | None:
        """The share of groups with a signal among those with two or more scored members; None before the first."""
        compared = self.groups.total() - self.groups["too few"]
        return self.groups["signal"] / compared if compared else None

    @property
    def balanced(self) -> bool:
        """Whether every episode is accounted for."""
        return self.episodes == self.trained + self.dropped + self.masked.total() + self.waiting

    def close(self, group: Group) -> None:
        """Enter a complete group, whose episodes were counted as they came in."""
        kind = group.kind
        self.groups[kind] += 1
        if kind == "signal":
            self.trained += len(group.members)
        else:
            self.dropped += len(group.members)
        self.masked.update(episode.failure.kind if episode.failure else episode.ending for episode in group.masked)


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
    account = GroupAccount(episodes=sum(map(len, by_task.values())))
    groups = [_group(episodes) for episodes in by_task.values()]
    for group in groups:
        account.close(group)
    return [group for group in groups if group.has_signal], account


class GroupBuffer:
    """Takes episodes as they end and gives groups with a signal.

    The samples `k * size` to `(k + 1) * size - 1` of a task are one group, as `rollout.jobs.plan` numbers them, so a
    task may be played again while an earlier group of it is still open.

    Args:
        size: members of a group, at least 2.

    Attributes:
        account: of all episodes that came in.
    """

    def __init__(self, size: int) -> None:
        if size < 2:
            raise ContractError(f"groups of {size} cannot be compared", remedy="Set num_generations to 2 or more.")
        self.size = size
        self.account = GroupAccount()
        self._open: dict[tuple[str, int], dict[int, Trajectory]] = {}
        self._ready: deque[Group] = deque()

    def __len__(self) -> int:
        """How many groups with a signal are ready."""
        return len(self._ready)

    @property
    def open_groups(self) -> int:
        """How many groups have begun and are not complete."""
        return len(self._open)

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
        self.account.episodes += 1
        self.account.waiting += 1
        if len(members) < self.size:
            return None
        group = _group(members.values())
        del self._open[key]
        self.account.waiting -= self.size
        self.account.close(group)
        if group.has_signal:
            self._ready.append(group)
        return group

    def take(self, count: int) -> list[Group]:
        """The first `count` groups with a signal, or as many as there are; they leave the buffer."""
        return [self._ready.popleft() for _ in range(min(count, len(self._ready)))]

    def tasks_needed(self, count: int) -> int:
        """How many more tasks to begin so that `count` groups with a signal may be expected.

        Open groups, and those to come, are reckoned with the share of groups that had a signal so far; with one group
        added to it, so that a bad start asks for many tasks and not for infinitely many.
        """
        complete = self.account.groups.total()
        share = (self.account.groups["signal"] + 1) / (complete + 1)
        missing = count - len(self._ready) - share * len(self._open)
        # A hair less, or rounding in the share would ask for one task too many.
        return max(0, math.ceil(missing / share - 1e-9))

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON: ids of episodes, which the store holds, and the account."""
        account = {name: getattr(self.account, name) for name in GroupAccount.__slots__}
        return {
            "size": self.size,
            "account": {**account, "masked": dict(account["masked"]), "groups": dict(account["groups"])},
            "ready": [[episode.id for episode in (*group.members, *group.masked)] for group in self._ready],
            "open": [[episode.id for episode in members.values()] for members in self._open.values()],
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], trajectories: Iterable[Trajectory]) -> GroupBuffer:
        """The buffer of a checkpoint.

        Args:
            state: from `state`.
            trajectories: the store's, those of the buffer among them.

        Raises:
            DataError: if the store lacks one.
        """
        by_id = {trajectory.id: trajectory for trajectory in trajectories}

        def found(ids: Iterable[str]) -> list[Trajectory]:
            try:
                return [by_id[id] for id in ids]
            except KeyError as error:
                remedy = "The checkpoint and the folder's episodes are of different runs; resume from another."
                raise DataError(f"the store lacks the episode {error}", remedy=remedy) from None

        buffer = cls(state["size"])
        account = state["account"]
        masked, groups = Counter(account["masked"]), Counter(account["groups"])
        buffer.account = GroupAccount(**{**account, "masked": masked, "groups": groups})
        buffer._ready.extend(_group(found(ids)) for ids in state["ready"])
        for ids in state["open"]:
            members = found(ids)
            buffer._open[members[0].task, members[0].sample // buffer.size] = {one.sample: one for one in members}
        return buffer


def _group(episodes: Iterable[Trajectory]) -> Group:
    ordered = sorted(episodes, key=lambda episode: episode.sample)
    members = tuple(episode for episode in ordered if episode.scored)
    return Group(ordered[0].task, members, tuple(episode for episode in ordered if not episode.scored))
