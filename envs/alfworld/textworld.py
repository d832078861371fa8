"""Plays a game in TextWorld itself, with alfworld's names: for games of an unknown dialect, and to compare with.

About 10,000 times slower than `play.py` (0.8 s to load, 0.8 s to reset, 60 ms a step). TextWorld is not thread-safe:
use one process for each game that is played at the same time.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

from envs.errors import BackendError, DataError
from envs.installation import install


def install_textworld() -> str:
    """The remedy where TextWorld is missing."""
    return f"Install it with `{install('alfworld')}` (it compiles a planner: cmake and g++ are needed)."


class TextWorldPlay:
    """An episode in TextWorld, with the interface of `Play` as far as TextWorld offers it.

    Attributes:
        observation: the last text of the game.
        won: whether the goal is reached now.

    Args:
        path: a `game.tw-pddl`.
        name_seed: renumbers the entities as alfworld's `domain_randomization` does after `random.seed(name_seed)`.

    Raises:
        BackendError: if TextWorld or alfworld is not installed.
        DataError: if TextWorld cannot load the file.
    """

    def __init__(self, path: str | Path, *, name_seed: int | None = None) -> None:
        data = os.environ.get("ALFWORLD_DATA")
        try:
            import textworld
            from alfworld.agents.environment.alfred_tw_env import AlfredDemangler, AlfredInfos
        except ImportError as error:
            raise BackendError(
                f"TextWorld cannot be imported ({error})", where=path, remedy=install_textworld()
            ) from error
        finally:
            # alfworld sets the variable to a folder of its own when it is imported.
            if data is None:
                os.environ.pop("ALFWORLD_DATA", None)
        wrappers = [AlfredDemangler(shuffle=name_seed is not None), AlfredInfos]
        infos = textworld.EnvInfos(won=True, admissible_commands=True, facts=True, extras=["gamefile"])
        # Names are drawn from the global generator, and the planner's translator writes itself a command line.
        randomness, arguments = random.getstate(), sys.argv
        if name_seed is not None:
            random.seed(name_seed)
        try:
            self._env: Any = textworld.start(str(path), request_infos=infos, wrappers=wrappers)
            state = self._env.reset()
        except Exception as error:
            raise DataError(f"TextWorld cannot play it ({type(error).__name__}: {error})", where=path) from error
        finally:
            random.setstate(randomness)
            sys.argv = arguments
        self._read(state)

    @property
    def admissible_commands(self) -> list[str]:
        """What the game accepts now, sorted."""
        return list(self._state["admissible_commands"])

    def step(self, command: str) -> str:
        """Plays a command and returns the new observation."""
        state, _, _ = self._env.step(command)
        self._read(state)
        return self.observation

    def facts(self) -> set[tuple[str, ...]]:
        """All positive facts, static ones and TextWorld's own included, as lower-case atoms with the file's ids."""
        return {(fact.name, *(argument.name for argument in fact.arguments)) for fact in self._state["_facts"]}

    def close(self) -> None:
        """Ends the episode. TextWorld keeps some 3 MB of its planner for each until the process ends."""
        self._env.close()

    def _read(self, state: Any) -> None:
        self._state = state
        self.observation: str = state["feedback"]
        self.won = bool(state["won"])
