"""An environment of one turn that a model of a million parameters learns within a few updates."""

from __future__ import annotations

from envs import Outcome, Task, TaskSet, TextEnv, Tool
from envs.base import Info


class Speaker:
    """Says the word."""

    def __init__(self, word: str) -> None:
        self._word = word

    def reset(self, observation: str, info: Info) -> None:
        pass

    def act(self, observation: str, info: Info) -> str:
        return f"{self._word} to desk 1"


class OneWord(TextEnv[Task]):
    """One reply, which is right if it begins with a word; the empty word is always right.

    Observation: a line of a household game.
    Action: a command.
    Reward: 1 for a right one.
    End: terminated after it.
    Source: none.
    Versions: v1.
    """

    instructions = "Act."
    tools = (Tool("act", "Acts.", "command", "{}"),)

    def __init__(self, *, split: str = "train", word: str = "go", max_steps: int = 1) -> None:
        super().__init__(max_steps=max_steps)
        self.word = word
        self.tasks = TaskSet(Task(f"{split}-{number}", "word", split) for number in range(40))
        self._right = False

    def solved(self) -> bool:
        return self._right

    def expert(self) -> Speaker:
        return Speaker(self.word)

    def _begin(self, task: Task) -> tuple[str, Info]:
        self._right = False
        return "You are in the middle of a room. You see a desk 1, a drawer 1, and a shelf 1.", {}

    def _act(self, action: str) -> Outcome:
        self._right = action.startswith(self.word)
        return Outcome("Done.", float(self._right), True, {})
