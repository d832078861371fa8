"""Lessons in ALFWorld: the expert's episodes of generated games."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import envs
from configs.warm_start import WarmStartConfig
from envs.alfworld.expert import ALFWorldExpert
from trainers.warm_start.course import Course
from trainers.warm_start.lessons import Episode, Lesson
from trainers.warm_start.vocabulary import Vocabulary, learn_phrases

NUMBERS = tuple(f" {number}" for number in range(41))
"""The game counts further in no room: the largest have 27 drawers."""

_TOKENS_A_LESSON = 200
"""About a lesson's length, so that few tasks are played twice."""

CHECKS = ("look", "inventory")
"""What costs a turn and changes nothing."""

_NAME = re.compile(r"([A-Za-z]+) \d+\b")


class ALFWorldCourse(Course):
    """The expert's episodes of the tasks of `train`, in their order; when all are played they are played again. What
    the expert does not solve is left out.

    Attributes:
        tasks: how many different ones.

    Raises:
        TaskError: from `lessons`, if there is no such room size or protocol.
    """

    env = "alfworld"
    heldout = "valid_unseen"

    def __init__(self, config: WarmStartConfig) -> None:
        super().__init__(config)
        self.tasks = max(2000, config.max_tokens // _TOKENS_A_LESSON)

    def lessons(self) -> Iterator[Lesson]:
        env = envs.make(self.env, split="train", data="generated", size=self.config.size, length=self.tasks)
        talk, expert = env.protocol(self.config.protocol), ALFWorldExpert()
        dice = random.Random(f"checks/{self.config.seed}")
        for number, task in enumerate(cycle(env.tasks)):
            checks = CHECKS if self.unsure(number / self.tasks, dice) else ()
            lesson = _play(Episode(env, talk, task.id, checks, dice), expert)
            if lesson is not None:
                yield lesson

    def vocabulary(self, heard: Sequence[Lesson]) -> Vocabulary:
        """A name is a word that a number follows somewhere; what stands between names and numbers are the phrases,
        such as ". On the " or ", you see a "."""
        talks = [lesson.messages() for lesson in heard]
        names = sorted({name for talk in talks for message in talk for name in _NAME.findall(message.content)})
        cut = re.compile(rf"\b(?:{'|'.join(names)})\b| \d+\b")
        return Vocabulary((*NUMBERS, *names, *learn_phrases(talks, cut)))

    def env_args(self, tasks: int | None = None) -> Mapping[str, Any]:
        return {"data": "generated", "size": self.config.size, "max_steps": 20}


def _play(episode: Episode, expert: ALFWorldExpert) -> Lesson | None:
    expert.reset(episode.observation, episode.info)
    while not episode.over:
        action = expert.act(episode.observation, episode.info)
        episode.step(action, expert.thought)
    return episode.lesson()
