"""The episodes of one iteration: as many groups as it takes to learn something, each on disk before it counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from envs.installation import command
from rollout.account import Account
from rollout.episode import Job
from rollout.rollouts import Rollouts
from rollout.runner import Stop, Watcher
from rollout.synchronous import run_sync
from rollout.trajectory import Trajectory
from trainers.background import PATIENCE
from trainers.errors import TrainingError
from trainers.groups import Group, GroupAccount, GroupBuffer
from trainers.stop_request import Stopped
from trainers.tasks import TaskOrder


@dataclass(slots=True)
class Played:
    """What an iteration has to learn from.

    Attributes:
        groups: to learn from, in the order in which their tasks were begun.
        episodes: all that were played, in the same order; failed ones too.
        account: of the groups.
        staleness: of each group, where episodes are played ahead: by how many updates the oldest weights that sampled
            a token of it are behind the trainer's.
    """

    groups: list[Group] = field(default_factory=list)
    episodes: list[Trajectory] = field(default_factory=list)
    account: GroupAccount = field(default_factory=GroupAccount)
    staleness: list[int] = field(default_factory=list)

    def check(self) -> None:
        """See to it that the episodes say something about the model; whether they teach it anything is another matter.

        Raises:
            TrainingError: if no episode could be scored.
        """
        if not any(episode.scored for episode in self.episodes):
            raise _without_score(self)


class Generation:
    """Plays the groups of one iteration after another; the trainer waits meanwhile (`trainers.ahead` does otherwise).

    An iteration begins `tasks` tasks. Groups without a signal are dropped, and others are played in their place, round
    by round (dynamic sampling: DAPO, 2503.14476, section 3.2), `rounds` times at most. What a round plays depends on
    the scores alone and not on who was first, so a run can be repeated.

    Args:
        rollouts: where episodes are played.
        order: of the tasks.
        size: episodes of a group.
        tasks: groups with a signal that an iteration wants.
        rounds: at most; 1 takes what the first one gives.
        every_group: take groups without a signal too, for penalties by turn, or for who compares no scores.
        stored: episodes that an interrupted run has on disk: they are taken and not played again.
        make_stop: makes what ends the playing early; by default Ctrl-C and SIGTERM do.
    """

    def __init__(
        self,
        rollouts: Rollouts,
        order: TaskOrder,
        *,
        size: int,
        tasks: int,
        rounds: int = 2,
        every_group: bool = False,
        stored: Iterable[Trajectory] = (),
        make_stop: Callable[[], Stop] = Stop,
    ) -> None:
        self.rollouts, self.order = rollouts, order
        self._make_stop = make_stop
        self.size, self.tasks, self.rounds = size, tasks, rounds
        self._every_group = every_group
        self._stored = {episode.id: episode for episode in stored if episode.scored}

    def play(self) -> Played:
        """Play an iteration. Its groups may be none, where none has a signal.

        Raises:
            Stopped: if the user asked for it.
            TrainingError: if no episode could be scored.
        """
        buffer, account = GroupBuffer(self.size), GroupAccount()
        places: dict[str, int] = {}
        groups: list[Group] = []
        episodes: dict[str, Trajectory] = {}
        for _ in range(self.rounds):
            count = min(self.tasks, account.tasks_needed(self.tasks)) if episodes else self.tasks
            jobs = [job for _ in range(count) for job in self.order.next()]
            if not jobs:
                break
            for job in jobs:
                places[job.id] = len(places)
            for episode in sorted(self._ended(jobs), key=lambda one: places[one.id]):
                episodes[episode.id] = episode
                group = buffer.add(episode)
                if group is None:
                    continue
                account.enter(group)
                if group.members and (self._every_group or group.has_signal):
                    groups.append(group)
        self.order.saw(episodes.values())
        played = Played(groups, list(episodes.values()), account)
        played.check()
        return played

    def sync(self) -> None:
        """Bring the engine to the trainer's weights.

        Raises:
            TimeoutError: if it does not take them.
        """
        run_sync(asyncio.wait_for(self.rollouts.sync(), PATIENCE))

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON."""
        return self.order.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where a checkpoint was made."""
        self.order.restore(state)

    def end(self) -> None:
        """The last iteration has been played."""

    def close(self) -> None:
        """Give the rollouts back."""
        run_sync(self.rollouts.close())

    def _ended(self, jobs: list[Job]) -> list[Trajectory]:
        known = [self._stored.pop(job.id) for job in jobs if job.id in self._stored]
        missing = [job for job in jobs if job.id not in {episode.id for episode in known}]
        return known + (self._play(missing) if missing else [])

    def _play(self, jobs: list[Job]) -> list[Trajectory]:
        stage, stop = self.rollouts.stage, self._make_stop()
        ended: list[Trajectory] = []
        tap = Tap(stage.watcher, ended.append)
        stage.account.expect(job.id for job in jobs)
        self.rollouts.stage = replace(stage, watcher=tap)
        try:
            run_sync(self.rollouts.play(jobs, stop=stop))
        finally:
            self.rollouts.stage = stage
        if stop.gently.is_set():
            raise Stopped
        stage.account.check()
        return ended


@dataclass(slots=True)
class Tap:
    """Takes the episodes that end, and tells the one that watches."""

    watcher: Watcher | None
    take: Callable[[Trajectory], None]

    def waits(self, slot: int, job: Job, cause: str) -> None:
        if self.watcher is not None:
            self.watcher.waits(slot, job, cause)

    def ended(self, trajectory: Trajectory, account: Account) -> None:
        self.take(trajectory)
        if self.watcher is not None:
            self.watcher.ended(trajectory, account)


def _without_score(played: Played) -> TrainingError:
    kinds = Counter(episode.failure.kind if episode.failure else episode.ending for episode in played.episodes)
    first = next((episode.failure.message for episode in played.episodes if episode.failure), "")
    return TrainingError(
        f"none of {len(played.episodes)} episodes could be scored ({_listed(kinds)}; the first: {first})",
        remedy=f"Mend what failed ({command('collect')} with the same options shows it), then go on with --resume.",
    )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
