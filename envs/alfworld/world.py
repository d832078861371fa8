"""A household as numbers: the parsed problem of a game, which never changes while it is played.

Objects, receptacles and locations are numbered in the order of their ids, the order in which TextWorld lists facts. A
set of objects (or receptacles) is an int whose bit `i` stands for number `i`: membership, union and difference cost one
operation, and a whole household takes a few kilobytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from envs.alfworld.dialects import ForeignGameError
from envs.alfworld.goal import Goal, Site, parse_goal
from envs.alfworld.pddl import Atom, Problem

_SIGNATURES = {
    "atlocation": ("agent", "location"),
    "cancontain": ("rtype", "otype"),
    "holds": ("agent", "object"),
    "holdsany": ("agent",),
    "inreceptacle": ("object", "receptacle"),
    "inreceptacleobject": ("object", "object"),
    "objectatlocation": ("object", "location"),
    "objecttype": ("object", "otype"),
    "receptacleatlocation": ("receptacle", "location"),
    "receptacletype": ("receptacle", "rtype"),
    "openable": ("receptacle",),
    "opened": ("receptacle",),
    **dict.fromkeys(("cleanable", "heatable", "coolable", "sliceable", "toggleable", "pickupable"), ("object",)),
    **dict.fromkeys(("isclean", "ishot", "iscool", "issliced", "istoggled", "isreceptacleobject"), ("object",)),
}
# Declared by the domain, but no precondition, goal or text reads them.
_IDLE = frozenset({"moveable", "checked", "examined", "wasinreceptacle", "full", "ison", "isreceptacleobjectfull"})


def members(mask: int) -> Iterator[int]:
    """The numbers in a set, ascending."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


@dataclass(frozen=True, slots=True)
class World:
    """A household and its state at the start. `mask` below is a set of object (or receptacle) numbers.

    Attributes:
        entities: every id that a fact of the start mentions (types and locations too), sorted; names come from them.
        agent: the agent's id.
        objects, receptacles, locations: ids, sorted; their places are the numbers used everywhere else.
        object_types, receptacle_types: each one's type, such as "appletype"; empty where the file gives none.
        location_of: the location of every receptacle.
        receptacles_at: for every location the mask of its receptacles.
        accepts: for every receptacle the mask of objects that it can hold.
        contained: for every object the mask of objects inside it, which no action changes.
        openable, sinks, microwaves, fridges: masks of receptacles.
        pickupable, ..., knives, vessels: masks of objects; vessels are objects that hold others, such as a bowl.
        start: the agent's location.
        held: the object in the agent's hand, or -1.
        opened: mask of receptacles.
        inside: for every receptacle the mask of its contents.
        lying: for every location the mask of objects that the file places there.
        clean, hot, cool, toggled, sliced: masks of objects.
        goal: what wins.
    """

    entities: tuple[str, ...]
    agent: str
    objects: tuple[str, ...]
    receptacles: tuple[str, ...]
    locations: tuple[str, ...]
    object_types: tuple[str, ...]
    receptacle_types: tuple[str, ...]
    location_of: tuple[int, ...]
    receptacles_at: tuple[int, ...]
    accepts: tuple[int, ...]
    contained: tuple[int, ...]
    openable: int
    sinks: int
    microwaves: int
    fridges: int
    pickupable: int
    cleanable: int
    heatable: int
    coolable: int
    toggleable: int
    sliceable: int
    knives: int
    vessels: int
    start: int
    held: int
    opened: int
    inside: tuple[int, ...]
    lying: tuple[int, ...]
    clean: int
    hot: int
    cool: int
    toggled: int
    sliced: int
    goal: Goal


def build_world(problem: Problem, cleaners: frozenset[str]) -> World:
    """Numbers a problem's household.

    Args:
        problem: the parsed PDDL.
        cleaners: receptacle types in which an object can be cleaned; dialects differ in them.

    Raises:
        ForeignGameError: if the household has something that our rules do not cover.
    """
    return _Builder(problem).build(cleaners)


