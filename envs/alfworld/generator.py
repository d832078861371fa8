"""Games out of a seed: ALFWorld's six kinds of task in rooms of our own, as large as the official ones or far smaller.

A generated game is a `game.tw-pddl` like any other: TextWorld plays it, with the same text as our engine. Its start
is valid as the official ones are: the agent stands apart from all furniture, the goal is not yet true, and whatever
the task needs is in the room.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from envs.alfworld.dice import Dice
from envs.alfworld.domain import DOMAIN, grammar
from envs.alfworld.game import Game
from envs.alfworld.layout import TRAIN_LAYOUTS, Layout, Receptacle, Size, layouts, size_named
from envs.alfworld.oracle import shortest_plan
from envs.alfworld.places import CLEANABLE, COOLABLE, HEATABLE, NOWHERE_TO_PUT, PLACES, accepts
from envs.alfworld.problem import Thing, problem_text
from envs.alfworld.rooms import OVERLAPS
from envs.errors import TaskError


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of task.

    Attributes:
        rooms: the kinds of room it is played in -> how often (the official games' share).
        sentences: how the task is put, with `{o}` and `{r}`.
        copies: the fewest and the most target objects, and their mean.
        appliance: what changes the object; the room must have it.
        able: the things that it changes; None for all.
        apart: whether no target object may start where it is to end up.
        lamp: what the object is to be looked at under, instead of being put somewhere.
    """

    rooms: dict[str, float]
    sentences: tuple[str, str]
    copies: tuple[int, int, float] = (1, 4, 2.0)
    appliance: str = ""
    able: frozenset[str] | None = None
    apart: bool = False
    lamp: str = ""


KINDS = {
    "pick_and_place_simple": Kind(
        {"kitchen": 0.1, "living room": 0.27, "bedroom": 0.3, "bathroom": 0.33},
        ("put a {o} in {r}", "put some {o} on {r}"),
        apart=True,
    ),
    "look_at_obj_in_light": Kind(
        {"living room": 0.17, "bedroom": 0.83},
        ("look at {o} under the {r}", "examine the {o} with the {r}"),
        lamp="DeskLamp",
    ),
    "pick_clean_then_place_in_recep": Kind(
        {"kitchen": 0.77, "bathroom": 0.23},
        ("put a clean {o} in {r}", "clean some {o} and put it in {r}"),
        appliance="SinkBasin",
        able=CLEANABLE,
    ),
    "pick_heat_then_place_in_recep": Kind(
        {"kitchen": 1.0},
        ("put a hot {o} in {r}", "heat some {o} and put it in {r}"),
        appliance="Microwave",
        able=HEATABLE,
    ),
    "pick_cool_then_place_in_recep": Kind(
        {"kitchen": 1.0},
        ("put a cool {o} in {r}", "cool some {o} and put it in {r}"),
        appliance="Fridge",
        able=COOLABLE,
    ),
    "pick_two_obj_and_place": Kind(
        {"kitchen": 0.15, "living room": 0.26, "bedroom": 0.3, "bathroom": 0.29},
        ("put two {o} in {r}", "find two {o} and put them in {r}"),
        copies=(2, 4, 2.8),
        apart=True,
    ),
}


def generate_game(*, seed: int, task_type: str | None = None, room: str | None = None, size: str = "full") -> Game:
    """A game that depends on nothing but the arguments: the same bytes on every machine and Python.

    Its layout is one of `train`, and its household may be one that `valid_seen` has, too: for splits that share none,
    take `generated_tasks`.

    Args:
        seed: any whole number.
        task_type: one of `KINDS`; drawn evenly if not given.
        room: "kitchen", "living room", "bedroom" or "bathroom"; drawn as often as the official games have it if not
            given. Not every task is played in every room.
        size: one of `layout.SIZES`: "tiny" (4 to 7 receptacles), "small", "medium" or "full" (as the official rooms).

    Raises:
        TaskError: if there is no such task type, room or size, or the task is not played in that room.
    """
    size_named(size)
    dice = Dice(f"game/{size}/{task_type}/{room}/{seed}")
    task_type = task_type or dice.pick(list(KINDS))
    room = draw_room(task_type, room, dice)
    layout = draw_layout(task_type, layouts(size, room)[:TRAIN_LAYOUTS], dice)
    return build(*draft(task_type, layout, size, dice))


def draw_room(task_type: str, room: str | None, dice: Dice) -> str:
    """The room asked for, or one of those in which the task is played."""
    if task_type not in KINDS:
        raise TaskError(f"there is no task type {task_type!r}", remedy=f"Take one of {', '.join(KINDS)}.")
    rooms = KINDS[task_type].rooms
    if room is not None and room not in rooms:
        raise TaskError(f"{task_type} is not played in a {room}", remedy=f"Take one of {', '.join(rooms)}.")
    return room or dice.weighted(rooms)


