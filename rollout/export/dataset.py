"""A Hugging Face dataset with a row for every episode, whatever came of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rollout.export.rows import Row, dump
from rollout.trajectory import Step, Trajectory

if TYPE_CHECKING:
    from datasets import Dataset


def episodes_dataset(trajectories: Iterable[Trajectory]) -> Dataset:
    """One row an episode.

    Columns of a row, besides the episode's own (see `rollout.trajectory.Trajectory`; `failure` is the class):

    - `messages`: the whole conversation in OpenAI's form, arguments of function calls as JSON text;
    - of each turn: `actions`, `observations`, `step_rewards`, `valid`, `admissible`, `finish`, `versions`,
      `prompt_ids`, `completion_ids`, `logprobs` (null where the turn has no tokens);
    - `input_ids` and `assistant_masks` (1 where the model sampled): the append-only episode as one row of tokens; null
      where there are no tokens or the context had a window;
    - `lineage`: JSON.
    """
    from datasets import Dataset

    return Dataset.from_list([_row(trajectory) for trajectory in trajectories], features=_features())


def _row(trajectory: Trajectory) -> Row:
    steps = trajectory.steps
    whole = trajectory.window is None and bool(steps) and all(step.tokens is not None for step in steps)
    ids, mask = trajectory.ids_and_mask() if whole else (None, None)
    named = ("id", "task", "task_type", "split", "sample", "attempt", "seed", "ending", "success", "score", "window")
    return {
        **{name: getattr(trajectory, name) for name in (*named, "seconds")},
        **_texts(trajectory),
        "failure": trajectory.failure.kind if trajectory.failure else None,
        "env_return": trajectory.env_return,
        "rewards": json.dumps(trajectory.rewards),
        "step_rewards": [step.reward for step in steps],
        "valid": [step.valid for step in steps],
        "admissible": [step.admissible for step in steps],
        "finish": [step.finish for step in steps],
        "versions": [step.version for step in steps],
        "prompt_ids": [_tokens(step, "prompt_ids") for step in steps],
        "completion_ids": [_tokens(step, "completion_ids") for step in steps],
        "logprobs": [_tokens(step, "logprobs") for step in steps],
        "input_ids": ids,
        "assistant_masks": mask,
        "lineage": json.dumps(trajectory.lineage),
    }


def _texts(trajectory: Trajectory) -> Row:
    texts = {
        "first_observation": trajectory.first_observation,
        "messages": [message.to_dict() for message in trajectory.conversation()],
        "actions": [step.actions for step in trajectory.steps],
        "observations": [step.observations for step in trajectory.steps],
    }
    clean: Row = json.loads(dump(texts))  # Arrow refuses what UTF-8 does not know
    return clean


def _tokens(step: Step, name: str) -> list[Any] | None:
    return None if step.tokens is None else list(getattr(step.tokens, name))


def _features() -> Any:
    # Written down, since a column of nothing but nulls would have no type and could not be joined to another run's.
    from datasets import Features, List, Value

    text, number, real, flag = Value("string"), Value("int64"), Value("float64"), Value("bool")
    call = {"id": text, "type": text, "function": {"name": text, "arguments": text}}
    message = {"role": text, "content": text, "tool_calls": List(call), "tool_call_id": text}
    single = {
        "string": ("id", "task", "task_type", "split", "ending", "first_observation", "failure", "rewards", "lineage"),
        "int64": ("sample", "attempt", "seed", "window"),
        "float64": ("score", "seconds", "env_return"),
        "bool": ("success",),
    }
    return Features(
        {
            **{name: Value(kind) for kind, names in single.items() for name in names},
            "messages": List(message),
            "actions": List(List(text)),
            "observations": List(List(text)),
            "step_rewards": List(real),
            "valid": List(flag),
            "admissible": List(flag),
            "finish": List(text),
            "versions": List(number),
            "prompt_ids": List(List(number)),
            "completion_ids": List(List(number)),
            "logprobs": List(List(real)),
            "input_ids": List(number),
            "assistant_masks": List(Value("int8")),
        }
    )
