"""Expert episodes as conversations, and as token ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from envs import TextEnv
from envs.protocol import Message, Protocol
from rollout.rendering import Renderer

_Turn = tuple[Message, tuple[Message, ...]]

_UNSURE = 0.9
"""How often an unsure player makes each of its checks."""

_DOUBT = "I check something before I go on."


@dataclass(frozen=True, slots=True)
class Lesson:
    """An expert's episode as a conversation.

    Attributes:
        opening: the messages before the first reply.
        turns: each reply, and the messages that follow it (none after the last).
    """

    opening: tuple[Message, ...]
    turns: tuple[_Turn, ...]

    def messages(self) -> list[Message]:
        """The whole conversation."""
        return [*self.opening, *(message for reply, shown in self.turns for message in (reply, *shown))]


@dataclass(frozen=True, slots=True)
class Row:
    """An episode as a model sees it: ids, and for each whether the expert chose it."""

    ids: tuple[int, ...]
    chosen: tuple[bool, ...]


class Episode:
    """An episode that is written down as it is played.

    Args:
        env: with its tasks.
        talk: the protocol.
        task: its id.
        checks: what the player does nearly always before it acts, one after the other; nothing if it is sure.
        dice: decide whether it does; they are thrown for each check.

    Attributes:
        observation: the last one.
        info: what came with it.
        over: whether the episode has ended.
    """

    def __init__(self, env: TextEnv[Any], talk: Protocol, task: str, checks: Sequence[str], dice: Random) -> None:
        self._env, self._talk = env, talk
        self._checks, self._dice = checks, dice
        self.observation, self.info = env.reset(options={"task": task})
        self.over = False
        self._opening = tuple(talk.open(self.observation, self.info))
        self._turns: list[_Turn] = []

    def step(self, action: str, thought: str) -> None:
        """Play an action, and before it the checks. The thought is said where the protocol asks for one."""
        for check in self._checks:
            if self._dice.random() < _UNSURE and not self.over:
                self._play(check, _DOUBT)
        if not self.over:
            self.observation, self.info = self._play(action, thought)

    def _play(self, action: str, thought: str) -> tuple[str, dict[str, Any]]:
        reply = self._talk.write(action, thought if self._talk.asks_thought else "")
        observation, _, terminated, truncated, info = self._env.step(action)
        self.over = terminated or truncated
        shown = () if self.over else tuple(self._talk.show(reply, [observation], info))
        self._turns.append((reply, shown))
        return observation, info

    def lesson(self) -> Lesson | None:
        """What was played, or None if that did not solve the task."""
        return Lesson(self._opening, tuple(self._turns)) if self._env.solved() else None


def as_row(lesson: Lesson, renderer: Renderer, encode: Callable[[str], Sequence[int]]) -> Row:
    """A lesson as the ids that a rollout of the same conversation holds.

    Args:
        lesson: of a protocol in which a reply is plain text.
        renderer: of the chat template.
        encode: a text's ids, without special tokens.
    """
    ids = renderer.open(lesson.opening)
    chosen = [False] * len(ids)
    (end,) = renderer.stop_ids
    for reply, shown in lesson.turns:
        said = [*encode(reply.content), end]
        between = renderer.extend(said, shown) if shown else []
        ids += said + between
        chosen += [True] * len(said) + [False] * len(between)
    return Row(tuple(ids), tuple(chosen))
