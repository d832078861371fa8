"""A game of ALFWorld: what its `game.tw-pddl` says, parsed once and shared by every episode."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from envs.alfworld.dialects import DIALECTS, ForeignGameError, recognise, split_task, use_textworld
from envs.alfworld.goal import Goal
from envs.alfworld.pddl import parse_problem
from envs.alfworld.play import Play
from envs.alfworld.script import Script
from envs.alfworld.world import World, build_world
from envs.errors import DataError

FETCH_AGAIN = "Fetch the games again with `alfworld-download`, or delete the file."
_TEXTS = ("pddl_domain", "grammar", "pddl_problem")


@dataclass(frozen=True, slots=True, kw_only=True)
class Game:
    """A game: immutable, picklable, shared by threads.

    Attributes:
        dialect: which commands and wording it has, a key of `DIALECTS`.
        task: the sentence "Your task is to: ...".
        world: the household at the start, and the goal.
        walkthrough: commands that win, with full knowledge of the household; None where the file has none.
        path: the file that it was read from.
        source: the file's content, compressed, of a game that was made in memory; None where `path` holds it.
    """

    dialect: str
    task: str
    world: World = field(repr=False)
    walkthrough: tuple[str, ...] | None
    path: Path | None = None
    source: bytes | None = field(default=None, repr=False)
    _scripts: list[Script] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def from_texts(cls, *, domain: str, grammar: str, problem: str, walkthrough: tuple[str, ...] | None = None) -> Game:
        """A game from the texts of which a `game.tw-pddl` consists.

        Raises:
            ForeignGameError: if our rules do not cover the domain, the grammar or the household.
            DataError: if the problem is not PDDL.
        """
        game = _parse(domain, grammar, problem, walkthrough)
        texts = json.dumps(dict(zip(_TEXTS, (domain, grammar, problem), strict=True)))
        return replace(game, source=zlib.compress(texts.encode(), level=1))

    @property
    def type(self) -> str:
        """ALFWorld's name of the kind of task, read from the goal: "pick_and_place_simple", ..."""
        return _type_of(self.world.goal)

    def start(self, *, name_seed: int | None = None) -> Play:
        """Begins an episode.

        Args:
            name_seed: renumbers the entities ("cabinet 3" may become "cabinet 1"), as alfworld's
                `domain_randomization` does when `random.seed(name_seed)` precedes the loading of the game.
        """
        if name_seed is not None:
            return Play(self, Script(self.world, DIALECTS[self.dialect], self.task, name_seed))
        if not self._scripts:
            self._scripts.append(Script(self.world, DIALECTS[self.dialect], self.task))
            # Threads that came at the same moment have made one each: the first is everybody's.
            del self._scripts[1:]
        return Play(self, self._scripts[0])

    def save(self, path: str | Path) -> None:
        """Writes a `game.tw-pddl` that TextWorld plays.

        Raises:
            DataError: if the game was read from a file that is gone.
        OSError: if the path cannot be written.
        """
        if self.source is not None:
            data: dict[str, Any] = json.loads(zlib.decompress(self.source))
        else:
            assert self.path is not None
            data = {name: text for name, text in _read(self.path).items() if name in _TEXTS}
        data["solvable"] = True
        if self.walkthrough is not None:
            data["walkthrough"] = list(self.walkthrough)
        path = Path(path)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
        unfinished.write_text(json.dumps(data), encoding="utf-8")
        unfinished.replace(path)

    def __reduce__(self) -> tuple[Any, ...]:
        # Scripts are a cache, and many times the size of the rest.
        return _rebuild, (self.dialect, self.task, self.world, self.walkthrough, self.path, self.source)


def load_game(path: str | Path) -> Game:
    """Reads a `game.tw-pddl`.

    Raises:
        ForeignGameError: if the domain, the grammar or the household is not one that our rules cover.
        DataError: if the file is missing, truncated, corrupt or unsolvable.
    """
    path = Path(path)
    data = _read(path)
    try:
        game = _parse(data["pddl_domain"], data["grammar"], data["pddl_problem"], _walkthrough(data))
    except ForeignGameError as error:
        raise ForeignGameError(error.what, where=path, remedy=use_textworld()) from None
    except DataError as error:
        raise DataError(error.what, where=path, remedy=FETCH_AGAIN) from None
    return replace(game, path=path)


def _parse(domain: str, grammar: str, problem: str, walkthrough: tuple[str, ...] | None) -> Game:
    dialect = recognise(domain, grammar)
    task, _ = split_task(grammar)
    try:
        world = build_world(parse_problem(problem), dialect.cleaners)
    except RecursionError:
        raise ForeignGameError("the goal is nested too deeply") from None
    return Game(dialect=dialect.name, task=task, world=world, walkthrough=walkthrough)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise DataError(f"the game cannot be read ({error.strerror})", where=path, remedy=FETCH_AGAIN) from error
    except UnicodeDecodeError as error:
        raise DataError(f"the file is not UTF-8 ({error.reason})", where=path, remedy=FETCH_AGAIN) from error
    except (ValueError, RecursionError) as error:
        what = f"the file is not JSON, it may be truncated ({error})"
        raise DataError(what, where=path, remedy=FETCH_AGAIN) from error
    if not isinstance(data, dict):
        raise DataError("the file is no game: its JSON is no object", where=path, remedy=FETCH_AGAIN)
    missing = [name for name in _TEXTS if not isinstance(data.get(name), str)]
    if missing:
        raise DataError(f"the game has no text {', '.join(missing)}", where=path, remedy=FETCH_AGAIN)
    if data.get("solvable") is not True:
        state = "is marked as unsolvable" if data.get("solvable") is False else "was never checked to be solvable"
        raise DataError(f"the game {state}", where=path, remedy="Leave it out: alfworld does so, too.")
    return data


def _walkthrough(data: dict[str, Any]) -> tuple[str, ...] | None:
    commands = data.get("walkthrough")
    if commands is None:
        return None
    if not isinstance(commands, list) or not all(isinstance(command, str) for command in commands):
        raise DataError("the game's walkthrough is no list of commands")
    return tuple(commands)


def _type_of(goal: Goal) -> str:
    if goal.follows_agent:
        return "look_at_obj_in_light"
    things = goal.blocks[0].things
    if len(things) > 1:
        return "pick_two_obj_and_place"
    for state, verb in (("clean", "clean"), ("hot", "heat"), ("cool", "cool")):
        if state in things[0].states:
            return f"pick_{verb}_then_place_in_recep"
    return "pick_and_place_simple"


def _rebuild(
    dialect: str,
    task: str,
    world: World,
    walkthrough: tuple[str, ...] | None,
    path: Path | None,
    source: bytes | None,
) -> Game:
    return Game(dialect=dialect, task=task, world=world, walkthrough=walkthrough, path=path, source=source)
