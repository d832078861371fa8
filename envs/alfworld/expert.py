"""A scripted player that knows only what it has read: for demonstrations, and as a bar that a model has to pass.

It reads the task, looks for the object where such objects usually are, opens what is closed, and remembers what it
saw. It never sees the state of the game. The order of its search is fixed by the table in `places.py`, so the same
texts always get the same commands.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from envs.alfworld.places import OPENABLE, PLACES
from envs.alfworld.thoughts import Memory, thought
from envs.errors import ContractError, TaskError

_CONTENTS = re.compile(r"(?:The (?P<open>[^.]+) is open\. In it|On the (?P<top>[^.]+?)), you see (?P<things>[^.]*)\.")
_CLOSED = re.compile(r"The ([^.]+) is closed\.")
_PUT_FORMS = ("move {} to {}", "put {} in/on {}")
_NOTHING = "Nothing happens."
_TREATMENTS = {
    "clean": ("clean", "sinkbasin"),
    "heat": ("heat", "microwave"),
    "hot": ("heat", "microwave"),
    "cool": ("cool", "fridge"),
}
_SENTENCES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:put|find) (?P<two>two) (?P<o>\w+)(?: and put them)? in (?P<r>\w+)",
        r"put a (?P<how>clean|hot|cool) (?P<o>\w+) in (?P<r>\w+)",
        r"(?P<how>clean|heat|cool) some (?P<o>\w+) and put it in (?P<r>\w+)",
        r"put (?:a|some) (?P<o>\w+) (?:in|on) (?P<r>\w+)",
        r"look at (?P<o>\w+) under the (?P<lamp>\w+)",
        r"examine the (?P<o>\w+) with the (?P<lamp>\w+)",
    )
)
_PRIORS = {thing.lower(): {place.lower(): often for place, often in row.items()} for thing, row in PLACES.items()}
_DOORS = {kind.lower() for kind in OPENABLE}
_UNHEARD_OF = 0.5
"""How often, in percent, a thing is where it never was in the official games."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A task sentence, understood.

    Attributes:
        thing: the kind of object: "mug".
        target: the kind of receptacle in which it must end up; empty for a look.
        lamp: the kind of lamp under which to look at it, or empty.
        verb: "clean", "heat", "cool" or empty.
        appliance: the kind of receptacle that does this.
        count: how many objects.
    """

    thing: str
    target: str = ""
    lamp: str = ""
    verb: str = ""
    appliance: str = ""
    count: int = 1


def read_assignment(observation: str) -> Assignment:
    """Understands the task sentence in a game's first observation.

    Raises:
        TaskError: if it is none of ALFWorld's templates.
    """
    sentence = observation.rpartition("Your task is to: ")[2].strip().removesuffix(".")
    for pattern in _SENTENCES:
        if match := pattern.fullmatch(sentence):
            found = {name: text or "" for name, text in match.groupdict().items()}
            verb, appliance = _TREATMENTS.get(found.get("how", ""), ("", ""))
            count = 2 if found.get("two") else 1
            return Assignment(found["o"], found.get("r", ""), found.get("lamp", ""), verb, appliance, count)
    raise TaskError(
        f"the expert does not understand the task {sentence!r}",
        remedy="It reads ALFWorld's templated sentences; use another policy for tasks in people's own words.",
    )


class ALFWorldExpert:
    """Plays one game at a time: `reset` with the first observation, then `act` once a turn.

    It wins by texts alone; a list of admissible commands only spares it the commands that would do nothing.

    Attributes:
        thought: why it gave the last command, in a sentence that holds by what it has read.
    """

    thought = ""

    def reset(self, observation: str, info: Mapping[str, Any] | None = None) -> None:
        """Begins a game.

        Args:
            observation: the game's first text: the room and the task.
            info: not read.

        Raises:
            TaskError: if the task sentence is none of ALFWorld's templates.
        """
        self._task = read_assignment(observation)
        room = observation.rpartition("Your task is to: ")[0]
        self._receptacles = _listed(room.rpartition("you see ")[2].strip().removesuffix("."))
        self._kinds = Counter(_kind(receptacle) for receptacle in self._receptacles)
        # What each receptacle was last seen to hold; one that is missing here has not been looked into.
        self._seen: dict[str, list[str]] = {}
        self._looked: set[str] = set()
        self._closed: set[str] = set()
        self._here = ""
        self._held = ""
        self._treated: set[str] = set()
        self._placed: set[str] = set()
        self._futile: set[str] = set()
        self._put_forms = list(_PUT_FORMS)
        self._last = ""
        self._wording = Random(observation)

    def act(self, observation: str, info: Mapping[str, Any] | None = None) -> str:
        """The next command.

        Args:
            observation: the game's answer to the last command (or its first text).
            info: `admissible_commands` is read if it is there: what the game accepts now.

        Raises:
            ContractError: before the first reset.
        """
        if not hasattr(self, "_task"):
            raise ContractError("act before reset", remedy="Call reset(observation, info) first.")
        admissible = (info or {}).get("admissible_commands")
        if observation.strip() == _NOTHING:
            self._learn_from_refusal(self._last)
        elif self._last:
            self._learn(self._last, observation)
        self._last = self._next(admissible)
        known = (self._held, self._seen, self._looked, self._closed, self._treated, self._placed)
        self.thought = thought(self._last, Memory(self._task, *known), self._wording)
        return self._last

    def _next(self, admissible: Collection[str] | None) -> str:
        # A refusal that the list foretells teaches as much as one that is met.
        for _ in range(3 * len(self._receptacles) + 3):
            command = self._decide()
            if admissible is None or command in admissible:
                return command
            self._learn_from_refusal(command)
        return "look"

    # What it learns.

    def _learn(self, command: str, answer: str) -> None:
        verb = command.split()[0]
        if verb == "go":
            self._here = command.removeprefix("go to ")
        elif verb == "take":
            self._held, place = command.removeprefix("take ").split(" from ")
            self._seen[place].remove(self._held)
        elif verb in ("put", "move"):
            self._put_forms.sort(key=lambda form: not form.startswith(verb))
            self._seen.setdefault(self._here, []).append(self._held)
            self._placed.add(self._held)
            self._held = ""
        elif verb == self._task.verb:
            self._treated.add(self._held)
        for match in _CONTENTS.finditer(answer):
            receptacle = match["open"] or match["top"]
            self._seen[receptacle] = _listed(match["things"])
            self._looked.add(receptacle)
            self._closed.discard(receptacle)
        self._closed.update(_CLOSED.findall(answer))

    def _learn_from_refusal(self, command: str) -> None:
        if command.startswith("go to "):
            # One cannot go to a receptacle at one's own location: one is there already.
            self._here = command.removeprefix("go to ")
            return
        self._futile.add(command)
        if command.startswith("open "):
            self._closed.discard(command.removeprefix("open "))
        elif command.startswith("examine "):
            self._seen.setdefault(command.removeprefix("examine "), [])

    # What it decides.

    def _decide(self) -> str:
        task = self._task
        if not self._held:
            return self._use_first_found(task.thing, "take {thing} from {place}")
        if task.lamp:
            return self._use_first_found(task.lamp, "use {thing}")
        if task.verb and self._held not in self._treated:
            for place in self._nearest_first(task.appliance):
                command = f"{task.verb} {self._held} with {place}"
                if command not in self._futile:
                    return command if self._here == place else f"go to {place}"
        for place in self._nearest_first(task.target):
            for form in self._put_forms:
                command = form.format(self._held, place)
                if command not in self._futile:
                    return self._reach_into(place) or command
        return self._start_over()

    def _use_first_found(self, kind: str, template: str) -> str:
        """Does something to a thing of this kind, or looks for one."""
        for place in sorted(self._seen, key=lambda place: place != self._here):
            for thing in self._seen[place]:
                command = template.format(thing=thing, place=place)
                settled = thing in self._placed or self._is_settled(kind, place)
                if _kind(thing) == kind and not settled and command not in self._futile:
                    return self._reach_into(place) or command
        return self._search(kind)

    def _search(self, kind: str) -> str:
        """Looks into the receptacle that is most worth its steps and has not been looked into yet."""
        unseen = [place for place in self._receptacles if place not in self._seen]
        if not unseen:
            return self._start_over()
        place = max(unseen, key=lambda place: self._worth(kind, place))
        return self._reach_into(place) or f"examine {place}"

    def _is_settled(self, kind: str, place: str) -> bool:
        """Whether a thing of this kind is where it is to end up, as it is to be."""
        return kind == self._task.thing and _kind(place) == self._task.target and not self._task.verb

    def _worth(self, kind: str, place: str) -> float:
        if self._is_settled(kind, place):
            return 0.0
        often = _PRIORS.get(kind, {}).get(_kind(place), 0) + _UNHEARD_OF
        steps = (place != self._here) + (_kind(place) in _DOORS)
        return often / self._kinds[_kind(place)] / max(1, steps)

    def _nearest_first(self, kind: str) -> list[str]:
        """The receptacles of a kind: one that holds what belongs there, the one here, those that stand open."""
        wanted = self._task.thing

        def distance(place: str) -> tuple[bool, bool, bool]:
            begun = any(_kind(thing) == wanted for thing in self._seen.get(place, ())) and self._task.count > 1
            shut = place in self._closed or (_kind(place) in _DOORS and place not in self._seen)
            return (not begun, place != self._here, shut)

        return sorted((place for place in self._receptacles if _kind(place) == kind), key=distance)

    def _reach_into(self, place: str) -> str | None:
        """What has to be done before things in this receptacle can be handled; None if nothing."""
        if self._here != place:
            return f"go to {place}"
        # What stands beside another receptacle is reached without having been announced; most doors are shut.
        unannounced = place not in self._seen and _kind(place) in _DOORS and f"open {place}" not in self._futile
        return f"open {place}" if place in self._closed or unannounced else None

    def _start_over(self) -> str:
        """Nothing left to try: things may have been overlooked, so everything is looked at again."""
        self._seen.clear()
        self._futile.clear()
        return "look"


def _kind(name: str) -> str:
    """ "mug" of "mug 2"."""
    return name.rpartition(" ")[0]


def _listed(text: str) -> list[str]:
    """The names in "a mug 1, a cup 2, and a plate 1"; none in "nothing"."""
    items = (item.removeprefix("and ").removeprefix("a ") for item in text.split(", "))
    return [item for item in items if item != "nothing"]
