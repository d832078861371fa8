"""A tiny environment for tests, which can be told to misbehave in every way that real ones do."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from typing import Any

from envs import Outcome, Task, TaskSet, TextEnv, Tool
from envs.base import Info

FAULTS = (
    *("reset raises", "step raises", "wrong type", "nan reward", "huge observation"),
    *("hangs in python", "hangs in c", "ignores sigterm and hangs", "exits", "is killed"),
)


class Walker:
    """Walks right."""

    def reset(self, observation: str, info: Info) -> None:
        pass

    def act(self, observation: str, info: Info) -> str:
        return "right"


class Corridor(TextEnv[Task]):
    """A corridor of three places, the last of which is the goal.

    Observation: where you are.
    Action: left or right.
    Reward: 1 at the goal.
    End: terminated at the goal.
    Source: none.
    Versions: v1.
    """

    instructions = "Walk to the end."
    tools = (Tool("walk", "Walks.", "direction", "{}"),)

    def __init__(
        self, *, tasks: int = 4, fault: str = "", faulty: int = 1, in_process: bool = True, max_steps: int = 10
    ) -> None:
        super().__init__(max_steps=max_steps)
        self.in_process = in_process
        self.fault, self.faulty = fault, faulty
        self.tasks = TaskSet(Task(f"walk-{i}", "short" if i % 2 else "long", "train") for i in range(tasks))
        self.place = 0

    def solved(self) -> bool:
        return self.place == 2

    def expert(self) -> Walker:
        return Walker()

    def _begin(self, task: Task) -> tuple[str, Info]:
        self.place = 0
        if self._misbehaves("reset raises"):
            raise RuntimeError("the door is stuck")
        return "You are at place 0.", self._info()

    def _act(self, action: str) -> Outcome:
        self.place = min(2, self.place + (action == "right"))
        observation: Any = f"You are at place {self.place}."
        reward = float(self.place == 2)
        for fault in FAULTS[1:]:
            if self._misbehaves(fault):
                observation, reward = _misbehave(fault, observation, reward)
        return Outcome(observation, reward, self.place == 2, self._info())

    def _misbehaves(self, fault: str) -> bool:
        return fault == self.fault and self.task is not None and self.task.id == f"walk-{self.faulty}"

    def _info(self) -> Info:
        return {"admissible_commands": ["left", "right"], "won": self.place == 2}


def _misbehave(fault: str, observation: Any, reward: float) -> tuple[Any, float]:
    match fault:
        case "step raises":
            raise RuntimeError("the floor\nis gone")
        case "wrong type":
            return 7, reward
        case "nan reward":
            return observation, float("nan")
        case "huge observation":
            return "x" * 50_000_000, reward
        case "hangs in python":
            while True:
                time.sleep(0.01)
        case "hangs in c":
            ctypes.PyDLL(None).pause()  # holds the interpreter's lock: no Python code of this process runs again
        case "ignores sigterm and hangs":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(0.01)
        case "exits":
            os._exit(3)
        case "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError(fault)
