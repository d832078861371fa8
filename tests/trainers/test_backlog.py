"""Which groups begin, which an iteration takes, and how old they are then, whatever ends when."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs import Task
from envs.errors import DataError
from rollout import Trajectory
from rollout.episode import Job
from tests.trainers.episodes import episode, failed, step
from trainers.backlog import Backlog
from trainers.generation import Played
from trainers.tasks import TaskOrder

TASKS = [Task(f"t{number}", f"type {number % 2}", "train") for number in range(6)]
SIZE = 2

Score = Callable[[Job], float | None]
"""What an episode is worth; None if it fails."""


def first_solves(job: Job) -> float:
    return float(job.sample % SIZE == 0)


def backlog(
    *, tasks: int = 2, bound: int = 1, iterations: int = 9, rounds: int = 2, stored: Sequence[Trajectory] = ()
) -> Backlog:
    order = TaskOrder(TASKS, SIZE, 0)
    return Backlog(
        order, size=SIZE, tasks=tasks, max_staleness=bound, iterations=iterations, rounds=rounds, stored=stored
    )


def played(job: Job, score: float | None, versions: Sequence[int]) -> Trajectory:
    if score is None:
        return failed(job.task.id, job.sample)
    return episode(job.task.id, job.sample, score, *(step([1], [2], version=version) for version in versions))


def begin_all(made: Backlog) -> list[Job]:
    jobs = []
    while (job := made.next()) is not None:
        jobs.append(job)
    return jobs


def end(made: Backlog, jobs: Sequence[Job], *versions: int, score: Score = first_solves) -> None:
    for job in jobs:
        made.add(played(job, score(job), versions))


class World:
    """A trainer and slots, of which any may be the next to do something."""

    def __init__(self, made: Backlog, slots: int, random: Random) -> None:
        self.made, self.slots, self.random = made, slots, random
        self.live: list[tuple[Job, int]] = []
        self.iterations: list[Played] = []
        self.learning = False
        self.ended = 0

    def run(self, iterations: int) -> None:
        self.made.updated(1)
        while len(self.iterations) < iterations:
            acts = [self._begin, self._end, self._train]
            self.random.shuffle(acts)
            assert any(act() for act in acts), "nobody can do anything any more"

    def _begin(self) -> bool:
        if len(self.live) == self.slots or (job := self.made.next()) is None:
            return False
        self.live.append((job, self.made.version))
        return True

    def _end(self) -> bool:
        if not self.live:
            return False
        job, since = self.live.pop(self.random.randrange(len(self.live)))
        score = self.random.choice([0.0, 0.0, 1.0, 1.0, None])
        self.made.add(played(job, score, range(since, self.made.version + 1)))
        self.ended += 1
        return True

    def _train(self) -> bool:
        if self.learning:
            self.made.updated(self.made.version + 1)
        elif (taken := self.made.take()) is not None:
            self.iterations.append(taken)
        else:
            return False
        self.learning = not self.learning
        return True


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(1, 9), st.randoms(use_true_random=False))
def test_no_group_is_too_old_none_is_lost_and_nobody_waits_for_ever(
    bound: int, tasks: int, rounds: int, slots: int, random: Random
) -> None:
    world = World(backlog(tasks=tasks, bound=bound, iterations=8, rounds=rounds), slots, random)
    world.run(8)
    groups = sum((one.account.groups for one in world.iterations), Counter[str]())
    assert not groups["stale"]
    for one in world.iterations:
        assert one.account.balanced
        assert len(one.staleness) == len(one.groups)
        assert all(age <= bound for age in one.staleness)
        assert one.account.groups.total() <= (bound + rounds) * tasks
    ids = [episode.id for one in world.iterations for episode in one.episodes]
    assert len(ids) == len(set(ids))
    # What nobody has learned from is the rest of what was begun for the last iterations.
    assert world.ended - len(ids) <= (bound + rounds) * tasks * SIZE


@given(st.integers(1, 4), st.integers(1, 4))
def test_no_more_is_begun_than_can_be_used_within_the_bound(bound: int, tasks: int) -> None:
    made = backlog(bound=bound, tasks=tasks)
    made.updated(1)
    for iteration in range(3):
        begun = begin_all(made)
        assert len(begun) == SIZE * tasks * (bound + 1 if iteration == 0 else 1)
        end(made, begun, made.version)
        taken = made.take()
        assert taken is not None
        assert len(taken.groups) == tasks
        # Their update is still to come, so those that begin now would be as old as those that are there.
        assert begin_all(made) == []
        made.updated(made.version + 1)


def test_the_oldest_are_taken_first() -> None:
    made = backlog(bound=2, tasks=1)
    made.updated(1)
    begun = begin_all(made)
    first, second, third = begun[:2], begun[2:4], begun[4:]
    end(made, second, 1, 2)
    made.updated(2)
    end(made, third, 2)
    end(made, first, 2)
    taken = made.take()
    assert taken is not None
    assert [group.task for group in taken.groups] == [second[0].task.id]


def test_a_long_episode_is_waited_for_before_it_is_too_old() -> None:
    made = backlog(tasks=1)
    made.updated(1)
    begun = begin_all(made)
    end(made, begun[:SIZE], 1)
    assert made.take() is not None
    made.updated(2)
    late, more = begun[SIZE:], begin_all(made)
    end(made, more, 2)
    end(made, late[:1], 1)
    assert made.take() is None
    end(made, late[1:], 1, 2)
    taken = made.take()
    assert taken is not None
    assert [group.task for group in taken.groups] == [late[0].task.id]
    assert taken.staleness == [1]


def test_groups_without_a_signal_are_replaced_and_leave_with_the_next_iteration() -> None:
    made = backlog()
    made.updated(1)
    begun = begin_all(made)
    end(made, begun[:SIZE], 1, score=lambda job: 1.0)
    instead = begin_all(made)
    assert len(instead) == SIZE
    end(made, begun[SIZE:], 1)
    taken = made.take()
    assert taken is not None
    assert taken.account.groups == {"all solved": 1, "signal": 2}
    assert [one.id for one in taken.episodes] == [job.id for job in begun[: 3 * SIZE]]


def test_after_so_many_rounds_an_iteration_takes_what_it_has_got() -> None:
    made = backlog(rounds=2)
    made.updated(1)
    for _ in range(3):
        assert made.take() is None
        end(made, begin_all(made)[: 2 * SIZE], 1, score=lambda job: 1.0)
        if (taken := made.take()) is not None:
            break
    assert taken is not None
    assert (taken.groups, taken.account.groups["all solved"]) == ([], 4)


def test_with_one_round_nothing_is_played_in_place_of_groups_without_a_signal() -> None:
    made = backlog(bound=1, tasks=2, rounds=1)
    made.updated(1)
    begun = begin_all(made)
    end(made, begun, 1, score=lambda job: 1.0 if job in begun[:SIZE] else first_solves(job))
    assert begin_all(made) == []
    taken = made.take()
    assert taken is not None
    assert taken.account.groups == {"all solved": 1, "signal": 1}
    assert [one.id for one in taken.episodes] == [job.id for job in begun[: 2 * SIZE]]
    assert begin_all(made) == []
    made.updated(2)
    assert len(begin_all(made)) == 2 * SIZE


def test_where_nothing_has_a_signal_playing_stops_until_the_trainer_has_seen_it() -> None:
    made = backlog(bound=1, tasks=2, rounds=2)
    made.updated(1)
    played_all = 0
    while jobs := begin_all(made):
        end(made, jobs, 1, score=lambda job: 1.0)
        played_all += len(jobs)
    assert played_all == (1 + 2) * 2 * SIZE
    assert made.take() is not None
    made.updated(2)
    assert begin_all(made)


def test_nothing_is_begun_for_more_iterations_than_there_are() -> None:
    made = backlog(bound=3, tasks=2, iterations=2)
    made.updated(1)
    begun = begin_all(made)
    assert len(begun) == 2 * 2 * SIZE
    end(made, begun, 1)
    for version in (2, 3):
        assert made.take() is not None
        made.updated(version)
        assert begin_all(made) == []


class TestARestoredBacklog:
    def interrupted(self) -> tuple[dict[str, object], list[Trajectory], list[Job]]:
        """A state after one iteration, what is on disk, and what was under way."""
        made = backlog()
        made.updated(1)
        begun = begin_all(made)
        end(made, begun[: 2 * SIZE + 1], 1)
        stored = [played(job, first_solves(job), [1]) for job in begun[: 2 * SIZE + 1]]
        assert made.take() is not None
        state = json.loads(json.dumps(made.state()))
        return state, stored, begun[2 * SIZE :]

    def test_begins_what_was_under_way_again_and_plays_nothing_twice(self) -> None:
        state, stored, way = self.interrupted()
        made = backlog(stored=stored)
        made.restore(state)
        made.updated(2)
        begun = begin_all(made)
        assert begun[: len(way) - 1] == way[1:]
        assert not {job.id for job in begun} & {one.id for one in stored}
        end(made, begun, 2)
        taken = made.take()
        assert taken is not None
        assert [one.id for one in taken.episodes][: len(way)] == [job.id for job in way]
        assert taken.staleness == [1, 0]

    def test_goes_on_with_the_order_of_the_tasks(self) -> None:
        whole = backlog(bound=3)
        whole.updated(1)
        state, _, _ = self.interrupted()
        made = backlog(bound=3)
        made.restore(state)
        made.updated(2)
        expected = begin_all(whole)[2 * SIZE :]
        assert begin_all(made)[: len(expected)] == expected

    def test_drops_and_counts_what_is_too_old(self) -> None:
        state, stored, _ = self.interrupted()
        made = backlog(stored=stored)
        made.restore(state)
        made.updated(3)
        begun = begin_all(made)
        end(made, begun, 3)
        begun = begin_all(made)
        end(made, begun, 3)
        taken = made.take()
        assert taken is not None
        assert taken.account.groups == {"signal": 2, "stale": 1}
        assert taken.account.dropped == SIZE
        assert taken.account.balanced
        assert taken.account.signal_share == 1.0
        assert taken.staleness == [0, 0]

    def test_is_refused_where_the_tasks_are_others(self) -> None:
        state, _, _ = self.interrupted()
        state["begun"] = [["t99", 0]]
        with pytest.raises(DataError, match="t99"):
            backlog().restore(state)
