"""A timeline of the slots: what each waits for, from the beginning of an iteration to its end.

It learns from the runner when an episode begins and ends, and from an ended episode how long each of its turns took,
wherever that was. So a turn costs nothing here.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from rollout.account import Account
from rollout.episode import Job
from rollout.runner import Watcher
from rollout.spent import Spent
from rollout.trajectory import Timing, Trajectory

LETTERS = {"q": "queue", "p": "prefill", "d": "decode", "e": "environment", "s": "sync", "t": "train", ".": "idle"}
"""How `Timeline.rows` writes a cause."""

_LETTER = {cause: letter for letter, cause in LETTERS.items()}

Interval = tuple[float, float]
Phase = tuple[str, float, float]
"""What a trainer did, from when to when."""


@dataclass(frozen=True, slots=True)
class Track:
    """An episode in its slot.

    Attributes:
        slot: its number.
        begun: by the timeline's clock.
        over: likewise.
        seconds: that it took by its own clock: what is left of the slot's time was lost.
        turns: in order.
        stuck: whether it failed at the engine: its last turn, of which nothing is kept, waited there.
    """

    slot: int
    begun: float
    over: float
    seconds: float
    turns: tuple[Timing, ...]
    stuck: bool

    def spells(self) -> Iterator[Phase]:
        """What it waited for, from when to when."""
        rest = max(0.0, self.seconds - sum(turn.queue + turn.model + turn.env for turn in self.turns))
        before, after = (0.0, rest) if self.stuck else (rest, 0.0)
        at = self.begun
        for cause, seconds in chain([("environment", before)], self._turns(), [("queue", after)]):
            if seconds > 0:
                yield cause, at, at + seconds
                at += seconds

    def _turns(self) -> Iterator[tuple[str, float]]:
        for turn in self.turns:
            yield "queue", turn.queue
            yield "prefill", turn.prefill
            yield "decode", turn.model - turn.prefill
            yield "environment", turn.env


class Timeline:
    """Counts where the time goes.

    An episode counts in the iteration in which it ends, with all its time. Episodes may be played in another thread.

    Args:
        watcher: is told everything too.
        clock: gives seconds.
    """

    def __init__(self, watcher: Watcher | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._watcher, self._clock = watcher, clock
        self._lock = threading.Lock()
        self._live: dict[int, float] = {}
        self._over: dict[str, tuple[int, float, float]] = {}
        self._slots: set[int] = set()
        self._opened: float | None = None
        self._since = self._playing = self._carried = 0.0
        self._requests: list[Interval] = []
        self._tracks: list[Track] = []
        self._phases: list[Phase] = []
        self._last: tuple[float, float, list[Track], list[Phase]] | None = None

    def begin(self) -> None:
        """An iteration begins. If something was played since the last one ended, it began there."""
        with self._lock:
            if not self._live and not self._playing:
                self._opened = self._clock()
                self._phases.clear()

    def phase(self, cause: str, begun: float) -> None:
        """The trainer has done something since `begun`: `train`, `sync`."""
        self._phases.append((cause, begun, self._clock()))

    def waits(self, slot: int, job: Job, cause: str) -> None:
        """See `rollout.runner.Watcher`. Of an episode's calls only the first and the last one are looked at."""
        if cause and slot not in self._live:
            self._enter(slot)
        elif not cause and slot in self._live:
            self._leave(slot, job)
        if self._watcher is not None:
            self._watcher.waits(slot, job, cause)

    def ended(self, trajectory: Trajectory, account: Account) -> None:
        """See `rollout.runner.Watcher`."""
        with self._lock:
            place = self._over.pop(trajectory.id, None)
            if place is not None and trajectory.ending == "cancelled":
                self._carried -= place[2] - place[1]  # nobody knows what it waited for: its time counts nowhere
            elif place is not None:
                failure = trajectory.failure
                stuck = failure is not None and failure.kind in ("engine_error", "engine_timeout")
                turns = tuple(step.timing for step in trajectory.steps)
                self._tracks.append(Track(*place, trajectory.seconds, turns, stuck))
        if self._watcher is not None:
            self._watcher.ended(trajectory, account)

    def end(self) -> Spent:
        """An iteration ends: where its time went."""
        with self._lock:
            now = self._clock()
            opened = now if self._opened is None else self._opened
            if self._live:
                self._playing += now - self._since
                self._since = now
            # Those that are under way take their time with them, from one iteration to the next.
            carried = sum(now - begun for begun in self._live.values())
            carried += sum(over - begun for _, begun, over in self._over.values())
            whole = len(self._slots) * self._playing + self._carried - carried
            spells = [spell for track in self._tracks for spell in track.spells()]
            slots = _sums(spells)
            slots["idle"] = max(0.0, whole - sum(slots.values()))
            busy = self._worked((begun, over) for cause, begun, over in spells if cause in ("prefill", "decode"))
            took = _sums(self._phases)
            wall = now - opened
            sync = min(took["sync"], max(0.0, wall - self._playing))
            train = min(took["train"], max(0.0, wall - self._playing - sync))
            spent = Spent(wall, self._playing, min(busy, self._playing), train, sync, slots)
            self._last = opened, now, self._tracks, list(self._phases)
            self._opened, self._playing, self._carried = now, 0.0, carried
            self._slots, self._tracks, self._phases = set(self._live), [], []
        return spent

    def rows(self, columns: int, most: int = 64) -> dict[str, object] | None:
        """The last iteration as text, a letter of `LETTERS` for each moment.

        Args:
            columns: moments.
            most: slots, drawn evenly from all.

        Returns:
            `seconds` of the iteration, what the `trainer` did, and the row of each of the `slots` by its number; None
            if there was no iteration.
        """
        if self._last is None:
            return None
        opened, closed, tracks, phases = self._last
        numbers = sorted({track.slot for track in tracks})
        chosen = {numbers[place * len(numbers) // most] for place in range(most)} if len(numbers) > most else {*numbers}
        spells: dict[int, list[Phase]] = {slot: [] for slot in sorted(chosen)}
        for track in [*tracks, *self._tracks]:  # what was under way at the end has ended since
            if track.slot in spells:
                spells[track.slot] += track.spells()

        def written(row: Iterable[Phase]) -> str:
            moments = ["."] * columns
            step = (closed - opened) / columns or 1.0
            for cause, begun, over in row:
                # A cell shows what its middle falls into.
                first, last = (round((moment - opened) / step) for moment in (begun, over))
                for cell in range(max(0, first), min(columns, last)):
                    moments[cell] = _LETTER.get(cause, ".")
            return "".join(moments)

        slots = {str(slot): written(row) for slot, row in spells.items()}
        return {"seconds": closed - opened, "trainer": written(phases), "slots": slots}

    def _enter(self, slot: int) -> None:
        with self._lock:
            now = self._clock()
            if self._opened is None:
                self._opened = now
            if not self._live:
                self._since = now
            self._live[slot] = now
            self._slots.add(slot)

    def _leave(self, slot: int, job: Job) -> None:
        with self._lock:
            now = self._clock()
            # An attempt whose worker died is over twice: what it took is lost.
            self._over[job.id] = slot, self._live.pop(slot), now
            if not self._live:
                self._playing += now - self._since

    def _worked(self, requests: Iterable[Interval]) -> float:
        """Seconds in which an engine worked, beyond those that earlier calls have counted."""
        known = sum(end - begin for begin, end in self._requests)
        merged: list[Interval] = []
        for begin, end in sorted([*self._requests, *requests]):
            if merged and begin <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(end, merged[-1][1])
            else:
                merged.append((begin, end))
        # What is under way may have been at the engine since it began.
        oldest = min(chain(self._live.values(), (begun for _, begun, _ in self._over.values())), default=float("inf"))
        self._requests = [one for one in merged if one[1] > oldest]
        return sum(end - begin for begin, end in merged) - known


def _sums(spells: Iterable[Phase]) -> defaultdict[str, float]:
    """Seconds by cause."""
    found: defaultdict[str, float] = defaultdict(float)
    for cause, begun, over in spells:
        found[cause] += over - begun
    return found
