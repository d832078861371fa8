"""The game's answers to looking: what a state reads like, phrase by phrase as in the games' grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envs.alfworld.script import listing
from envs.alfworld.world import members

if TYPE_CHECKING:
    from envs.alfworld.play import Play

_MIDDLE = "You are in the middle of a room. Looking quickly around you, you see"


def welcome(play: Play) -> str:
    """The first observation: the banner, the room and the task."""
    if play.world.receptacles_at[play.location]:
        room = look(play)
    else:
        room = f"{_MIDDLE} {listing([f'a {name}' for name in play.script.receptacles])}."
    return f"-= Welcome to TextWorld, ALFRED! =-\n\n{room}\n\n{play.script.task}"


def look(play: Play) -> str:
    """What `look` answers."""
    script = play.script
    here = play.world.receptacles_at[play.location]
    if not here:
        # The grammar announces the whole room, but asks for the receptacles at the agent's location.
        return f"{_MIDDLE} nothing."
    # An object lies beside a receptacle if it was taken out of it and is at its location still (or again).
    lying = play.lying[play.location]
    beside = sorted(
        (item, receptacle) for receptacle in members(here) for item in members(lying & play.removed[receptacle])
    )
    floor = listing([f"a {script.objects[item]}" for item, _ in beside])
    return f"You are facing the {listing([script.receptacles[r] for r in members(here)])}. Next to it, you see {floor}."


def contents(play: Play, receptacle: int) -> str:
    """What examining a receptacle answers, and what follows on arriving at it or opening it."""
    name = play.script.receptacles[receptacle]
    openable = play.world.openable >> receptacle & 1
    if openable and not play.opened >> receptacle & 1:
        return f"The {name} is closed."
    objects = play.script.objects
    things = listing([f"a {objects[item]}" for item in members(play.inside[receptacle])])
    return f"The {name} is open. In it, you see {things}." if openable else f"On the {name}, you see {things}."


def inventory(play: Play) -> str:
    """What `inventory` answers."""
    if play.held < 0:
        return "You are not carrying anything."
    return f"You are carrying: a {play.script.objects[play.held]}."


def examine(play: Play, item: int) -> str:
    """What examining an object answers: the first phrase whose condition holds."""
    name = play.script.objects[item]
    clean, hot, cool, sliced, on = (
        bool(mask >> item & 1) for mask in (play.clean, play.hot, play.cool, play.sliced, play.toggled)
    )
    cut = "sliced " if sliced else ""
    if play.world.vessels >> item & 1:
        inner = [f"a {play.script.objects[other]}" for other in members(play.world.contained[item])]
        return f"This is a normal {name}. In it, you see {listing(inner)}."
    if clean and (hot or cool):
        return f"This is a {'hot' if hot else 'cool'} and clean {cut}{name}."
    if clean and sliced:
        return f"This is a clean sliced {name}."
    if hot:
        return f"This is a hot {cut}{name}."
    if clean:
        return f"This is a clean {name}."
    if cool:
        return f"This is a cool sliced {name}." if sliced else f"This is a cold {name}."
    if on and play.world.toggleable >> item & 1:
        return f"This {name} is on."
    if sliced and play.world.sliceable >> item & 1:
        return f"This is a sliced {name}."
    return f"There's nothing special about {name}."
