"""The words of one game under one naming: commands and sentences that do not depend on the state.

Shared by all plays of a game. What is filled in on demand is a function of its key, so threads may share it too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

from envs.alfworld.dialects import Dialect
from envs.alfworld.names import display_names
from envs.alfworld.world import World, members

Action: TypeAlias = tuple[int, int, int]  # verb, first and second number (0 where the verb has none)

Menu: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]  # admissible commands before and after the `go to` commands

# Verbs, numbered as the handlers in play.py.
(LOOK, INVENTORY, HELP, GO, OPEN, CLOSE, EXAMINE, EXAMINE_HELD, TAKE, PUT, USE, CLEAN, HEAT, COOL, SLICE) = range(15)

NOTHING_HAPPENS = "Nothing happens."
# verb -> template, and what each of its names is the name of. The put command is the dialect's.
_FORMS: dict[int, tuple[str, ...]] = {
    GO: ("go to {}", "receptacle"),
    OPEN: ("open {}", "receptacle"),
    CLOSE: ("close {}", "receptacle"),
    EXAMINE: ("examine {}", "receptacle"),
    EXAMINE_HELD: ("examine {}", "object"),
    TAKE: ("take {} from {}", "object", "receptacle"),
    USE: ("use {}", "object"),
    CLEAN: ("clean {} with {}", "object", "receptacle"),
    HEAT: ("heat {} with {}", "object", "receptacle"),
    COOL: ("cool {} with {}", "object", "receptacle"),
    SLICE: ("slice {} with {}", "object", "object"),
}


def listing(things: Sequence[str]) -> str:
    """Joins as the grammar does: "nothing"; "a"; "a, and b"; "a, b, and c"."""
    if not things:
        return "nothing"
    if len(things) == 1:
        return things[0]
    return f"{', '.join(things[:-1])}, and {things[-1]}"


class Script:
    """Names, commands and sentences of a game.

    Attributes:
        task: the sentence "Your task is to: ...".
        dialect: how the game words things.
        objects, receptacles, locations: display names by number.
        here: for every location its receptacles' numbers, sorted by display name.
        always: the commands that every state admits, sorted.
        opens_before_puts: whether "open" sorts before the dialect's put command.
        actions: every command met so far, as numbers.
        views_at_start: what receptacles show before anything was changed, as far as it was asked for.
        menus_at_start: likewise what locations admit for an empty hand.
    """

    def __init__(self, world: World, dialect: Dialect, task: str, name_seed: int | None = None) -> None:
        names = display_names(world.entities, name_seed)
        self.task = task
        self.dialect = dialect
        self.objects = tuple(names[id_] for id_ in world.objects)
        self.receptacles = tuple(names[id_] for id_ in world.receptacles)
        self.locations = tuple(names[id_] for id_ in world.locations) if dialect.arrives_at_location else ()
        self.here = tuple(tuple(sorted(members(at), key=self.receptacles.__getitem__)) for at in world.receptacles_at)
        self.always = ("inventory", "look") if dialect.help is None else ("help", "inventory", "look")
        self.opens_before_puts = dialect.put > "open"
        self.actions: dict[str, Action] = {"inventory": (INVENTORY, 0, 0), "look": (LOOK, 0, 0)}
        if dialect.help is not None:
            self.actions["help"] = (HELP, 0, 0)
        self._commands: dict[Action, str] = {}
        self._goes = sorted((self.command(GO, receptacle), receptacle) for receptacle in range(len(self.receptacles)))
        self._ways: dict[int, tuple[str, ...]] = {}
        self._examines: dict[int, tuple[str, ...]] = {}
        self._receptacles_at = world.receptacles_at
        self.views_at_start: dict[int, str] = {}
        self.menus_at_start: dict[int, Menu] = {}

    def command(self, verb: int, first: int, second: int = 0) -> str:
        """The command that asks for an action; the same string every time."""
        action = (verb, first, second)
        text = self._commands.get(action)
        if text is None:
            template, *operands = self._form(verb)
            names = [self._names(kind)[number] for kind, number in zip(operands, (first, second), strict=False)]
            text = template.format(*names)
            # In this order: a command that another thread can see must have its action.
            self.actions[text] = action
            self._commands[action] = text
        return text

    def parse(self, command: str) -> Action | None:
        """What a command asks for, admissible now or not; None if this game has no such command."""
        if command in self.actions:
            return self.actions[command]
        if "\n" in command:  # no name holds one, and the patterns would take quadratic time to find that out
            return None
        for verb, pattern in _patterns(self.dialect.put):
            match = pattern.fullmatch(command)
            if match is None:
                continue
            _, *operands = self._form(verb)
            named = list(zip(operands, match.groups(), strict=True))
            if all(name in self._names(kind) for kind, name in named):
                self.command(verb, *(self._names(kind).index(name) for kind, name in named))
                return self.actions[command]
        return None

    def ways(self, location: int) -> tuple[str, ...]:
        """The `go to` commands that a location admits, sorted: to every receptacle that is not there."""
        ways = self._ways.get(location)
        if ways is None:
            here = self._receptacles_at[location]
            ways = self._ways[location] = tuple(command for command, r in self._goes if not here >> r & 1)
        return ways

    def examines(self, location: int) -> tuple[str, ...]:
        """The `examine` commands for the receptacles of a location, sorted."""
        examines = self._examines.get(location)
        if examines is None:
            examines = tuple(self.command(EXAMINE, receptacle) for receptacle in self.here[location])
            self._examines[location] = examines
        return examines

    def _form(self, verb: int) -> tuple[str, ...]:
        return _FORMS[verb] if verb != PUT else (self.dialect.put, "object", "receptacle")

    def _names(self, kind: str) -> tuple[str, ...]:
        return self.objects if kind == "object" else self.receptacles


@lru_cache(maxsize=8)
def _patterns(put: str) -> list[tuple[int, re.Pattern[str]]]:
    templates = [(PUT, put), *((verb, form[0]) for verb, form in _FORMS.items())]
    return [(verb, re.compile(re.escape(template).replace(r"\{\}", "(.+)"))) for verb, template in templates]
