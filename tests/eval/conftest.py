"""Synthetic episodes and trajectories for the tests of eval, and a real browser to open reports in."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from envs.protocol import Message
from eval.episode import Episode
from rollout.trajectory import Failure, Step, Timing, Tokens, Trajectory

TYPES = ("clean", "cool", "heat", "look", "pick", "two")
PLACES = ("fridge 1", "microwave 1", "countertop 2", "sinkbasin 1", "cabinet 6", "drawer 3", "stoveburner 4")
THINGS = ("potato 1", "egg 2", "mug 1", "plate 3", "knife 1", "tomato 2")


def make_episode(task: str = "t", sample: int = 0, success: bool | None = True, **other: Any) -> Episode:
    """A row of a result; success None stands for a failure outside the model."""
    values: dict[str, Any] = {
        "id": f"{task}#{sample}",
        "task": task,
        "type": "heat",
        "sample": sample,
        "success": success,
        "score": None if success is None else float(success),
        "steps": 10,
        "ending": "error" if success is None else "terminated",
        "failure": "env_timeout" if success is None else None,
        "invalid": 0,
        "inadmissible": 0,
        "judged": 10,
        "completion_tokens": 50,
        "prompt_tokens": 400,
        "seconds": 1.5,
        "link": f"episodes/0000.jsonl:{sample + 1}",
    }
    return Episode(**{**values, **other})


class Words:
    """A tokenizer of words, spaces and template marks, which grows its vocabulary as it reads."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def encode(self, text: str) -> tuple[int, ...]:
        pieces = re.findall(r"<\|\w+\|>| ?\w+|[^\w]", text)
        return tuple(self.ids.setdefault(piece, len(self.ids)) for piece in pieces)

    def strings(self, ids: Sequence[int]) -> list[str]:
        pieces = list(self.ids)
        return [pieces[token] for token in ids]


class Player:
    """Plays made-up episodes, tokens and all, as a chat template would lay them out."""

    def __init__(self, seed: int = 0) -> None:
        self.words = Words()
        self.draw = random.Random(seed)

    def tokens(self, shown: Sequence[Message], reply: str) -> Tokens:
        prompt = "".join(f"<|im_start|>{message.role}\n{message.content}<|im_end|>\n" for message in shown)
        completion = self.words.encode(f"{reply}<|im_end|>")
        logprobs = tuple(-self.draw.expovariate(2.0) for _ in completion)
        return Tokens(self.words.encode(prompt + "<|im_start|>assistant\n"), completion, logprobs)

    def step(self, index: int, last: bool, solved: bool, with_tokens: bool) -> Step:
        place, thing = self.draw.choice(PLACES), self.draw.choice(THINGS)
        action = self.draw.choice((f"go to {place}", f"take {thing} from {place}", f"open {place}"))
        seen = f"You arrive at {place}. On the {place}, you see a {thing}, a {self.draw.choice(THINGS)}."
        opening = Message("system", "You are in a house. Answer with one command.")
        shown = (opening, Message("user", f"{seen} Your task is to: heat some {thing}.")) if index == 0 else ()
        reply = f"Thought: the {thing} may be at {place}.\nAction: {action}"
        messages = shown or (Message("user", seen),)
        return Step(
            messages=messages,
            reply=Message("assistant", reply),
            actions=(action,),
            observations=("You won." if last and solved else seen,),
            reward=float(last and solved),
            valid=self.draw.random() > 0.05,
            admissible=self.draw.random() > 0.1,
            tokens=self.tokens(messages, reply) if with_tokens else None,
            timing=Timing(0.01, 0.4, 0.002),
        )

    def play(self, number: int = 0, *, steps: int | None = None, with_tokens: bool = True, **other: Any) -> Trajectory:
        kind = TYPES[number % len(TYPES)]
        failed = number % 37 == 36
        solved = not failed and self.draw.random() < 0.6
        size = steps if steps is not None else self.draw.randint(4, 24)
        turns = tuple(self.step(i, i == size - 1, solved, with_tokens) for i in range(size))
        values: dict[str, Any] = {
            "id": f"{kind}-{number:04d}#0",
            "task": f"{kind}-{number:04d}",
            "task_type": kind,
            "split": "valid_seen",
            "first_observation": turns[0].messages[-1].content if turns else "",
            "steps": turns,
            "ending": "error" if failed else "terminated" if solved else "truncated",
            "success": None if failed else solved,
            "score": None if failed else float(solved),
            "failure": Failure("env_timeout", "no answer to step 7 within 30 s") if failed else None,
            "rewards": {"outcome": float(solved), "format": -0.1},
            "lineage": {"model": "toy", "protocol": "react"},
            "seconds": self.draw.uniform(1, 9),
        }
        return Trajectory(**{**values, **other})


@pytest.fixture(scope="session")
def episode() -> Callable[..., Episode]:
    """Makes rows of results."""
    return make_episode


@pytest.fixture(scope="session")
def players() -> Callable[[], Player]:
    """Makes players that play the same made-up episodes."""
    return Player


@pytest.fixture
def player() -> Player:
    """Plays made-up episodes, the same in every test."""
    return Player()
