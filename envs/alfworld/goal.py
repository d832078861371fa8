"""What wins a game, and how much of it is done.

A goal is a conjunction of blocks; a block is won by one binding of its objects and its receptacle that meets all its
conditions. The six shapes of ALFWorld's goals (and their sliced variants) are of this form; any other is foreign.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

from envs.alfworld.dialects import ForeignGameError
from envs.alfworld.pddl import Expression

_STATES = {"isclean": "clean", "ishot": "hot", "iscool": "cool", "istoggled": "toggled", "issliced": "sliced"}


class Household(Protocol):
    """What a goal must know of the household to be bound to it; `world.py` provides it."""

    def objects_of(self, type_: str) -> int: ...
    def objects_that_are(self, affordance: str) -> int: ...
    def sites_of(self, type_: str | None) -> tuple[Site, ...]: ...
    def never_move(self, objects: int) -> bool: ...
    def contents(self, receptacle: int) -> int: ...


class State(Protocol):
    """What a goal reads of a state: numbers and masks as in `World`."""

    @property
    def location(self) -> int: ...
    @property
    def held(self) -> int: ...
    @property
    def inside(self) -> Sequence[int]: ...


@dataclass(frozen=True, slots=True)
class Site:
    """A receptacle that a block may be bound to, and its location; -1 for both where the block has none."""

    receptacle: int
    location: int


@dataclass(frozen=True, slots=True)
class Thing:
    """One object that a block asks for.

    Attributes:
        candidates: mask of the objects of the right type and affordances.
        states: the states it must have: "clean", "hot", "cool", "toggled", "sliced".
        inside: whether it must be in the block's receptacle.
        fixed: whether no candidate can be moved, so that `inside` is no condition to work for.
        held: whether the agent must hold it.
    """

    candidates: int
    states: tuple[str, ...]
    inside: bool
    fixed: bool
    held: bool


@dataclass(frozen=True, slots=True)
class Block:
    """Conditions on objects that share a receptacle.

    Attributes:
        things: the objects asked for, all different.
        sites: the candidates for the receptacle.
        agent_there: whether the agent must be at the receptacle.
    """

    things: tuple[Thing, ...]
    sites: tuple[Site, ...]
    agent_there: bool


@dataclass(frozen=True, slots=True)
class Goal:
    """Blocks that must all hold at once.

    Attributes:
        blocks: the conjuncts, each with a binding of its own.
        conditions: how many conditions they have together.
        follows_agent: whether walking alone can win.
    """

    blocks: tuple[Block, ...]
    conditions: int
    follows_agent: bool

    def reached(self, state: State) -> bool:
        """Whether the state wins."""
        for block in self.blocks:
            for site in block.sites:
                if _wins(block, state, site):
                    break
            else:
                return False
        return True

    def progress(self, state: State) -> float:
        """The share of the conditions that the best binding meets, in [0, 1]; 1.0 if and only if the state wins.

        After ALFRED's goal-condition success (Shridhar et al. 2020, section 4.2): what never changes, such as an
        object's type, is no condition. "Look at the clock under the lamp" has three: the lamp is on, the agent is at
        the lamp, the agent holds the clock. "Put a clean mug on the desk" has two, and so has "put two mugs".
        """
        met = sum(max((_met(block, state, site) for site in block.sites), default=0) for block in self.blocks)
        return met / self.conditions


def _wins(block: Block, state: State, site: Site) -> bool:
    if block.agent_there and state.location != site.location:
        return False
    masks = [_fitting(thing, state, site) for thing in block.things]
    if len(masks) == 1:
        return masks[0] != 0
    # Hall's theorem: the things can be bound to different objects iff every few of them have as many to choose from.
    return all(
        _union(some).bit_count() >= size for size in range(1, len(masks) + 1) for some in combinations(masks, size)
    )


def _fitting(thing: Thing, state: State, site: Site) -> int:
    mask = thing.candidates
    if thing.inside:
        mask &= state.inside[site.receptacle]
    if thing.held:
        mask &= 1 << state.held if state.held >= 0 else 0
    for name in thing.states:
        mask &= getattr(state, name)
    return mask


def _union(masks: Sequence[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


def _met(block: Block, state: State, site: Site) -> int:
    here = int(block.agent_there and state.location == site.location)
    return here + _best_binding(block.things, state, site, taken=0)


def _best_binding(things: Sequence[Thing], state: State, site: Site, taken: int) -> int:
    if not things:
        return 0
    thing, rest = things[0], things[1:]
    candidates = thing.candidates & ~taken
    if thing.fixed:
        candidates &= state.inside[site.receptacle]
    best = 0 if candidates else _best_binding(rest, state, site, taken)
    while candidates:
        one = candidates & -candidates
        candidates ^= one
        best = max(best, _score(thing, one, state, site) + _best_binding(rest, state, site, taken | one))
    return best


def _score(thing: Thing, one: int, state: State, site: Site) -> int:
    score = sum(bool(getattr(state, name) & one) for name in thing.states)
    if thing.inside and not thing.fixed:
        score += state.inside[site.receptacle] & one != 0
    if thing.held:
        score += state.held >= 0 and one == 1 << state.held
    return score


def parse_goal(expression: Expression, household: Household) -> Goal:
    """Binds a goal's expression to a household.

    Raises:
        ForeignGameError: if the goal is of another form.
    """
    conjuncts = expression[1:] if isinstance(expression, list) and expression[:1] == ["and"] else [expression]
    blocks = tuple(_parse_block(conjunct, household) for conjunct in conjuncts)
    conditions = sum(
        block.agent_there
        + sum(len(thing.states) + thing.held + (thing.inside and not thing.fixed) for thing in block.things)
        for block in blocks
    )
    if not conditions:
        raise ForeignGameError("the goal has no condition")
    return Goal(blocks, conditions, any(block.agent_there for block in blocks))


def _literals(expression: Expression, types: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """The literals under some `exists` and `and`; fills in the types of their variables."""
    match expression:
        case ["exists", [*variables], inner]:
            words = [word for word in variables if isinstance(word, str)]
            typed = dict(zip(words[0::3], words[2::3], strict=False))
            if len(words) != len(variables) or words[1::3] != ["-"] * len(typed) or typed.keys() & types.keys():
                raise ForeignGameError(f"the goal's variables {variables} are not understood")
            types.update(typed)
            yield from _literals(inner, types)
        case ["and", *parts]:
            for part in parts:
                yield from _literals(part, types)
        case ["not", ["=", str(one), str(other)]]:
            yield ("differ", one, other)
        case [str(predicate), *arguments] if all(isinstance(argument, str) for argument in arguments):
            yield (predicate, *(str(argument) for argument in arguments))
        case _:
            raise ForeignGameError(f"the goal's condition {expression} is not understood")


def _parse_block(expression: Expression, household: Household) -> Block:
    types: dict[str, str] = {}
    literals = set(_literals(expression, types))
    variables = {name for _, *names in literals for name in names[:1] if types.get(name) == "object"}
    receptacles = [name for name, type_ in types.items() if type_ == "receptacle"]
    if len(receptacles) > 1:
        raise ForeignGameError("the goal asks for two receptacles at once")
    receptacle = receptacles[0] if receptacles else ""
    reader = _BlockReader(household, literals, types, receptacle)
    things = tuple(reader.thing(name) for name in types if name in variables)
    reader.require_different([name for name in types if name in variables])
    agent_there = reader.agent_there()
    type_ = reader.receptacle_type()
    if literals:
        raise ForeignGameError(f"the goal's conditions {sorted(literals)} are not understood")
    sites: tuple[Site, ...] = household.sites_of(type_) if receptacle else (Site(-1, -1),)
    for thing in things:
        if thing.fixed:
            sites = tuple(site for site in sites if household.contents(site.receptacle) & thing.candidates)
    return Block(things, sites, agent_there)


class _BlockReader:
    """Takes the literals that it understands out of a block's set."""

    def __init__(
        self, household: Household, literals: set[tuple[str, ...]], types: dict[str, str], receptacle: str
    ) -> None:
        self.household = household
        self.literals = literals
        self.types = types
        self.receptacle = receptacle
        self.agents = [name for name, type_ in types.items() if type_ == "agent"]

    def thing(self, name: str) -> Thing:
        candidates = -1
        states = []
        for literal in sorted(self.literals):
            match literal:
                case ("objecttype", variable, type_) if variable == name:
                    candidates &= self.household.objects_of(type_)
                case (predicate, variable) if variable == name and predicate in _STATES:
                    states.append(_STATES[predicate])
                case (predicate, variable) if variable == name:
                    candidates &= self.household.objects_that_are(predicate)
                case _:
                    continue
            self.literals.discard(literal)
        inside = self._take(("inreceptacle", name, self.receptacle))
        held = any(self._take(("holds", agent, name)) for agent in self.agents)
        if candidates == -1:
            raise ForeignGameError(f"the goal does not say of which type {name} is")
        fixed = inside and self.household.never_move(candidates)
        return Thing(candidates, tuple(states), inside, fixed, held)

    def require_different(self, names: list[str]) -> None:
        for one, other in combinations(names, 2):
            if not (self._take(("differ", one, other)) | self._take(("differ", other, one))):
                raise ForeignGameError(f"the goal lets {one} and {other} be the same object")

    def agent_there(self) -> bool:
        for location in (name for name, type_ in self.types.items() if type_ == "location"):
            for agent in self.agents:
                pair = {("receptacleatlocation", self.receptacle, location), ("atlocation", agent, location)}
                if pair <= self.literals:
                    self.literals -= pair
                    return True
        return False

    def receptacle_type(self) -> str | None:
        for literal in self.literals:
            match literal:
                case ("receptacletype", variable, type_) if variable == self.receptacle:
                    self.literals.discard(literal)
                    return type_
        return None

    def _take(self, literal: tuple[str, ...]) -> bool:
        found = literal in self.literals
        self.literals.discard(literal)
        return found
