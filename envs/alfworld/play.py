"""One episode of a game: a deterministic state machine with the rules and the texts of ALFWorld's TextWorld games."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from envs.alfworld import answers
from envs.alfworld.menus import menu
from envs.alfworld.script import NOTHING_HAPPENS, Script
from envs.alfworld.world import members

if TYPE_CHECKING:
    from envs.alfworld.game import Game


class Play:
    """A game being played. Made by `Game.start`; not to be shared between threads (the game is).

    The attributes are the state as numbers and masks of `World`. Read them; only `step` writes them.

    Attributes:
        game: what is played.
        world: its household at the start.
        script: its words.
        observation: the last text of the game.
        won: whether the goal is reached now.
        location: the agent's location.
        held: the object in the agent's hand, or -1.
        opened: mask of the opened receptacles.
        inside: for every receptacle the mask of its contents.
        lying: for every location the mask of objects that lie there.
        removed: for every receptacle the mask of objects that were taken out of it and not put back.
        clean, hot, cool, toggled, sliced: masks of objects.
    """

    __slots__ = (
        "_menus",
        "_menus_empty_handed",
        "_views",
        "clean",
        "cool",
        "game",
        "held",
        "hot",
        "inside",
        "location",
        "lying",
        "observation",
        "opened",
        "removed",
        "script",
        "sliced",
        "toggled",
        "won",
        "world",
    )

    def __init__(self, game: Game, script: Script) -> None:
        world = game.world
        self.game = game
        self.world = world
        self.script = script
        self.location = world.start
        self.held = world.held
        self.opened = world.opened
        self.inside = list(world.inside)
        self.lying = list(world.lying)
        self.clean = world.clean
        self.hot = world.hot
        self.cool = world.cool
        self.toggled = world.toggled
        self.sliced = world.sliced
        self.removed = [0] * len(self.inside)
        # What receptacles show and locations admit, as far as it was asked for. Shared by all plays until the first
        # change to a receptacle. What a full hand admits is kept as long as it holds the same object.
        self._views = script.views_at_start
        self._menus_empty_handed = script.menus_at_start
        self._menus = self._menus_empty_handed if self.held < 0 else {}
        self.won = world.goal.reached(self)
        self.observation = answers.welcome(self)

    @property
    def admissible_commands(self) -> list[str]:
        """What the game accepts now, sorted. The list is the caller's own."""
        location = self.location
        commands = self._menus.get(location)
        if commands is None:
            commands = self._menus[location] = menu(self)
        before, after = commands
        return [*before, *self.script.ways(location), *after]

    def step(self, command: str) -> str:
        """Plays a command and returns the new observation.

        A command that is not admissible changes nothing and answers "Nothing happens."; case counts, white space
        around the command does not.
        """
        action = self.script.actions.get(command) or self.script.parse(command.strip())
        if action is None:
            self.observation = NOTHING_HAPPENS
        else:
            verb, first, second = action
            self.observation = _HANDLERS[verb](self, first, second) or NOTHING_HAPPENS
        return self.observation

    @property
    def progress(self) -> float:
        """The share of the goal's conditions that are met, in [0, 1]; see `Goal.progress`."""
        return self.world.goal.progress(self)

    @property
    def key(self) -> tuple[Any, ...]:
        """The state, hashable: two plays of one game with the same key answer every future command alike."""
        return (
            self.location,
            self.held,
            self.opened,
            *self.inside,
            *self.lying,
            *self.removed,
            self.clean,
            self.hot,
            self.cool,
            self.toggled,
            self.sliced,
        )

    def fork(self) -> Play:
        """An independent copy of this play."""
        copy = object.__new__(Play)
        for name in Play.__slots__:
            setattr(copy, name, getattr(self, name))
        copy.inside = self.inside.copy()
        copy.lying = self.lying.copy()
        copy.removed = self.removed.copy()
        copy._own_texts()
        return copy

    def facts(self) -> set[tuple[str, ...]]:
        """The facts that actions can change, in lower case with the file's ids: `("holds", agent, object)`."""
        world = self.world
        facts: set[tuple[str, ...]] = {("atlocation", world.agent, world.locations[self.location])}
        if self.held >= 0:
            facts |= {("holds", world.agent, world.objects[self.held]), ("holdsany", world.agent)}
        for receptacle, mask in zip(world.receptacles, self.inside, strict=True):
            facts.update(("inreceptacle", world.objects[o], receptacle) for o in members(mask))
        for location, mask in zip(world.locations, self.lying, strict=True):
            facts.update(("objectatlocation", world.objects[o], location) for o in members(mask))
        facts.update(("opened", world.receptacles[r]) for r in members(self.opened))
        for name, mask in (
            ("isclean", self.clean),
            ("ishot", self.hot),
            ("iscool", self.cool),
            ("istoggled", self.toggled),
            ("issliced", self.sliced),
        ):
            facts.update((name, world.objects[o]) for o in members(mask))
        return facts

    # The verbs. Each checks its precondition; None means that it does not hold.

    def _look(self, _first: int, _second: int) -> str:
        return answers.look(self)

    def _inventory(self, _first: int, _second: int) -> str:
        return answers.inventory(self)

    def _help(self, _first: int, _second: int) -> str | None:
        return self.script.dialect.help

    def _examine(self, receptacle: int, _second: int) -> str | None:
        return self._view(receptacle) if self.world.location_of[receptacle] == self.location else None

    def _examine_held(self, item: int, _second: int) -> str | None:
        return answers.examine(self, item) if item == self.held else None

    def _go(self, receptacle: int, _second: int) -> str | None:
        location = self.world.location_of[receptacle]
        if location == self.location:
            return None
        self.location = location
        goal = self.world.goal
        if goal.follows_agent:
            self.won = goal.reached(self)
        script = self.script
        there = script.locations[location] if script.dialect.arrives_at_location else script.receptacles[receptacle]
        return f"You arrive at {there}. {self._views.get(receptacle) or self._view(receptacle)}"

    def _open(self, receptacle: int, _second: int) -> str | None:
        closed = self.world.openable & ~self.opened
        if self.world.location_of[receptacle] != self.location or not closed >> receptacle & 1:
            return None
        self.opened |= 1 << receptacle
        self._forget(receptacle)
        return f"You open the {self.script.receptacles[receptacle]}. {self._view(receptacle)}"

    def _close(self, receptacle: int, _second: int) -> str | None:
        opened = self.world.openable & self.opened
        if self.world.location_of[receptacle] != self.location or not opened >> receptacle & 1:
            return None
        self.opened &= ~(1 << receptacle)
        self._forget(receptacle)
        return f"You close the {self.script.receptacles[receptacle]}."

    def _take(self, item: int, receptacle: int) -> str | None:
        bit = 1 << item
        if self.held >= 0 or not self._reaches(receptacle) or not self.inside[receptacle] & self.world.pickupable & bit:
            return None
        self.held = item
        self.inside[receptacle] &= ~bit
        self.removed[receptacle] |= bit
        self.lying[self.location] &= ~bit
        self._forget(receptacle)
        self._menus = {}
        self.won = self.world.goal.reached(self)
        return f"You pick up the {self.script.objects[item]} from the {self.script.receptacles[receptacle]}."

    def _put(self, item: int, receptacle: int) -> str | None:
        bit = 1 << item
        if self.held != item or not self._reaches(receptacle) or not self.world.accepts[receptacle] & bit:
            return None
        self.held = -1
        self.inside[receptacle] |= bit
        self.removed[receptacle] &= ~bit
        self.lying[self.location] |= bit
        self._menus = self._menus_empty_handed
        self._forget(receptacle)
        self.won = self.world.goal.reached(self)
        script = self.script
        return script.dialect.put_answer.format(script.objects[item], script.receptacles[receptacle])

    def _use(self, item: int, _second: int) -> str | None:
        world = self.world
        contents = sum(self.inside[receptacle] >> item & 1 for receptacle in self.script.here[self.location])
        if not contents or not world.toggleable >> item & 1:
            return None
        self.toggled |= 1 << item
        self.won = self.world.goal.reached(self)
        return f"You turn on the {self.script.objects[item]}."

    def _clean(self, item: int, receptacle: int) -> str | None:
        if not self._treatable(item, self.world.cleanable, receptacle, self.world.sinks):
            return None
        self.clean |= 1 << item
        self.won = self.world.goal.reached(self)
        return f"You clean the {self.script.objects[item]} using the {self.script.receptacles[receptacle]}."

    def _heat(self, item: int, receptacle: int) -> str | None:
        if not self._treatable(item, self.world.heatable, receptacle, self.world.microwaves):
            return None
        self.hot |= 1 << item
        self.cool &= ~(1 << item)
        self.won = self.world.goal.reached(self)
        return f"You heat the {self.script.objects[item]} using the {self.script.receptacles[receptacle]}."

    def _cool(self, item: int, receptacle: int) -> str | None:
        if not self._treatable(item, self.world.coolable, receptacle, self.world.fridges):
            return None
        self.cool |= 1 << item
        self.hot &= ~(1 << item)
        self.won = self.world.goal.reached(self)
        return f"You cool the {self.script.objects[item]} using the {self.script.receptacles[receptacle]}."

    def _slice(self, item: int, knife: int) -> str | None:
        lying = self.lying[self.location] & self.world.sliceable
        if self.held != knife or not self.world.knives >> knife & 1 or not lying >> item & 1:
            return None
        self.sliced |= 1 << item
        self.won = self.world.goal.reached(self)
        return f"You sliced the {self.script.objects[item]} with the {self.script.objects[knife]}."

    def _reaches(self, receptacle: int) -> bool:
        """Whether the agent stands at the receptacle and it is not closed."""
        if self.world.location_of[receptacle] != self.location:
            return False
        return bool((self.opened | ~self.world.openable) >> receptacle & 1)

    def _treatable(self, item: int, able: int, receptacle: int, appliances: int) -> bool:
        return (
            item == self.held
            and bool(able >> item & 1 and appliances >> receptacle & 1)
            and self.world.location_of[receptacle] == self.location
        )

    def _view(self, receptacle: int) -> str:
        view = self._views.get(receptacle)
        if view is None:
            view = self._views[receptacle] = answers.contents(self, receptacle)
        return view

    def _forget(self, receptacle: int) -> None:
        """Drops the texts that a change to a receptacle at the agent's location makes wrong."""
        if self._views is self.script.views_at_start:
            self._own_texts()
        self._views.pop(receptacle, None)
        self._menus.pop(self.location, None)
        self._menus_empty_handed.pop(self.location, None)

    def _own_texts(self) -> None:
        empty_handed = self._menus is self._menus_empty_handed
        self._views = self._views.copy()
        self._menus_empty_handed = self._menus_empty_handed.copy()
        self._menus = self._menus_empty_handed if empty_handed else self._menus.copy()


_HANDLERS: tuple[Callable[[Play, int, int], str | None], ...] = (
    Play._look,
    Play._inventory,
    Play._help,
    Play._go,
    Play._open,
    Play._close,
    Play._examine,
    Play._examine_held,
    Play._take,
    Play._put,
    Play._use,
    Play._clean,
    Play._heat,
    Play._cool,
    Play._slice,
)
