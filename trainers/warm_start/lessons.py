"""Expert episodes of generated games, as conversations and as token ids with a weight for each."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import envs
from envs import Expert, TextEnv
from envs.protocol import Message, Protocol
from rollout.rendering import Renderer

_Turn = tuple[Message, bool, tuple[Message, ...]]
_LAST_NAME = re.compile(r"\S+ \d+$")


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


def lessons(*, size: str, protocol: str, slip_rate: float, seed: int, tasks: int) -> Iterator[Lesson]:
    """The expert's episodes of the tasks of `train`, in their order and without an end: when all are played they are
    played again, with other slips. What the expert does not solve is left out.

    Args:
        size: of the rooms.
        protocol: how environment and player talk.
        slip_rate: how often a command that leads nowhere precedes the expert's, in [0, 1].
        seed: of the slips.
        tasks: how many different tasks.

    Raises:
        TaskError: if there is no such size or protocol.
    """
    env = envs.make("alfworld", split="train", data="generated", size=size, length=tasks)
    talk, expert = env.protocol(protocol), env.expert()
    for epoch in count():
        dice = random.Random(f"slips/{seed}/{epoch}")
        for task in env.tasks:
            episode = _Episode(env, talk, expert, task.id)
            if episode.play(slip_rate, dice):
                yield Lesson(episode.opening, tuple(episode.turns))


class _Episode:
    """An episode that the expert plays, but for the slips, of which it is not told."""

    def __init__(self, env: TextEnv[Any], talk: Protocol, expert: Expert, task: str) -> None:
        self.env, self.talk, self.expert = env, talk, expert
        self.observation, self.info = env.reset(options={"task": task})
        expert.reset(self.observation, self.info)
        self.opening = tuple(talk.open(self.observation, self.info))
        self.turns: list[_Turn] = []
        self.visited: list[str] = []

    def play(self, slip_rate: float, dice: random.Random) -> bool:
        """Play to the end. Returns whether the task was solved."""
        over = False
        while not over:
            action = self.expert.act(self.observation, self.info)
            if dice.random() < slip_rate and (slip := self._slip(action, dice)):
                over = self._step(slip, imitate=False)
            over = over or self._step(action, imitate=True)
        return self.env.solved()

    def _step(self, action: str, *, imitate: bool) -> bool:
        reply = self.talk.write(action)
        self.observation, _, terminated, truncated, self.info = self.env.step(action)
        over = terminated or truncated
        shown = () if over else tuple(self.talk.show(reply, [self.observation], self.info))
        self.turns.append((reply, imitate, shown))
        if action.startswith("go to ") and action not in self.visited:
            self.visited.append(action)
        return over

    def _slip(self, action: str, dice: random.Random) -> str | None:
        """A command after which the expert's is as right as before: a look, a way back on the way to elsewhere, or what
        is impossible here."""
        admissible = self.info["admissible_commands"]
        elsewhere = [command for command in admissible if command.startswith("go to ") and command != action]
        leaving = action.startswith("go to ")
        kind = dice.choice(("look", "back", "impossible"))
        if kind == "back" and leaving:
            back = [command for command in elsewhere if command in self.visited]
            return dice.choice(back) if back else None
        if kind == "impossible" and elsewhere:
            place = dice.choice(elsewhere).removeprefix("go to ")
            command = f"open {place}" if leaving else _LAST_NAME.sub(place, action)
            return None if command in admissible else command
        return dice.choice(("look", "inventory"))


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
