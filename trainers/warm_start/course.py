"""What one environment gives a warm start: lessons, the words of its language, and tasks to be scored on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from configs.warm_start import WarmStartConfig
from trainers.warm_start.lessons import Lesson
from trainers.warm_start.vocabulary import Vocabulary


class Course(ABC):
    """Lessons of one environment.

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

    @abstractmethod
    def lessons(self) -> Iterator[Lesson]:
        """Expert episodes without an end, the same ones in the same order for the same settings."""

    @abstractmethod
    def vocabulary(self, heard: Sequence[Lesson]) -> Vocabulary:
        """The tokens of the language that these lessons are in."""

    @abstractmethod
    def env_args(self, tasks: int) -> Mapping[str, Any]:
        """Further arguments of the environment in which `tasks` tasks are scored."""
