"""ALFWorld as an environment."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from envs.alfworld.data import TASK_TYPES, ALFWorldTask, load_split
from envs.alfworld.embedded import GeneratedTask, generated_task, generated_tasks
from envs.alfworld.expert import ALFWorldExpert
from envs.alfworld.game import Game
from envs.alfworld.play import Play
from envs.alfworld.prompts import INSTRUCTIONS
from envs.alfworld.protocols import PROTOCOLS, AgentBenchFC, AgentBenchV02, VerlAgent
from envs.alfworld.textworld import TextWorldPlay, install_textworld
from envs.base import Info, Outcome, TextEnv, Tool
from envs.errors import BackendError, TaskError
from envs.protocol import Protocol
from envs.protocols import make_protocol

logger = logging.getLogger(__name__)

GENERATED = "generated"
"""The value of `data` that asks for generated games even where ALFWORLD_DATA is set."""

_OFFICIAL, _TEXTWORLD = "official", "textworld"


class ALFWorldEnv(TextEnv[Any]):
    """ALFWorld: carry out a household task by text commands, in a room of which only what is near can be seen.

    Observation: the game's text, to the letter as TextWorld and alfworld's demangler give it. The first names the
        receptacles of the room and the task.
    Action: one command, such as `go to fridge 1` or `take apple 1 from fridge 1`. What is not admissible answers
        "Nothing happens." and costs a step.
    Reward: 1 when the goal is reached, else 0.
    End: terminated when the goal is reached; truncated after `max_steps` commands (50, the benchmark's own cap).
    Source: ALFWorld (Shridhar et al. 2021, arXiv:2010.03768), alfworld 0.4.2; the rules are those of the PDDL domain
        and grammar in each game file. Editions of other projects: `envs.alfworld.protocols`.
    Versions: v1.

    `info` holds task, task_type, admissible_commands (sorted), won, and, except in TextWorld, progress (the share of
    the goal's conditions that hold, in [0, 1]) and state (equal in equal states of one game).

    Args:
        split: `train`, `valid_seen` or `valid_unseen`.
        data: `generated`, or the folder with the official games. None takes ALFWORLD_DATA where that is set, and
            generated games where not.
        size: of the rooms of generated games: tiny, small (where None is given), medium or full.
        length: how many generated tasks; None for the split's own number.
        task_types: which of the six types of task; one or several.
        backend: `auto` plays the official dialects itself and leaves unknown ones to TextWorld; `textworld` leaves it
            every game.
        domain_randomization: number the objects and receptacles anew in every episode, by its seed.
        max_steps: commands before an episode is truncated.

    Raises:
        TaskError: on an unknown split, size, task type or backend; on a size or length of the official games.
        DataError: if the official games are not there or none of them can be played.
        BackendError: if TextWorld is needed and not installed.
    """

    instructions = INSTRUCTIONS
    tools = (Tool("take_action", "Take an action.", "action", "{}"),)

    def __init__(
        self,
        split: str = "train",
        *,
        data: str | Path | None = None,
        size: str | None = None,
        length: int | None = None,
        task_types: str | Sequence[str] = TASK_TYPES,
        backend: str = "auto",
        domain_randomization: bool = False,
        max_steps: int = 50,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(max_steps=max_steps, render_mode=render_mode)
        if backend not in ("auto", _TEXTWORLD):
            raise TaskError(f"alfworld has no backend {backend!r}", remedy="There are auto and textworld.")
        self.source = _source(data)
        self.backend = backend
        self.domain_randomization = domain_randomization
        self._games: dict[str, Game] = {}
        types = (task_types,) if isinstance(task_types, str) else tuple(task_types)
        if self.source == GENERATED:
            self.tasks = generated_tasks(split, length, size=size or "small", types=types)
        elif size is not None or length is not None:
            raise TaskError(
                "size and length are of generated games",
                remedy=f"Leave them out (size=null where a preset has one), or ask for data={GENERATED}.",
            )
        else:
            games = load_split(split, data=data, task_types=types)
            self.tasks, self._games = games.tasks, games.games
        self._leave_to_textworld()
        self._play: Play | TextWorldPlay | None = None

    def solved(self) -> bool:
        """Whether the goal is reached."""
        return self._play is not None and self._play.won

    def facts(self) -> dict[str, Any]:
        dialects = {getattr(task, "dialect", GENERATED) for task in self.tasks}
        return {
            "source": self.source,
            "dialect": ",".join(sorted(str(dialect) for dialect in dialects)),
            "backend": self.backend,
            "domain_randomization": self.domain_randomization,
        }

    def expert(self) -> ALFWorldExpert:
        return ALFWorldExpert()

    def protocol(self, name: str) -> Protocol:
        if name == AgentBenchV02.name:
            return AgentBenchV02()
        if name == AgentBenchFC.name:
            return AgentBenchFC(self.tools)
        if name == VerlAgent.name:
            return VerlAgent()
        return make_protocol(name, self.instructions, self.tools, own=PROTOCOLS)

    def close(self) -> None:
        self._drop()
        super().close()

    def _begin(self, task: ALFWorldTask | GeneratedTask) -> tuple[str, Info]:
        self._drop()
        seed = int(self.np_random.integers(2**31)) if self.domain_randomization else None
        self._play = self._start(task, seed)
        return self._play.observation, self._info()

    def _act(self, action: str) -> Outcome:
        play = self._play
        assert play is not None
        observation = play.step(action)
        return Outcome(observation, float(play.won), play.won, self._info())

    def _start(self, task: ALFWorldTask | GeneratedTask, name_seed: int | None) -> Play | TextWorldPlay:
        if isinstance(task, GeneratedTask):
            game = _generated(task.id)
            return _in_textworld(game, name_seed) if self._all_in_textworld else game.start(name_seed=name_seed)
        if self._all_in_textworld or task.id not in self._games:
            return TextWorldPlay(task.path, name_seed=name_seed)
        return self._games[task.id].start(name_seed=name_seed)

    def _info(self) -> Info:
        play = self._play
        assert play is not None
        info: Info = {"admissible_commands": play.admissible_commands, "won": play.won}
        if isinstance(play, Play):
            info["progress"] = play.progress
            info["state"] = f"{hash(play.key) & 0xFFFFFFFFFFFFFFFF:016x}"
        return info

    @property
    def _all_in_textworld(self) -> bool:
        return self.backend == _TEXTWORLD

    def _leave_to_textworld(self) -> None:
        """Note what our rules do not cover: it is played by TextWorld, in a process that can be killed.

        Raises:
            BackendError: if TextWorld is needed and not installed.
        """
        foreign = [task for task in self.tasks if isinstance(task, ALFWorldTask) and task.dialect is None]
        if not foreign and not self._all_in_textworld:
            return
        first = foreign[0].path if foreign else None
        if find_spec("textworld") is None or find_spec("alfworld") is None:
            why = f"{len(foreign)} games are of an unknown dialect" if foreign else "backend is textworld"
            raise BackendError(f"{why}, and TextWorld is not installed", where=first, remedy=install_textworld())
        if foreign and not self._all_in_textworld:
            logger.warning("%d games are of an unknown dialect and played by TextWorld, as %s", len(foreign), first)
        self.in_process = False

    def _drop(self) -> None:
        if isinstance(self._play, TextWorldPlay):
            self._play.close()
        self._play = None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_play": None}


def _source(data: str | Path | None) -> str:
    if data is None:
        return _OFFICIAL if os.environ.get("ALFWORLD_DATA") else GENERATED
    return GENERATED if str(data) == GENERATED else _OFFICIAL


def _in_textworld(game: Game, name_seed: int | None) -> TextWorldPlay:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "game.tw-pddl"
        game.save(path)
        return TextWorldPlay(path, name_seed=name_seed)


@lru_cache(maxsize=2048)
def _generated(task_id: str) -> Game:
    """The game of a generated task: a group of episodes plays the same game many times."""
    return generated_task(task_id).game()
