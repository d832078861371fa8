"""What one environment gives a warm start: lessons, the words of its language, and tasks to be scored on."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from configs.warm_start import WarmStartConfig
from trainers.warm_start.lessons import Lesson
from trainers.warm_start.vocabulary import Vocabulary

_SURE, _FEW = 0.88, 0.1
"""Up to this share of a course unsure players are a tenth as frequent: the language is learned from short lessons, and
habits afterwards."""


class Course(ABC):
    """Lessons of one environment.

    Players differ, as those do whom a large model has read. Some are unsure and check all the time what they know
    already; tasks are won that way, but turns are lost. The model can play both ways, and has to find out which wins.

    Args:
        config: a settled one.

    Attributes:
        env: its name.
        heldout: the split of the tasks that a score is made on; no lesson is of them.
    """

    env: ClassVar[str]
    heldout: ClassVar[str]

    def __init__(self, config: WarmStartConfig) -> None:
        self.config = config

    def unsure(self, done: float, dice: random.Random) -> bool:
        """Whether the next lesson is of an unsure player.

        Args:
            done: which share of the course is over.
            dice: thrown once.
        """
        return dice.random() < self.config.unsure * (1.0 if done >= _SURE else _FEW)

    @abstractmethod
    def lessons(self) -> Iterator[Lesson]:
        """Expert episodes without an end, the same ones in the same order for the same settings."""

    @abstractmethod
    def vocabulary(self, heard: Sequence[Lesson]) -> Vocabulary:
        """The tokens of the language that these lessons are in."""

    @abstractmethod
    def env_args(self, tasks: int | None = None) -> Mapping[str, Any]:
        """Further arguments of the environment in which so many tasks are scored; as many as there are by default."""
