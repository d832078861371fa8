"""Admissible commands, sorted: groups in the order of their verbs, each sorted by itself.

The `go to` commands, by far the most, depend on the location alone and are left to `Script.ways`; a menu is what stands
before and after them. It depends on what is at the location and in the hand, and `Play` keeps it until these change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envs.alfworld import script as verbs
from envs.alfworld.script import Menu
from envs.alfworld.world import members

if TYPE_CHECKING:
    from envs.alfworld.play import Play


def menu(play: Play) -> Menu:
    """The admissible commands before and after those that go to other receptacles."""
    script, world, held = play.script, play.world, play.held
    closes: list[str] = []
    opens: list[str] = []
    moves: list[str] = []
    contents = 0
    for receptacle in script.here[play.location]:
        inside = play.inside[receptacle]
        contents |= inside
        if world.openable >> receptacle & 1:
            if play.opened >> receptacle & 1:
                closes.append(script.command(verbs.CLOSE, receptacle))
            else:
                opens.append(script.command(verbs.OPEN, receptacle))
                continue
        if held < 0:
            moves += [script.command(verbs.TAKE, item, receptacle) for item in members(inside & world.pickupable)]
        elif world.accepts[receptacle] >> held & 1:
            moves.append(script.command(verbs.PUT, held, receptacle))
    uses = _uses(play, contents & world.toggleable)
    if held >= 0:
        return _menu_holding(play, closes, opens, moves, uses)
    moves.sort()
    return (*closes, *script.examines(play.location)), (*script.always, *opens, *moves, *uses)


def _menu_holding(play: Play, closes: list[str], opens: list[str], puts: list[str], uses: list[str]) -> Menu:
    script, world = play.script, play.world
    before = (
        *_treatments(play, verbs.CLEAN, world.cleanable, world.sinks),
        *closes,
        *_treatments(play, verbs.COOL, world.coolable, world.fridges),
        *sorted([*script.examines(play.location), script.command(verbs.EXAMINE_HELD, play.held)]),
    )
    after = (
        *_treatments(play, verbs.HEAT, world.heatable, world.microwaves),
        *script.always,
        *(opens + puts if script.opens_before_puts else puts + opens),
        *_slices(play),
        *uses,
    )
    return before, after


def _treatments(play: Play, verb: int, able: int, appliances: int) -> list[str]:
    if not appliances & play.world.receptacles_at[play.location] or not able >> play.held & 1:
        return []
    here = play.script.here[play.location]
    return [play.script.command(verb, play.held, receptacle) for receptacle in here if appliances >> receptacle & 1]


def _slices(play: Play) -> list[str]:
    if not play.world.knives >> play.held & 1:
        return []
    sliceable = play.lying[play.location] & play.world.sliceable
    return sorted(play.script.command(verbs.SLICE, item, play.held) for item in members(sliceable))


def _uses(play: Play, lamps: int) -> list[str]:
    # A closed receptacle is no obstacle. One lamp in two receptacles is one command.
    return sorted(play.script.command(verbs.USE, item) for item in members(lamps)) if lamps else []