def draw_layout(task_type: str, among: tuple[Layout, ...], dice: Dice) -> Layout:
    """One of the layouts in which such a task can be set."""
    return next(layout for layout in dice.shuffled(among) if _targets(KINDS[task_type], layout))


def draft(task_type: str, layout: Layout, size: str, dice: Dice) -> tuple[str, str]:
    """Sets a task of this type in a layout and fills the room with things.

    Returns:
        The task sentence (without "Your task is to: ") and the PDDL problem.
    """
    kind = KINDS[task_type]
    targets = _targets(kind, layout)
    thing = dice.pick(sorted({thing for thing, _ in targets}))
    target = dice.pick([target for one, target in targets if one == thing])
    names = _inventory(kind, thing, layout, size_named(size), dice)
    things = list(_placed(names, layout, thing, target if kind.apart else "", dice))
    if size_named(size).faithful:
        things = [_overlapping(item, layout, (thing, target), dice) for item in things]
        things += _fixtures(layout, dice)
    sentence = dice.pick(kind.sentences).format(o=thing.lower(), r=target.lower())
    return sentence, problem_text(layout, things, goal=(task_type, thing, target))


def build(sentence: str, problem: str) -> Game:
    """The game of a draft, with its shortest walkthrough."""
    game = Game.from_texts(domain=DOMAIN, grammar=grammar(sentence), problem=problem)
    return replace(game, walkthrough=tuple(shortest_plan(game)))


def _targets(kind: Kind, layout: Layout) -> list[tuple[str, str]]:
    """The pairs of a thing and a receptacle kind (or lamp) with which the task can be set in this layout."""
    kinds = layout.kinds
    if kind.appliance and kind.appliance not in kinds:
        return []
    things = [thing for thing in layout.room.things if thing not in NOWHERE_TO_PUT and _homes(thing, layout)]
    if kind.lamp:
        return [(thing, kind.lamp) for thing in things] if _homes(kind.lamp, layout) else []
    return [
        (thing, target)
        for thing in things
        if kind.able is None or thing in kind.able
        for target in kinds
        if accepts(target, thing)
        and target != kind.appliance
        and (not kind.apart or _homes(thing, layout, besides=target))
    ]


def _homes(thing: str, layout: Layout, besides: str = "") -> dict[str, int]:
    """Where such a thing may lie in this layout -> how often."""
    places, kinds = PLACES[thing], layout.kinds
    return {place: often for place, often in places.items() if often and place in kinds and place != besides}


def _inventory(kind: Kind, thing: str, layout: Layout, limits: Size, dice: Dice) -> list[str]:
    """The kinds of the things in the room, one entry a thing."""
    wanted = [thing] * max(kind.copies[0], min(dice.skewed(*kind.copies), limits.copies))
    if kind.lamp:
        wanted.append(kind.lamp)
    others = [
        other
        for other, amount in layout.room.things.items()
        for _ in range(min(amount.draw(dice), limits.copies))
        if other not in wanted and _homes(other, layout)
    ]
    least, most = limits.things
    room_left = dice.skewed(least, most, (least + most) / 2) - len(wanted)
    return wanted + dice.shuffled(others)[: max(0, room_left)]


def _placed(names: list[str], layout: Layout, thing: str, forbidden: str, dice: Dice) -> Iterator[Thing]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        place = dice.weighted(_homes(name, layout, besides=forbidden if name == thing else ""))
        inside = dice.pick([receptacle for receptacle in layout.receptacles if receptacle.kind == place])
        yield Thing(f"{name}_bar_{counts[name]:02}", name, (inside,), inside.location)


def _overlapping(item: Thing, layout: Layout, goal: tuple[str, str], dice: Dice) -> Thing:
    """The thing, perhaps in a second receptacle as well."""
    first = item.inside[0]
    place, chance = OVERLAPS.get(first.kind, ("", 0.0))
    others: list[Receptacle] = [other for other in layout.receptacles if other.kind == place and other != first]
    if not others or not dice.chance(chance) or (item.kind, place) == goal:
        return item
    return replace(item, inside=(first, dice.pick(others)))


def _fixtures(layout: Layout, dice: Dice) -> Iterator[Thing]:
    """Windows, light switches and the like, beyond the location at which the agent starts."""
    free = layout.locations
    for kind, amount in layout.room.fixtures.items():
        for number in range(1, amount.draw(dice) + 1):
            if free == layout.locations or dice.chance(layout.room.own_spot):
                free += 1
            yield Thing(f"{kind}_bar_{number:02}", kind, (), free)
