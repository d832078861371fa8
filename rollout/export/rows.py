"""What the export formats share: rows with a count of what was left out, and messages as templates take them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from envs.protocol import Message
from rollout.trajectory import Trajectory

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of an export.

    Attributes:
        rows: in the order of the episodes.
        left_out: episodes without a row, counted by the reason.
    """

    rows: list[Row] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def dump(value: Any) -> bytes:
    """JSON that any reader takes: lone surrogates, which a model may have written and UTF-8 does not know, become ?."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def template_form(messages: Iterable[Message]) -> list[Row]:
    """Messages as Hugging Face's chat templates take them: the arguments of a function call as an object.

    Arguments that are no JSON object stay the text that the model wrote.
    """
    plain = [message.to_dict() for message in messages]
    for call in (call for message in plain for call in message.get("tool_calls", ())):
        try:
            arguments = json.loads(call["function"]["arguments"])
        except (ValueError, RecursionError):
            continue
        if isinstance(arguments, dict):
            call["function"]["arguments"] = arguments
    return plain


def tools(trajectory: Trajectory) -> Row:
    """The column `tools` of an episode that was played by function calls, else no column."""
    schemas = trajectory.lineage.get("protocol", {}).get("tools")
    return {"tools": schemas} if schemas else {}


def reward(trajectory: Trajectory) -> float:
    """What an episode is worth: its score, or the environment's return where nobody has scored it."""
    return trajectory.env_return if trajectory.score is None else trajectory.score


def unusable(trajectory: Trajectory) -> str:
    """Why an episode says nothing that one could learn from, or ""."""
    if not trajectory.scored:
        return "failed outside the model or cancelled"
    return "" if trajectory.steps else "its steps were not kept"
