"""The environment contract: a `gymnasium.Env` of text in and text out, with tasks and tools."""

from __future__ import annotations

import typing
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, SupportsFloat, TypeVar

import gymnasium

from envs.errors import ContractError, TaskError
from envs.space import Text
from envs.task import Task, TaskSet

if TYPE_CHECKING:
    from envs.protocol import Protocol

T = TypeVar("T", bound=Task)
Info = dict[str, Any]


class Outcome(NamedTuple):
    """What one step of a benchmark's own rules gives back, before the step limit is applied."""

    observation: str
    reward: float
    terminated: bool
    info: Info


@dataclass(frozen=True, slots=True)
class Tool:
    """One thing a model can do, in the words of a function-calling API.

    Attributes:
        name: the function's name.
        description: what the model is told of it.
        argument: the name of its one argument, a string (or a list of strings where `many`).
        action: the action text, with `{}` where the argument goes; `TextEnv.step` understands the result.
        many: whether the argument is a list of strings, written into the action as JSON.
    """

    name: str
    description: str
    argument: str
    action: str
    many: bool = False

    def schema(self) -> dict[str, Any]:
        """The tool as OpenAI's function-calling API describes it."""
        value: dict[str, Any] = {"type": "string"}
        if self.many:
            value = {"type": "array", "items": {"type": "string"}}
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": {"type": "object", "properties": {self.argument: value}, "required": [self.argument]},
            },
        }


class Expert(typing.Protocol):
    """A scripted player that acts on what an agent would see: observations, and the admissible commands if given.

    One that has an attribute `thought`, a sentence that says why it gave its last action, is quoted in demonstrations
    by protocols that ask for a thought.
    """

    def reset(self, observation: str, info: Info) -> None:
        """Begin an episode with its first observation."""

    def act(self, observation: str, info: Info) -> str:
        """The next action, after this observation."""


class TextEnv(gymnasium.Env[str, str], Generic[T]):
    """A benchmark in which a model acts by text. Gymnasium's contract, with tasks that have names.

    `reset(options={"task": id})` plays the named task; without it, `seed` draws one, and without a seed the
    environment's own generator does. An episode ends in two ways that must not be confused: `terminated`, when the
    benchmark's rules end it (solved, answered), so that nothing can follow; and `truncated`, when the step limit cuts
    off an episode that could have gone on, so that a value of what follows would still make sense.

    A subclass gives `instructions`, `tasks`, `tools`, `solved`, `expert`, `_begin` and `_act`. What it never sees: a
    step before a reset or after the end, an action that is no string, or the step limit; those are kept here, once,
    for every benchmark.

    Args:
        max_steps: the number of actions after which an episode is truncated.

    Raises:
        ContractError: on a step before the first reset, after the end, after `close`, or with an action that is no
            string.
        TaskError: if `options` names a task that does not exist, or has keys that are not known; if a seed is negative.
    """

    metadata = {"render_modes": ["ansi"]}
    id: str = ""
    """The registered id under which it was made."""

    places: tuple[str, ...] = ("data",)
    """Arguments that say where something is and not what it is: they are no part of a score's fingerprint, and may hold
    a password."""

    in_process: bool = True
    """Whether many episodes may share a process: no global state, nothing that can hang or crash it."""

    variables: tuple[str, ...] = ()
    """Environment variables that it needs besides the usual ones (`rollout.child_variables`) where it is played in a
    process of its own; keys and passwords do not reach that process otherwise."""

    instructions: str
    """What a model is told of the benchmark, in our words; a protocol adds how to answer."""

    tasks: TaskSet[T]
    tools: Sequence[Tool]

    def __init__(self, *, max_steps: int, render_mode: str | None = None) -> None:
        if not isinstance(max_steps, int) or max_steps < 1:
            raise TaskError(
                f"max_steps is {max_steps!r}", remedy="An episode has a whole number of steps, at least one."
            )
        if render_mode not in (None, "ansi"):
            raise TaskError(f"render_mode is {render_mode!r}", remedy='Use None or "ansi".')
        self.observation_space = Text()
        self.action_space = Text()
        self.max_steps = max_steps
        self.render_mode = render_mode
        self.task: T | None = None
        self._steps = 0
        self._live = False
        self._closed = False
        self._last = ""

    @abstractmethod
    def _begin(self, task: T) -> tuple[str, Info]:
        """Start an episode of `task`: its first observation and info."""

    @abstractmethod
    def _act(self, action: str) -> Outcome:
        """Play one action by the benchmark's rules."""

    @abstractmethod
    def solved(self) -> bool:
        """Whether the benchmark counts the episode as solved if it ended as it stands."""

    def facts(self) -> dict[str, Any]:
        """What of this environment changes a score beyond its arguments: dialects, backends, versions; for lineage."""
        return {}

    def protocol(self, name: str) -> Protocol:
        """A protocol by name, for this benchmark: the generic ones, and its own editions in a subclass.

        Raises:
            TaskError: if there is none of this name.
        """
        from envs.protocols import make_protocol

        return make_protocol(name, self.instructions, self.tools)

    @abstractmethod
    def expert(self) -> Expert:
        """A scripted player of this benchmark, for demonstrations and for checking the path."""

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[str, Info]:
        """Start an episode; `options={"task": id}` says of which task."""
        if self._closed:
            raise ContractError("reset after close", remedy="Make a new environment with envs.make(...).")
        try:
            super().reset(seed=seed)
        except gymnasium.error.Error as error:
            raise TaskError(f"the seed is {seed!r}", remedy="Take a whole number from 0 on.") from error
        self.task = self._choose(dict(options or {}))
        self._steps = 0
        self._live = True
        observation, info = self._begin(self.task)
        self._last = observation
        return observation, self._describe(info)

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, Info]:
        """Play one action."""
        if not self._live:
            why = "after close" if self._closed else "after the episode ended" if self.task else "before reset"
            raise ContractError(f"step {why}", remedy="Call reset() first.")
        if not isinstance(action, str):
            raise ContractError(f"the action is {action!r} of type {type(action).__name__}, not a string")
        outcome = self._act(action)
        self._steps += 1
        truncated = not outcome.terminated and self._steps >= self.max_steps
        self._live = not (outcome.terminated or truncated)
        self._last = outcome.observation
        reward = outcome.reward + self._settle() if truncated else outcome.reward
        return outcome.observation, reward, outcome.terminated, truncated, self._describe(outcome.info)

    def render(self) -> str | None:
        """The last observation, where `render_mode` is "ansi"."""
        return self._last if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Give back what the environment holds. May be called twice."""
        self._live = False
        self._closed = True

    def __getstate__(self) -> dict[str, Any]:
        # A copy shares what never changes (tasks, loaded games) and begins with its next reset.
        return {**self.__dict__, "_live": False}

    def _settle(self) -> float:
        """The reward that a truncation adds, where the benchmark judges what an unfinished episode has left behind."""
        return 0.0

    def _choose(self, options: dict[str, Any]) -> T:
        task_id = options.pop("task", None)
        if options:
            raise TaskError(f"unknown reset option {next(iter(options))!r}", remedy='The one option is {"task": id}.')
        if task_id is not None:
            return self.tasks.by_id(task_id)
        return self.tasks[int(self.np_random.integers(len(self.tasks)))]

    def _describe(self, info: Info) -> Info:
        assert self.task is not None
        return {"task": self.task.id, "task_type": self.task.type, **info}
