"""Expert episodes as conversations, and as token ids with a weight for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from envs import TextEnv
from envs.protocol import Message, Protocol
from rollout.rendering import Renderer

_Turn = tuple[Message, bool, tuple[Message, ...]]


@dataclass(frozen=True, slots=True)
class Lesson:
    """An expert's episode as a conversation.

    Attributes:
        opening: the messages before the first reply.
        turns: each reply, whether it is worth imitating, and the messages that follow it (none after the last).
    """

    opening: tuple[Message, ...]
    turns: tuple[tuple[Message, bool, tuple[Message, ...]], ...]

    def messages(self) -> list[Message]:
        """The whole conversation."""
        return [*self.opening, *(message for reply, _, shown in self.turns for message in (reply, *shown))]


@dataclass(frozen=True, slots=True)
class Row:
    """An episode as a model sees it: ids, and for each whether the expert chose it."""

    ids: tuple[int, ...]
    chosen: tuple[bool, ...]


class Episode:
    """An episode that is written down as it is played.

    Attributes:
        observation: the last one.
        info: what came with it.
        over: whether the episode has ended.
    """

    def __init__(self, env: TextEnv[Any], talk: Protocol, task: str) -> None:
        self._env, self._talk = env, talk
        self.observation, self.info = env.reset(options={"task": task})
        self.over = False
        self._opening = tuple(talk.open(self.observation, self.info))
        self._turns: list[_Turn] = []

    def step(self, action: str, *, imitate: bool) -> None:
        """Play an action; `imitate` says whether it is worth imitating."""
        reply = self._talk.write(action)
        self.observation, _, terminated, truncated, self.info = self._env.step(action)
        self.over = terminated or truncated
        shown = () if self.over else tuple(self._talk.show(reply, [self.observation], self.info))
        self._turns.append((reply, imitate, shown))

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
    for reply, imitate, shown in lesson.turns:
        said = [*encode(reply.content), end]
        between = renderer.extend(said, shown) if shown else []
        ids += said + between
        chosen += [imitate] * len(said) + [False] * len(between)
    return Row(tuple(ids), tuple(chosen))
