"""Where the time goes: an episode by hand, and sums that always come out even."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs import Task
from envs.protocol import Message
from rollout.account import Account
from rollout.episode import Job
from rollout.spent import CAUSES, Spent
from rollout.timeline import LETTERS, Timeline
from rollout.trajectory import Failure, Step, Timing, Trajectory

NOBODY = Account(())


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Run:
    """Episodes on a clock that stands still until it is told to go on."""

    clock: Clock = field(default_factory=Clock)
    timeline: Timeline = field(init=False)

    def __post_init__(self) -> None:
        self.timeline = Timeline(clock=self.clock)

    def go(self, seconds: float) -> None:
        self.clock.now += seconds

    def begin(self, slot: int, name: str = "a") -> None:
        self.timeline.waits(slot, job(name), "env")

    def over(self, slot: int, name: str = "a") -> None:
        self.timeline.waits(slot, job(name), "")

    def ended(self, name: str, seconds: float, *turns: Timing, **more: Any) -> None:
        self.timeline.ended(episode(name, seconds, *turns, **more), NOBODY)

    def together(self, slots: int) -> None:
        """In each slot an episode of one turn, all in the same seven seconds."""
        for slot in range(slots):
            self.begin(slot, f"t{slot}")
        self.go(7)
        for slot in range(slots):
            self.over(slot, f"t{slot}")
            self.ended(f"t{slot}", 7.0, TURN)


def job(name: str) -> Job:
    return Job(Task(name, "heat", "train"))


def episode(name: str, seconds: float, *turns: Timing, **more: Any) -> Trajectory:
    steps = tuple(Step((), Message("assistant", "look"), ("look",), ("a room",), timing=turn) for turn in turns)
    return replace(Trajectory(f"{name}#0", name, "heat", "train", steps=steps, seconds=seconds), **more)


TURN = Timing(queue=1.0, model=4.0, env=2.0, prefill=1.0)


def test_one_episode_by_hand() -> None:
    run = Run()
    run.timeline.begin()
    run.go(2)
    run.timeline.phase("sync", run.clock.now - 2)
    run.begin(0)
    run.go(10)  # a reset of 3 seconds and a turn of 7
    run.over(0)
    run.ended("a", 10.0, TURN)
    run.go(8)
    run.timeline.phase("train", run.clock.now - 8)
    spent = run.timeline.end()
    assert spent.slots == {"queue": 1, "prefill": 1, "decode": 3, "environment": 5, "idle": 0}
    assert (spent.wall, spent.playing, spent.busy, spent.sync, spent.train) == (20, 10, 4, 2, 8)
    assert spent.engine_busy == 0.2
    assert spent.measures() == {
        "slots": {"queue": 0.1, "prefill": 0.1, "decode": 0.3, "environment": 0.5, "idle": 0.0},
        "engine_busy": 0.2,
    }
    rows = run.timeline.rows(20)
    assert rows == {"seconds": 20.0, "trainer": "ss..........tttttttt", "slots": {"0": "..eeeqpdddee........"}}


def test_a_slot_whose_episodes_are_played_out_is_idle() -> None:
    run = Run()
    run.begin(0, "a")
    run.begin(1, "b")
    run.go(7)
    run.over(0, "a")
    run.ended("a", 7.0, TURN)
    run.go(7)
    run.over(1, "b")
    run.ended("b", 14.0, TURN, TURN)
    spent = run.timeline.end()
    assert spent.slots["idle"] == 7
    assert sum(spent.slots.values()) == 2 * 14


def test_the_engine_is_busy_once_however_many_requests_it_has() -> None:
    run = Run()
    run.together(3)
    assert run.timeline.end().busy == 4


def test_an_episode_under_way_takes_its_time_to_the_iteration_in_which_it_ends() -> None:
    run = Run()
    run.timeline.begin()
    run.begin(0)
    run.go(4)
    first = run.timeline.end()
    run.timeline.begin()  # which it does not, in truth: an episode is under way
    run.go(3)
    run.over(0)
    run.ended("a", 7.0, TURN)
    second = run.timeline.end()
    assert (first.playing, sum(first.slots.values())) == (4, 0)
    assert (second.wall, second.playing, sum(second.slots.values())) == (3, 3, 7)
    assert (second.slots["environment"], second.slots["decode"], second.slots["idle"]) == (2, 3, 0)
    assert second.busy == 3  # of 4, but never more than there was time
    assert run.timeline.rows(3) == {"seconds": 3.0, "trainer": "...", "slots": {"0": "dee"}}


def test_time_between_iterations_belongs_to_none() -> None:
    run = Run()
    for _ in range(2):
        run.timeline.begin()
        run.begin(0)
        run.go(7)
        run.over(0)
        run.ended("a", 7.0, TURN)
        spent = run.timeline.end()
        run.go(50)  # an evaluation
        run.timeline.phase("evaluate", run.clock.now - 50)
        assert (spent.wall, spent.engine_busy) == (7, 4 / 7)


def test_what_was_lost_with_a_worker_is_idle_time() -> None:
    run = Run()
    run.begin(0)
    run.go(5)
    run.over(0)  # its worker died
    run.begin(0)
    run.go(7)
    run.over(0)
    run.ended("a", 7.0, TURN)
    spent = run.timeline.end()
    assert (spent.slots["idle"], sum(spent.slots.values())) == (5, 12)


def test_the_time_of_an_episode_that_was_cut_off_counts_nowhere() -> None:
    run = Run()
    run.begin(0, "a")
    run.begin(1, "b")
    run.go(3)
    run.timeline.end()
    run.go(4)
    for slot, name in enumerate("ab"):
        run.over(slot, name)
    run.ended("a", 7.0, TURN)
    run.ended("b", 0.0, ending="cancelled")
    spent = run.timeline.end()
    assert (spent.slots["idle"], sum(spent.slots.values())) == (0, 7)


def test_an_episode_that_failed_at_the_engine_waited_there() -> None:
    run = Run()
    run.begin(0)
    run.go(30)
    run.over(0)
    run.ended("a", 30.0, TURN, ending="error", failure=Failure("engine_timeout", "took longer than 20 s"))
    assert run.timeline.end().slots["queue"] == 24


def test_an_episode_that_the_timeline_did_not_see_begin_is_not_its_own() -> None:
    run = Run()
    run.ended("stored", 7.0, TURN)
    spent = run.timeline.end()
    assert (spent.wall, spent.playing, spent.measures()) == (0, 0, {})


def test_a_watcher_is_told_everything() -> None:
    told: list[Any] = []

    class Ears:
        def waits(self, slot: int, job: Job, cause: str) -> None:
            told.append((slot, job.id, cause))

        def ended(self, trajectory: Trajectory, account: Account) -> None:
            told.append(trajectory.id)

    timeline = Timeline(Ears())
    for cause in ("env", "model", "env", ""):
        timeline.waits(3, job("a"), cause)
    timeline.ended(episode("a", 1.0), NOBODY)
    assert told == [(3, "a#0", "env"), (3, "a#0", "model"), (3, "a#0", "env"), (3, "a#0", ""), "a#0"]


def test_a_row_a_slot_and_no_more_than_asked_for() -> None:
    run = Run()
    assert run.timeline.rows(10) is None
    run.together(100)
    run.timeline.end()
    rows = run.timeline.rows(70, most=64)
    assert rows is not None
    slots: Any = rows["slots"]
    assert len(slots) == 64
    assert {"0", "98"} <= slots.keys()
    assert set(slots.values()) == {"q" * 10 + "p" * 10 + "d" * 30 + "e" * 20}
    assert set(LETTERS.values()) == {*CAUSES, "train", "sync"}


seconds = st.floats(0.0, 50.0, allow_subnormal=False)
turns = st.builds(lambda queue, prefill, decode, env: Timing(queue, prefill + decode, env, prefill), *[seconds] * 4)


@given(st.data())
def test_shares_sum_to_one_whatever_is_played_and_whenever_an_iteration_ends(data: st.DataObject) -> None:
    run = Run()
    live: dict[int, tuple[str, float]] = {}
    total = Spent()
    for number in range(data.draw(st.integers(1, 30))):
        run.go(data.draw(seconds))
        slot = data.draw(st.integers(0, 4))
        if slot in live:
            name, begun = live.pop(slot)
            run.over(slot, name)
            played = data.draw(st.lists(turns, max_size=4))
            least = sum(turn.queue + turn.model + turn.env for turn in played)
            if least <= run.clock.now - begun:
                run.ended(name, run.clock.now - begun, *played)
        else:
            live[slot] = (f"t{number}", run.clock.now)
            run.begin(slot, f"t{number}")
        if data.draw(st.booleans()):
            run.timeline.phase(data.draw(st.sampled_from(("train", "sync"))), run.clock.now - data.draw(seconds))
        if data.draw(st.booleans()):
            total += checked(run.timeline.end())
            run.timeline.begin()
    for slot, (name, _) in live.items():
        run.over(slot, name)
    total += checked(run.timeline.end())
    checked(total)


def checked(spent: Spent) -> Spent:
    assert all(value >= -1e-9 for value in spent.slots.values())
    assert sum(spent.shares.values()) == pytest.approx(1.0) or not sum(spent.slots.values())
    assert 0 <= spent.engine_busy <= 1
    assert spent.playing + spent.train + spent.sync <= spent.wall * (1 + 1e-9) + 1e-9
    return spent
