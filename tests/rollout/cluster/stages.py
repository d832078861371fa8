"""What the tests of the cluster play, importable from every process."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envs import Outcome, Task
from envs.base import Info
from envs.protocol import Message, Protocol
from rollout.account import Account
from rollout.engine import Engine, Sampling
from rollout.engines.simulated import Latency, SimulatedEngine
from rollout.episode import Job
from rollout.errors import ModelError
from rollout.host import Deadlines
from rollout.jobs import plan
from rollout.policy import ModelPolicy, Policy
from rollout.runner import Stage, Watcher
from rollout.scripted import ScriptedPolicy
from rollout.store import Store
from tests.rollout.corridor import Corridor

if TYPE_CHECKING:
    from rollout.engines.hf import HFEngine

RIGHT = tuple(b"Action: right\0")


class Letters:
    """A renderer whose tokens are bytes; 0 ends a turn."""

    def open(self, messages: Sequence[Message]) -> list[int]:
        return list("\n".join(message.content for message in messages).encode())

    def extend(self, sampled: Sequence[int], messages: Sequence[Message]) -> list[int]:
        return self.open(messages)

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(ids).rstrip(b"\0").decode()


class Deadly(Corridor):
    """Kills the process that plays task walk-1; as often as `times` says, for ever if that is 0."""

    note = Path()
    times = 0

    def _begin(self, task: Task) -> tuple[str, Info]:
        if task.id == "walk-1":
            with self.note.open("a") as file:
                file.write("died\n")
            if not self.times or self.note.read_text().count("died") <= self.times:
                os.kill(os.getpid(), signal.SIGKILL)
        return super()._begin(task)


class Long(Corridor):
    """A corridor that takes as many steps as are allowed."""

    def _act(self, action: str) -> Outcome:
        outcome = super()._act(action)
        return Outcome("You are still walking.", outcome.reward, False, self._info())


def right(episode: str, prompt: Sequence[int], seed: int) -> Sequence[int]:
    """A script for the simulated engine."""
    return RIGHT


def quick_engine() -> Engine:
    return SimulatedEngine(right, Latency(prefill=0, step=1e-3, row=0), capacity=8)


def slow_engine() -> Engine:
    """0.14 s a turn."""
    return SimulatedEngine(right, Latency(prefill=0, step=1e-2, row=0), capacity=8)


def broken_engine() -> Engine:
    """Fails every request."""

    def script(episode: str, prompt: Sequence[int], seed: int) -> Sequence[int]:
        raise RuntimeError("out of memory")

    return SimulatedEngine(script)


def weak_engine(note: Path) -> Engine:
    """Takes its process along, the first time one tries to start it."""
    if not note.exists():
        note.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return quick_engine()


def no_engine() -> Engine:
    raise ModelError("no such model", remedy="Name another.")


def hf_engine(seed: int = 0) -> HFEngine:
    """A tiny random Qwen3, the same in every process."""
    from rollout.engines.hf import HFEngine
    from tests import tiny_models

    return HFEngine(tiny_models.model(layers=2, seed=seed), tiny_models.tokenizer(), capacity=4, max_length=1024)


def chat(engine: Engine) -> Policy:
    """Greedy."""
    from rollout.rendering import Renderer
    from tests import tiny_models

    words = tiny_models.tokenizer()
    sampling = Sampling(temperature=0.0, max_new_tokens=12)
    return ModelPolicy(engine, lambda talk: Renderer(words, talk.schemas), sampling, name="tiny")


def letters(engine: Engine) -> Policy:
    return ModelPolicy(engine, lambda talk: Letters(), Sampling(max_new_tokens=32), name="letters")  # type: ignore[arg-type, return-value]


def stage(folder: Path, env: Any, jobs: list[Job], watcher: Watcher | None = None, store: Any = None) -> Stage:
    """A stage whose account owes the jobs; with Ray its policy is not asked."""
    return Stage(
        env=env,
        policy=ScriptedPolicy("none", lambda task, seed: env.expert()),
        protocol=protocol(env),
        store=store or Store(folder),
        account=Account(job.id for job in jobs),
        deadlines=Deadlines(start=60, reset=20, step=20, generate=60, episode=120),
        lineage={"run": "test"},
        watcher=watcher,
    )


def protocol(env: Any) -> Protocol:
    talk: Protocol = env.protocol("react")
    return talk


def jobs_of(env: Any, episodes: int) -> list[Job]:
    return plan(env.tasks, episodes=episodes, seed=1)
