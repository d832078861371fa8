"""Floor plans: which receptacles a generated room has, where they stand, and which of them are closed.

A layout is independent of the tasks played in it, as an AI2-THOR scene is of ALFWorld's trials: `train` and
`valid_seen` share layouts, `valid_unseen` has its own, and no two layouts of a room kind and size have the same
furniture, so that an unseen room is recognisably another from its first observation.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

from envs.alfworld.dice import Dice
from envs.alfworld.places import OPENABLE
from envs.alfworld.rooms import ROOMS, SHARED_SPOTS, Room
from envs.errors import TaskError

TRAIN_LAYOUTS = 72
UNSEEN_LAYOUTS = 24
"""Layouts of each room kind, in the proportion of AI2-THOR's (27 official training scenes each, and fewer unseen)."""


@dataclass(frozen=True, slots=True)
class Size:
    """How far a room is cut down.

    Attributes:
        receptacles: the most receptacles, drawn from this range; None for all.
        per_kind: the most receptacles of one kind.
        things: the most things lying about, drawn from this range.
        copies: the most things of one kind.
        faithful: whether the fixtures and quirks that no short game needs are there.
    """

    receptacles: tuple[int, int] | None
    per_kind: int
    things: tuple[int, int]
    copies: int
    faithful: bool = False


SIZES = {
    "tiny": Size((4, 7), 2, (3, 5), 2),
    "small": Size((8, 11), 3, (7, 11), 2),
    "medium": Size((12, 18), 6, (16, 24), 3),
    "full": Size(None, 99, (99, 99), 99, faithful=True),
}


@dataclass(frozen=True, slots=True)
class Receptacle:
    """A piece of furniture: its id in the game file, its kind, its location's number, and whether it has a door."""

    id: str
    kind: str
    location: int
    openable: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """A furnished room.

    Attributes:
        room: the kind of room.
        number: its number among the layouts of this room kind and size.
        receptacles: the furniture; locations are numbered from 0 without a gap.
        kinds: how many receptacles there are of each kind.
    """

    room: Room
    number: int
    receptacles: tuple[Receptacle, ...]
    kinds: Counter[str]

    @property
    def locations(self) -> int:
        """How many locations have a receptacle."""
        return 1 + max(receptacle.location for receptacle in self.receptacles)


def size_named(name: str) -> Size:
    """The size of this name.

    Raises:
        TaskError: if there is none.
    """
    if name not in SIZES:
        raise TaskError(f"there is no room size {name!r}", remedy=f"Take one of {', '.join(SIZES)}.")
    return SIZES[name]


@cache
def layouts(size: str, room: str) -> tuple[Layout, ...]:
    """All layouts of a room kind: the first `TRAIN_LAYOUTS` for training, the others never shown by it."""
    limits = size_named(size)
    found: dict[frozenset[tuple[str, int]], Layout] = {}
    attempt = 0
    while len(found) < TRAIN_LAYOUTS + UNSEEN_LAYOUTS:
        dice = Dice(f"layout/{size}/{room}/{attempt}")
        layout = _furnish(ROOMS[room], len(found), limits, dice)
        found.setdefault(frozenset(layout.kinds.items()), layout)
        attempt += 1
    return tuple(found.values())


def _furnish(room: Room, number: int, limits: Size, dice: Dice) -> Layout:
    kinds = [kind for kind in room.furniture for _ in range(min(room.furniture[kind].draw(dice), limits.per_kind))]
    if limits.receptacles is not None:
        kinds = _cut_down(kinds, room, dice.skewed(*limits.receptacles, sum(limits.receptacles) / 2), dice)
    counts: Counter[str] = Counter()
    spots: dict[str, int] = {}
    receptacles: list[Receptacle] = []
    for kind in kinds:
        neighbour, chance = SHARED_SPOTS.get(kind, ("", 0.0))
        shares = neighbour in spots and dice.chance(chance)
        spots[kind] = spots[neighbour] if shares else 1 + max((r.location for r in receptacles), default=-1)
        counts[kind] += 1
        openable = dice.chance(OPENABLE.get(kind, 0.0))
        receptacles.append(Receptacle(_receptacle_id(kind, counts[kind]), kind, spots[kind], openable))
    return Layout(room, number, tuple(receptacles), counts)


def _cut_down(kinds: list[str], room: Room, limit: int, dice: Dice) -> list[str]:
    """The core and as many others as fit, in the order of the room's table."""
    others = list(kinds)
    for kind in room.core:
        if kind in others:
            others.remove(kind)
    kept = Counter([*room.core, *dice.shuffled(others)[: max(0, limit - len(room.core))]])
    return [kind for kind in room.furniture for _ in range(kept[kind])]


def _receptacle_id(kind: str, number: int) -> str:
    # ALFWorld names "sinkbasin" and "bathtubbasin" after a "basin" anywhere in the rest of the id.
    if kind.endswith("Basin"):
        return f"{kind.removesuffix('Basin')}_bar_basin_bar_{number:02}"
    return f"{kind}_bar_{number:02}"