class _Builder:
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.facts: dict[str, list[Atom]] = {name: [] for name in _SIGNATURES}
        entities: set[str] = set()
        for name, *arguments in problem.atoms:
            entities.update(arguments)
            types = tuple(problem.types.get(argument, "?") for argument in arguments)
            if _SIGNATURES.get(name) == types:
                self.facts[name].append(tuple(arguments))
            elif name not in _IDLE or "?" in types:
                raise ForeignGameError(f"the fact ({' '.join([name, *arguments])}) is not one of the Alfred domain")
        # Rooms recur from game to game: interned, their ids are held once.
        self.entities = tuple(sys.intern(entity) for entity in sorted(entities))
        self.objects, self.receptacles, self.locations = (
            {id_: number for number, id_ in enumerate(e for e in self.entities if problem.types[e] == kind)}
            for kind in ("object", "receptacle", "location")
        )
        self.object_types = self._types("objecttype", self.objects)
        self.receptacle_types = self._types("receptacletype", self.receptacles)
        self.location_of = self._locations_of_receptacles()
        self.inside = self._grouped("inreceptacle", self.objects, self.receptacles)

    def build(self, cleaners: frozenset[str]) -> World:
        agent, start = self._only("atlocation")
        receptacles_at = [0] * len(self.locations)
        for receptacle, location in enumerate(self.location_of):
            receptacles_at[location] |= 1 << receptacle
        return World(
            entities=self.entities,
            agent=agent,
            objects=tuple(self.objects),
            receptacles=tuple(self.receptacles),
            locations=tuple(self.locations),
            object_types=self.object_types,
            receptacle_types=self.receptacle_types,
            location_of=self.location_of,
            receptacles_at=tuple(receptacles_at),
            accepts=self._accepts(),
            contained=self._grouped("inreceptacleobject", self.objects, self.objects),
            openable=self._mask("openable", self.receptacles),
            sinks=_typed(self.receptacle_types, cleaners),
            microwaves=_typed(self.receptacle_types, ("microwavetype",)),
            fridges=_typed(self.receptacle_types, ("fridgetype",)),
            pickupable=self._mask("pickupable", self.objects),
            cleanable=self._mask("cleanable", self.objects),
            heatable=self._mask("heatable", self.objects),
            coolable=self._mask("coolable", self.objects),
            toggleable=self._mask("toggleable", self.objects),
            sliceable=self._mask("sliceable", self.objects),
            knives=_typed(self.object_types, ("knifetype", "butterknifetype")),
            vessels=self._mask("isreceptacleobject", self.objects),
            start=self.locations[start],
            held=self._held(),
            opened=self._mask("opened", self.receptacles),
            inside=self.inside,
            lying=self._grouped("objectatlocation", self.objects, self.locations),
            clean=self._mask("isclean", self.objects),
            hot=self._mask("ishot", self.objects),
            cool=self._mask("iscool", self.objects),
            toggled=self._mask("istoggled", self.objects),
            sliced=self._mask("issliced", self.objects),
            goal=parse_goal(self.problem.goal, self),
        )

    def _only(self, name: str) -> Atom:
        match self.facts[name]:
            case [atom]:
                return atom
        raise ForeignGameError(f"the problem has {len(self.facts[name])} facts ({name} ...) instead of one")

    def _held(self) -> int:
        if not self.facts["holds"] and not self.facts["holdsany"]:
            return -1
        self._only("holdsany")
        return self.objects[self._only("holds")[1]]

    def _types(self, name: str, numbers: dict[str, int]) -> tuple[str, ...]:
        types = [""] * len(numbers)
        for id_, type_ in self.facts[name]:
            if types[numbers[id_]] not in ("", type_):
                raise ForeignGameError(f"{id_} has two types, {types[numbers[id_]]} and {type_}")
            types[numbers[id_]] = sys.intern(type_)
        return tuple(types)

    def _locations_of_receptacles(self) -> tuple[int, ...]:
        found: dict[str, int] = {}
        for receptacle, location in self.facts["receptacleatlocation"]:
            if found.setdefault(receptacle, self.locations[location]) != self.locations[location]:
                raise ForeignGameError(f"{receptacle} is at two locations")
        for receptacle in self.receptacles:
            if receptacle not in found:
                raise ForeignGameError(f"{receptacle} is at no location")
        return tuple(found[receptacle] for receptacle in self.receptacles)

    def _mask(self, name: str, numbers: dict[str, int]) -> int:
        return sum(1 << number for number in {numbers[id_] for (id_,) in self.facts[name]})

    def _grouped(self, name: str, of: dict[str, int], by: dict[str, int]) -> tuple[int, ...]:
        masks = [0] * len(by)
        for member, group in self.facts[name]:
            masks[by[group]] |= 1 << of[member]
        return tuple(masks)

    def _accepts(self) -> tuple[int, ...]:
        of_type: dict[str, int] = {}
        for number, type_ in enumerate(self.object_types):
            of_type[type_] = of_type.get(type_, 0) | 1 << number
        accepted: dict[str, int] = {}
        for receptacle_type, object_type in self.facts["cancontain"]:
            accepted[receptacle_type] = accepted.get(receptacle_type, 0) | of_type.get(object_type, 0)
        return tuple(accepted.get(type_, 0) for type_ in self.receptacle_types)

    # What goal.Household asks for.
    def objects_of(self, type_: str) -> int:
        return _typed(self.object_types, (type_,))

    def objects_that_are(self, affordance: str) -> int:
        if _SIGNATURES.get(affordance) != ("object",):
            raise ForeignGameError(f"the goal's condition {affordance} is not understood")
        return self._mask(affordance, self.objects)

    def sites_of(self, type_: str | None) -> tuple[Site, ...]:
        return tuple(
            Site(receptacle, location)
            for receptacle, location in enumerate(self.location_of)
            if type_ is None or self.receptacle_types[receptacle] == type_
        )

    def never_move(self, objects: int) -> bool:
        return not objects & self._mask("pickupable", self.objects)

    def contents(self, receptacle: int) -> int:
        return self.inside[receptacle]


def _typed(types: tuple[str, ...], wanted: Iterable[str]) -> int:
    return sum(1 << number for number, type_ in enumerate(types) if type_ in wanted)
