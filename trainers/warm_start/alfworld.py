"""Lessons in ALFWorld: the expert's episodes of generated games."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import envs
from configs.warm_start import WarmStartConfig
from envs import Expert
from trainers.warm_start.course import Course
from trainers.warm_start.lessons import Episode, Lesson
from trainers.warm_start.vocabulary import Vocabulary, learn_phrases

NUMBERS = tuple(f" {number}" for number in range(41))
"""The game counts further in no room: the largest have 27 drawers."""

_TOKENS_A_LESSON = 200
"""About a lesson's length, so that few tasks are played twice."""

_NAME = re.compile(r"([A-Za-z]+) \d+\b")
_LAST_NAME = re.compile(r"\S+ \d+$")


class ALFWorldCourse(Course):
    """The expert's episodes of the tasks of `train`, in their order: when all are played they are played again, with
    other slips. What the expert does not solve is left out.

    Attributes:
        tasks: how many different ones.

    Raises:
        TaskError: from `lessons`, if there is no such room size or protocol.
    """

    env = "alfworld"
    heldout = "valid_unseen"

    def __init__(self, config: WarmStartConfig) -> None:
        super().__init__(config)
        self.tasks = max(2000, (config.max_tokens or 0) // _TOKENS_A_LESSON)

    def lessons(self) -> Iterator[Lesson]:
        env = envs.make(self.env, split="train", data="generated", size=self.config.size, length=self.tasks)
        talk, expert = env.protocol(self.config.protocol), env.expert()
        for epoch in count():
            dice = random.Random(f"slips/{self.config.seed}/{epoch}")
            for task in env.tasks:
                lesson = _play(Episode(env, talk, task.id), expert, self.config.slip_rate, dice)
                if lesson is not None:
                    yield lesson

    def vocabulary(self, heard: Sequence[Lesson]) -> Vocabulary:
        """A name is a word that a number follows somewhere; what stands between names and numbers are the phrases,
        such as ". On the " or ", you see a "."""
        talks = [lesson.messages() for lesson in heard]
        names = sorted({name for talk in talks for message in talk for name in _NAME.findall(message.content)})
        cut = re.compile(rf"\b(?:{'|'.join(names)})\b| \d+\b")
        return Vocabulary((*NUMBERS, *names, *learn_phrases(talks, cut)))

    def env_args(self, tasks: int) -> Mapping[str, Any]:
        return {"data": "generated", "size": self.config.size}


def _play(episode: Episode, expert: Expert, slip_rate: float, dice: random.Random) -> Lesson | None:
    """The expert's episode, but for the slips, of which it is not told."""
    visited: list[str] = []

    def step(action: str, *, imitate: bool) -> None:
        episode.step(action, imitate=imitate)
        if action.startswith("go to ") and action not in visited:
            visited.append(action)

    expert.reset(episode.observation, episode.info)
    while not episode.over:
        action = expert.act(episode.observation, episode.info)
        if dice.random() < slip_rate and (slip := _slip(action, episode.info, visited, dice)):
            step(slip, imitate=False)
        if not episode.over:
            step(action, imitate=True)
    return episode.lesson()


def _slip(action: str, info: Mapping[str, Any], visited: Sequence[str], dice: random.Random) -> str | None:
    """A command after which the expert's is as right as before: a look, a way back on the way to elsewhere, or what is
    impossible here."""
    admissible = info["admissible_commands"]
    elsewhere = [command for command in admissible if command.startswith("go to ") and command != action]
    leaving = action.startswith("go to ")
    kind = dice.choice(("look", "back", "impossible"))
    if kind == "back" and leaving:
        back = [command for command in elsewhere if command in visited]
        return dice.choice(back) if back else None
    if kind == "impossible" and elsewhere:
        place = dice.choice(elsewhere).removeprefix("go to ")
        command = f"open {place}" if leaving else _LAST_NAME.sub(place, action)
        return None if command in admissible else command
    return dice.choice(("look", "inventory"))
