"""What is kept of an episode: every message, every token, every time, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from envs.protocol import Message
from envs.record import Record

FinishReason = Literal["stop", "length", "abort"]
"""Why a completion ended: a stop token or string, the token limit, or the engine gave up."""

Ending = Literal["terminated", "truncated", "overlong", "error", "cancelled"]
"""Why an episode ended: by the benchmark's rules, by the step limit, because its context is full, because something
outside the model failed, or because the run was stopped."""


@dataclass(frozen=True, slots=True)
class Tokens(Record):
    """The tokens of one turn, as sampled: they are never made again from text.

    Attributes:
        prompt_ids: what was put before the completion. In an append-only trajectory only what is new since the
            previous completion (the template's and the environment's tokens); with a window, the whole prompt.
        completion_ids: what the model sampled, the stop token included where it was sampled.
        logprobs: of each completion token under the distribution that it was drawn from (`Completion.logprobs`); as
            long as `completion_ids`.
    """

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    logprobs: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.logprobs) != len(self.completion_ids):
            raise ValueError(f"{len(self.completion_ids)} completion ids but {len(self.logprobs)} logprobs")


@dataclass(frozen=True, slots=True)
class Timing(Record):
    """Seconds of one step by cause.

    Attributes:
        queue: waiting for a place in the engine's batch.
        model: in the engine.
        env: in the environment, its own queue included.
        prefill: of `model`, until the first token; 0 where the engine does not say.
    """

    queue: float = 0.0
    model: float = 0.0
    env: float = 0.0
    prefill: float = 0.0


@dataclass(frozen=True, slots=True)
class Step(Record):
    """One turn: what the model was shown, what it said, and what came of it.

    Attributes:
        messages: what was added to the conversation before the turn (system, user, tool).
        reply: the model's message.
        actions: what went to the environment: usually one, several for several function calls, none where the
            protocol answered.
        observations: what came back: one for each action, or the protocol's own feedback.
        reward: the environment's own reward of the step.
        valid: whether the reply kept to the protocol's form.
        forgiven: departures from that form that were read all the same, by name, such as "quotes"; the reply is valid.
        admissible: whether every action was among the admissible ones; None where the environment gives no list, or no
            action went to it.
        tokens: None for a scripted policy, or a server that gives no token ids.
        finish: why the completion ended.
        version: the policy's version that sampled it.
        progress: the environment's progress in [0, 1] after the step, where it has one.
        state: a key of the environment's state before the step, equal in equal states (for GiGPO's anchors), or None.
        timing: where the time went.
        unsupported: whether the environment met something that the benchmark can do and it cannot; None where it does
            not say.
        stopped: why the environment stopped an action of the turn, in its own words (a database: `time`, `size`,
            `session`), "" where it did not. The model's doing: the episode goes on and is scored.
    """

    messages: tuple[Message, ...]
    reply: Message
    actions: tuple[str, ...]
    observations: tuple[str, ...]
    reward: float = 0.0
    valid: bool = True
    admissible: bool | None = None
    tokens: Tokens | None = None
    finish: FinishReason = "stop"
    version: int = 0
    progress: float | None = None
    state: str | None = None
    timing: Timing = Timing()
    unsupported: bool | None = None
    forgiven: tuple[str, ...] = ()
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Failure(Record):
    """What failed outside the model.

    Attributes:
        kind: the class by which it is counted: `env_error`, `env_timeout`, `env_died`, `engine_error`,
            `engine_timeout`, `episode_timeout`, `worker_died` (a Ray worker, again and again), `policy_error` (a fault
            of the policy's or protocol's own code).
        message: what it said, one line.
    """

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Trajectory(Record):
    """One episode, from its task to its end.

    Attributes:
        id: `TASK#EPISODE` unique in its run: the task's id and the number of the sample.
        task: the task's id; groups are formed by it.
        task_type: the benchmark's kind of task.
        split: the split it belongs to.
        sample: which of the task's samples it is, from 0.
        attempt: 0, or how often the episode was begun again after it had failed or was cancelled.
        seed: of the episode: the environment's reset and the sampling.
        first_observation: what `reset` answered.
        steps: in order.
        ending: why it ended.
        success: whether the benchmark counts it as solved; None where it failed outside the model.
        score: filled by a scorer; the environment's return where there is none.
        failure: set exactly when `ending` is "error".
        window: how many past turns the context kept (0 where each turn stands alone); None if it was append-only.
        rewards: shaped rewards by name, of the whole episode, filled by a scorer.
        lineage: the run that played it: environment, protocol, model, sampling, versions.
        seconds: wall clock of the episode.
    """

    id: str
    task: str
    task_type: str
    split: str
    sample: int = 0
    attempt: int = 0
    seed: int = 0
    first_observation: str = ""
    steps: tuple[Step, ...] = ()
    ending: Ending = "terminated"
    success: bool | None = None
    score: float | None = None
    failure: Failure | None = None
    window: int | None = None
    rewards: dict[str, float] = field(default_factory=dict)
    lineage: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def scored(self) -> bool:
        """Whether the episode says something about the model: it did not fail outside it and was not cancelled."""
        return self.ending not in ("error", "cancelled")

    @property
    def stopped(self) -> tuple[str, ...]:
        """Why the environment stopped actions of the model's, one for each turn in which it did."""
        return tuple(step.stopped for step in self.steps if step.stopped)

    @property
    def env_return(self) -> float:
        """The sum of the environment's rewards."""
        return sum(step.reward for step in self.steps)

    def prompts(self) -> Iterator[tuple[int, ...]]:
        """The whole prompt of each turn that has tokens, as the model saw it."""
        context: tuple[int, ...] = ()
        for step in self.steps:
            if step.tokens is None:
                continue
            if self.window is not None:
                yield step.tokens.prompt_ids
                continue
            context += step.tokens.prompt_ids
            yield context
            context += step.tokens.completion_ids

    def ids_and_mask(self) -> tuple[list[int], list[int]]:
        """The ids of an append-only episode in one row, and 1 for each token that the model sampled.

        Raises:
            ValueError: if the episode was played with a window: it is not one row.
        """
        if self.window is not None:
            raise ValueError(f"{self.id}: an episode with a window of {self.window} turns is not one row of tokens")
        ids: list[int] = []
        mask: list[int] = []
        for step in self.steps:
            if step.tokens is not None:
                ids += step.tokens.prompt_ids + step.tokens.completion_ids
                mask += [0] * len(step.tokens.prompt_ids) + [1] * len(step.tokens.completion_ids)
        return ids, mask

    def conversation(self) -> list[Message]:
        """All messages of the episode, the model's included."""
        return [message for step in self.steps for message in (*step.messages, step.reply)]

    def with_rewards(self, **rewards: float) -> Trajectory:
        """A copy with rewards added by name."""
        return replace(self, rewards={**self.rewards, **rewards})
