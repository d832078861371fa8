"""Groups that have been begun and not learned from yet, when episodes are played while the trainer updates.

The staleness of a group is by how many updates the oldest weights that sampled a token of it are behind the trainer's.
It stays within a bound K by two rules. No group begins that would have to wait for longer than K iterations: there are
at most (K + 1) x `tasks` groups under way, ready, or in the update that is being made (AReaL, 2505.24298, section 5.1).
And no iteration begins without the groups that could not wait for the next one: a long episode is waited for, since to
drop what takes long would teach the model to be short. So a group is only too stale where a run was interrupted; it is
dropped then, and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rollout.episode import Job
from rollout.trajectory import Trajectory
from trainers.generation import Played
from trainers.groups import Group, GroupBuffer
from trainers.tasks import TaskOrder


@dataclass(eq=False, slots=True)
class Begun:
    """A group on its way.

    Attributes:
        task: its id.
        first: the first of its samples.
        version: of the oldest weights that may have sampled it; None before its first episode has begun.
        group: once it is complete.
        useful: whether one can learn from it, as far as is known.
    """

    task: str
    first: int
    version: int | None = None
    group: Group | None = None
    useful: bool = True


class Backlog:
    """Says which episode begins next, takes those that have ended, and gives the groups of one iteration after another.

    Args:
        order: of the tasks.
        size: episodes of a group.
        tasks: groups with a signal that an iteration wants.
        max_staleness: the bound, in iterations, at least 1.
        iterations: of the run; nothing is begun for more.
        rounds: an iteration looks at `rounds * tasks` groups at most, and takes what it gets.
        every_group: take groups without a signal too.
        stored: episodes that an interrupted run has on disk: they are taken and not played again.

    Attributes:
        version: of the trainer's weights; see `updated`.
    """

    def __init__(
        self,
        order: TaskOrder,
        *,
        size: int,
        tasks: int,
        max_staleness: int,
        iterations: int,
        rounds: int = 2,
        every_group: bool = False,
        stored: Iterable[Trajectory] = (),
    ) -> None:
        self.order, self.version = order, 0
        self._size, self._tasks, self._bound = size, tasks, max_staleness
        self._iterations, self._rounds, self._every_group = iterations, rounds, every_group
        self._stored = {episode.id: episode for episode in stored if episode.scored}
        self._buffer = GroupBuffer(size)
        self._begun: dict[tuple[str, int], Begun] = {}
        self._queue: deque[Job] = deque()
        self._taken = 0
        self._learning = self._seen = 0

    def next(self) -> Job | None:
        """The episode that begins next; None as long as there are enough."""
        while self._queue or self._has_room():
            if not self._queue:
                self._begin(self.order.next())
            job = self._queue.popleft()
            if (known := self._stored.pop(job.id, None)) is not None:
                self.add(known)
                continue
            self._sampled_by(self._begun[self._key(job.task.id, job.sample)], self.version)
            return job
        return None

    def add(self, trajectory: Trajectory) -> None:
        """Take an episode that has ended, once, after its last attempt."""
        begun = self._begun[self._key(trajectory.task, trajectory.sample)]
        group = begun.group = self._buffer.add(trajectory)
        if group is not None:
            begun.version = oldest(group.members)
            begun.useful = bool(group.members) and (self._every_group or group.has_signal)
        elif (version := oldest([trajectory])) is not None:
            self._sampled_by(begun, version)

    def updated(self, version: int) -> None:
        """The trainer's weights are others: what follows is sampled by these."""
        self.version, self._learning, self._seen = version, 0, 0

    def take(self) -> Played | None:
        """The groups of the next iteration, the oldest first, and those without a signal that it came by; None before
        there are enough."""
        complete = [one for one in self._begun.values() if one.group is not None and not self._is_stale(one)]
        enough = sum(one.useful for one in complete) >= self._tasks or len(complete) >= self._rounds * self._tasks
        waiting = (one for one in self._begun.values() if one.group is None)
        if not enough or any(self._age(one) == self._bound for one in waiting):
            return None
        seen: list[Begun] = []
        self._learning = 0
        for one in sorted(complete, key=self._age, reverse=True):
            full = self._learning >= self._tasks or len(seen) >= self._rounds * self._tasks
            if full and self._age(one) < self._bound:
                break
            seen.append(one)
            self._learning += one.useful
        self._seen = len(seen)
        self._taken += 1
        return self._played(seen)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON: the order of the tasks, and which groups are on their way."""
        begun = [[one.task, one.first] for one in self._begun.values()]
        return {**self.order.state(), "begun": begun, "taken_iterations": self._taken}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where a checkpoint was made. Of the groups on their way, the episodes on disk are taken, and the others
        begun again."""
        self.order.restore(state)
        self._taken = state["taken_iterations"]
        for task, first in state["begun"]:
            self._begin(self.order.again(task, first))

    def _key(self, task: str, sample: int) -> tuple[str, int]:
        return task, sample // self._size

    def _begin(self, jobs: list[Job]) -> None:
        first = jobs[0]
        self._begun[self._key(first.task.id, first.sample)] = Begun(first.task.id, first.sample)
        self._queue += jobs

    def _sampled_by(self, begun: Begun, version: int) -> None:
        begun.version = version if begun.version is None else min(begun.version, version)

    def _age(self, begun: Begun) -> int:
        return 0 if begun.version is None else max(0, self.version - begun.version)

    def _is_stale(self, begun: Begun) -> bool:
        """Whether it came too late. One that is not complete may not be as old as it seems."""
        return begun.group is not None and self._age(begun) > self._bound

    def _has_room(self) -> bool:
        fresh = [one for one in self._begun.values() if not self._is_stale(one)]
        useful = sum(one.useful for one in fresh)
        left = self._iterations - self._taken
        return (
            useful + self._learning < (self._bound + 1) * self._tasks
            and useful < left * self._tasks
            # In place of groups without a signal, no more is played than the iterations will look at.
            and len(fresh) + self._seen < (self._bound + self._rounds) * self._tasks
            and len(fresh) < left * self._rounds * self._tasks
        )

    def _played(self, seen: list[Begun]) -> Played:
        """These groups, and those that are too old, which leave with them; in the order in which they were begun."""
        played, own = Played(), set(map(id, seen))
        for key, one in list(self._begun.items()):
            stale = self._is_stale(one)
            if one.group is None or not (stale or id(one) in own):
                continue
            del self._begun[key]
            played.account.enter(one.group, stale=stale)
            played.episodes += sorted((*one.group.members, *one.group.masked), key=lambda episode: episode.sample)
            if one.useful and not stale:
                played.groups.append(one.group)
                played.staleness.append(self._age(one))
        self.order.saw(played.episodes)
        return played


def oldest(episodes: Iterable[Trajectory]) -> int | None:
    """The version of the oldest weights that sampled a token of these episodes; None if none did."""
    steps = (step for episode in episodes for step in episode.steps)
    return min((step.version for step in steps if step.tokens is not None), default=None)
