"""The shortest way to win, with full knowledge of the household: a bound for policies, and the stored walkthroughs.

No search is needed. Every way to win makes a few stops in order (take the mug, heat it, put it down), and between two
stops nothing is quicker than going straight there. So the best plan is the cheapest of all sequences of stops that end
in the goal: one for each choice of objects, receptacles and appliance. Tests hold it against breadth-first search.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product
from typing import TypeAlias

from envs.alfworld.dialects import DIALECTS
from envs.alfworld.game import Game
from envs.alfworld.goal import Block, Site, Thing
from envs.alfworld.names import display_names
from envs.alfworld.world import World, members
from envs.errors import DataError

Stop: TypeAlias = tuple[str, int, int]
"""What is done to which object at which receptacle (numbers of `World`)."""

TAKE, PUT, USE, BE_THERE = "take {} from {}", "put", "use {}", ""
_TREATMENTS = {"clean": "clean {} with {}", "hot": "heat {} with {}", "cool": "cool {} with {}"}


def shortest_plan(game: Game) -> list[str]:
    """The fewest commands that win, under the game's own names.

    Raises:
        DataError: if there is no way to win that takes, treats and places objects or looks at them under a lamp.
    """
    world = game.world
    cheapest = min(_itineraries(world), key=lambda stops: _cost(world, stops), default=None)
    if cheapest is None:
        raise DataError(f"no plan wins this game ({game.task})", where=game.path)
    return list(_commands(game, cheapest))


def _itineraries(world: World) -> Iterator[list[Stop]]:
    """All sequences of stops that could be the shortest way to win."""
    carried = [block for block in world.goal.blocks if any(thing.held for thing in block.things)]
    others = [block for block in world.goal.blocks if block not in carried]
    for choice in product(*(list(_ways_to_place(world, block)) for block in others)):
        placed = [stop for stops in choice for stop in stops]
        if not carried:
            yield placed
        for block in carried:
            for thing in block.things:
                # What is to be held at the end is taken first: it can be carried to the lamp.
                yield from ([stop, *placed] for stop in _takes(world, thing.candidates))


def _ways_to_place(world: World, block: Block) -> Iterator[tuple[Stop, ...]]:
    for site in block.sites:
        candidates = [tuple(members(thing.candidates)) for thing in block.things]
        for objects in product(*candidates):
            if len(set(objects)) < len(objects):
                continue
            errands = [list(_errands(world, *pair, site)) for pair in zip(block.things, objects, strict=True)]
            for chosen in product(*errands):
                for order in permutations(chosen):
                    stops = tuple(stop for errand in order for stop in errand)
                    yield (*stops, (BE_THERE, -1, site.receptacle)) if block.agent_there else stops


def _errands(world: World, thing: Thing, item: int, site: Site) -> Iterator[tuple[Stop, ...]]:
    """The ways to make one object meet what the goal asks of it."""
    there = bool(world.inside[site.receptacle] >> item & 1)
    missing = [state for state in thing.states if not getattr(world, state) >> item & 1]
    if there and not missing:
        yield ()
    elif thing.fixed:
        if there and missing == ["toggled"]:
            yield ((USE, item, site.receptacle),)
    else:
        treatments = [list(_treatments(world, state, item)) for state in missing]
        for take in _takes(world, 1 << item):
            # An object may lie in two receptacles at once: taken from the other one, it still counts as lying here.
            stays = there and take[2] != site.receptacle
            if stays or world.accepts[site.receptacle] >> item & 1:
                put = () if stays else ((PUT, item, site.receptacle),)
                yield from ((take, *treated, *put) for treated in product(*treatments))


def _treatments(world: World, state: str, item: int) -> Iterator[Stop]:
    able, appliances = {
        "clean": (world.cleanable, world.sinks),
        "hot": (world.heatable, world.microwaves),
        "cool": (world.coolable, world.fridges),
    }.get(state, (0, 0))
    if able >> item & 1:
        yield from ((_TREATMENTS[state], item, appliance) for appliance in members(appliances))


def _takes(world: World, candidates: int) -> Iterator[Stop]:
    for receptacle, contents in enumerate(world.inside):
        yield from ((TAKE, item, receptacle) for item in members(contents & candidates & world.pickupable))


def _cost(world: World, stops: list[Stop]) -> int:
    location, opened, cost = world.start, world.opened, 0
    for verb, _, receptacle in stops:
        cost += (verb != BE_THERE) + (world.location_of[receptacle] != location)
        location = world.location_of[receptacle]
        if verb in (TAKE, PUT) and world.openable & ~opened & 1 << receptacle:
            cost += 1
            opened |= 1 << receptacle
    return cost


def _commands(game: Game, stops: list[Stop]) -> Iterator[str]:
    world, names, put = game.world, display_names(game.world.entities), DIALECTS[game.dialect].put
    location, opened = world.start, world.opened
    for verb, item, receptacle in stops:
        name = names[world.receptacles[receptacle]]
        if world.location_of[receptacle] != location:
            yield f"go to {name}"
        location = world.location_of[receptacle]
        if verb in (TAKE, PUT) and world.openable & ~opened & 1 << receptacle:
            yield f"open {name}"
            opened |= 1 << receptacle
        if verb != BE_THERE:
            yield (put if verb == PUT else verb).format(names[world.objects[item]], name)
