"""Policies without a model: an environment's expert, a random walk, a replay of recorded actions."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from envs import ContractError, Expert, Task, TextEnv
from envs.base import Info
from rollout.policy import Episode, Player, Reply, Turn


class ScriptedPolicy:
    """Plays what a script says, in the words of the episode's protocol.

    Args:
        name: for the lineage.
        script: makes the script of an episode from its task and seed.
        capacity: episodes at once; a script waits for nothing, so few are enough.
    """

    window: int | None = None

    def __init__(self, name: str, script: Callable[[Task, int], Expert], *, capacity: int = 8) -> None:
        self.name = name
        self.capacity = capacity
        self._script = script

    def player(self, episode: Episode) -> Player:
        return _ScriptedPlayer(episode, self._script(episode.task, episode.seed))

    async def close(self) -> None:
        pass


def expert_policy(env: TextEnv[Task]) -> ScriptedPolicy:
    """The environment's own expert, which acts on what an agent would see."""
    return ScriptedPolicy("expert", lambda task, seed: env.expert())


def random_policy() -> ScriptedPolicy:
    """Draws among the admissible commands; for environments that list them."""
    return ScriptedPolicy("random", lambda task, seed: _Random(seed))


def replay_policy(actions: Mapping[str, Sequence[str]]) -> ScriptedPolicy:
    """Plays recorded actions again, by task id."""
    return ScriptedPolicy("replay", lambda task, seed: _Replay(actions[task.id]))


class _ScriptedPlayer:
    def __init__(self, episode: Episode, script: Expert) -> None:
        self._episode = episode
        self._script = script
        self._begun = False

    async def act(self, turn: Turn) -> Reply:
        if not self._begun:
            self._script.reset(turn.observation, turn.info)
            self._begun = True
        action = self._script.act(turn.observation, turn.info)
        talk = self._episode.protocol
        # An expert of its own may come without thoughts.
        thought = getattr(self._script, "thought", "") if talk.asks_thought else ""
        return Reply(talk.write(action, thought))

    async def close(self) -> None:
        pass


class _Random:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def reset(self, observation: str, info: Info) -> None:
        if not info.get("admissible_commands"):
            raise ContractError("the random policy needs an environment that lists admissible commands")

    def act(self, observation: str, info: Info) -> str:
        return str(self._random.choice(info["admissible_commands"]))


class _Replay:
    def __init__(self, actions: Sequence[str]) -> None:
        self._actions = iter(actions)

    def reset(self, observation: str, info: Info) -> None:
        pass

    def act(self, observation: str, info: Info) -> str:
        return next(self._actions, "")
