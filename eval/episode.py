"""One scored episode as a result file keeps it: numbers and a link, no text and no tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rollout.trajectory import Step, Trajectory


@dataclass(frozen=True, slots=True)
class Episode:
    """What statistics need of a trajectory.

    Attributes:
        id: the trajectory's.
        task: the task's id; what two results are paired by.
        type: the benchmark's kind of task.
        sample: which of the task's samples, from 0.
        success: whether it was solved; None where it says nothing about the model.
        score: the scorer's number, or the environment's return.
        steps: turns played.
        ending: why it ended: terminated, truncated, overlong, error, cancelled.
        failure: the class of what failed outside the model, where `ending` is "error".
        invalid: turns whose reply did not keep to the protocol's form.
        inadmissible: turns whose action was not among the admissible ones.
        judged: turns with an action in which the environment gave a list of admissible ones.
        completion_tokens: sampled; None where the policy has no tokens.
        prompt_tokens: put before the samples: new ones only in an append-only episode, whole prompts with a window.
        seconds: wall clock.
        link: the file and line of the trajectory, as `episodes/0000.jsonl:17`.
        unsupported: turns in which the environment met what the benchmark can do and it cannot; None where it does not
            say.
        stopped: turns in which the environment stopped what the model had it do: for its time, its size, or because the
            model's own session was gone. They count as the model's.
        forgiven: valid turns whose reply was not to the letter, and was read all the same.
    """

    id: str
    task: str
    type: str
    sample: int
    success: bool | None
    score: float | None
    steps: int
    ending: str
    failure: str | None
    invalid: int
    inadmissible: int
    judged: int
    completion_tokens: int | None
    prompt_tokens: int | None
    seconds: float
    link: str = ""
    unsupported: int | None = None
    stopped: int = 0
    forgiven: int = 0

    def __post_init__(self) -> None:
        if self.scored and self.success is None:
            raise ValueError(f"{self.id}: ended as {self.ending!r} but has no verdict. Let a scorer fill `success`.")
        if self.score is not None and not math.isfinite(self.score):
            raise ValueError(f"{self.id}: its score is {self.score}, which no statistic can hold")

    @property
    def scored(self) -> bool:
        """Whether it says something about the model."""
        return self.ending not in ("error", "cancelled")

    @classmethod
    def of(cls, trajectory: Trajectory, link: str = "") -> Episode:
        """The row of a scored trajectory.

        Raises:
            ValueError: if it was played to its end but has no verdict, or its score is not finite.
        """
        steps = trajectory.steps
        tokens = [step.tokens for step in steps if step.tokens is not None]
        return cls(
            id=trajectory.id,
            task=trajectory.task,
            type=trajectory.task_type,
            sample=trajectory.sample,
            success=trajectory.success,
            score=trajectory.env_return if trajectory.score is None and trajectory.scored else trajectory.score,
            steps=len(steps),
            ending=trajectory.ending,
            failure=trajectory.failure.kind if trajectory.failure else None,
            invalid=sum(not step.valid for step in steps),
            inadmissible=sum(step.admissible is False for step in steps),
            judged=sum(step.admissible is not None for step in steps),
            completion_tokens=sum(len(turn.completion_ids) for turn in tokens) if tokens else None,
            prompt_tokens=sum(len(turn.prompt_ids) for turn in tokens) if tokens else None,
            seconds=trajectory.seconds,
            link=link,
            unsupported=_unsupported(steps),
            stopped=len(trajectory.stopped),
            forgiven=sum(step.valid and bool(step.forgiven) for step in steps),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Episode:
        """The inverse of `to_dict`."""
        return cls(**plain)


def _unsupported(steps: Sequence[Step]) -> int | None:
    known = [step.unsupported for step in steps if step.unsupported is not None]
    return sum(known) if known else None
