"""Supervised fine-tuning on episodes: rows of token ids for TRL's `SFTTrainer`; only what the model said is learned.

TRL uses a column `labels` as it is and leaves it -100 where nothing is learned. It cuts rows at `max_length` (1024 by
default) without a word, so rows are cut here and counted: give the trainer the same number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from envs.errors import DataError
from envs.protocol import Message
from rollout.rendering import Renderer
from rollout.trajectory import Step, Tokens, Trajectory
from trainers.batch import Batch, Row, make_batch

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""The label of a token that is not learned (PyTorch's `ignore_index`)."""


@dataclass(frozen=True, slots=True)
class SupervisedRows:
    """Rows to imitate.

    Attributes:
        rows: `input_ids` and `labels`, lists of the same length; what `datasets.Dataset.from_list` takes.
        left_out: episodes without a row, by reason.
        batch: the same rows with turns and versions, and what the cap cost.
    """

    rows: list[dict[str, list[int]]]
    left_out: Counter[str] = field(default_factory=Counter)
    batch: Batch = field(default_factory=Batch)


def supervised_rows(
    trajectories: Iterable[Trajectory],
    *,
    successes_only: bool = True,
    flawless_turns_only: bool = False,
    max_length: int | None = None,
) -> SupervisedRows:
    """Rows of `input_ids` and `labels`: the ids as the model saw and sampled them, -100 on what it did not sample.

    Args:
        trajectories: with tokens; those of experts and chat servers get theirs by `with_tokens`.
        successes_only: leave out what did not solve its task.
        flawless_turns_only: show, but do not learn, turns that broke the protocol's form or were inadmissible.
        max_length: tokens of the longest row; the end of a longer one is cut, and counted in `batch`.

    Raises:
        DataError: if an episode has tokens for some of its turns only.
    """
    left_out: Counter[str] = Counter()
    kept: dict[str, Trajectory] = {}
    for trajectory in trajectories:
        if why := _unusable(trajectory, successes_only):
            left_out[why] += 1
        else:
            kept[trajectory.id] = trajectory
    nothing = {id: np.zeros(len(trajectory.steps)) for id, trajectory in kept.items()}
    batch = make_batch(kept.values(), nothing, max_length=max_length)
    rows = [_row(row, kept[row.episode].steps, flawless_turns_only) for row in batch.rows]
    learned = [row for row in rows if any(label != IGNORED for label in row["labels"])]
    left_out += Counter({"without tokens": len(batch.without_tokens), "no turn to learn": len(rows) - len(learned)})
    return SupervisedRows(learned, +left_out, batch)


def with_own_tokens(trajectory: Trajectory, tokenizer: PreTrainedTokenizerBase, renderer: Renderer) -> Trajectory:
    """An episode with this model's tokens: as it is where this model's tokenizer reads its ids as what was said, and
    with tokens made by `with_tokens` where it has none or another tokenizer's.

    Args and Raises: see `with_tokens`.
    """
    tokens = [(step.tokens, step.reply.content) for step in trajectory.steps if step.tokens]
    known = len(tokenizer)
    own = tokens and all(
        max(found.completion_ids) < known and renderer.decode(found.completion_ids) == said for found, said in tokens
    )
    return trajectory if own else with_tokens(trajectory, tokenizer, renderer)


def with_tokens(trajectory: Trajectory, tokenizer: PreTrainedTokenizerBase, renderer: Renderer) -> Trajectory:
    """An episode that has only messages, with the tokens by which this model would have said the same.

    Prompts are rendered as `rollout.policy.ModelPolicy` renders them, so that a model sees in training what it will see
    in play. Logprobs are NaN: nobody sampled these tokens.

    Args:
        trajectory: of an expert, a replay or a chat server.
        tokenizer: of the model to be trained.
        renderer: of the same tokenizer, with the schemas of the episode's protocol.

    Raises:
        DataError: if the template writes a function call so that it cannot be told from what surrounds it.
    """
    steps: list[Step] = []
    opening: Sequence[Message] = ()
    sampled: Sequence[int] = ()
    for step in trajectory.steps:
        if not steps or trajectory.window == 0:
            opening = step.messages
            prompt = renderer.open(opening)
        elif trajectory.window is None:
            prompt = renderer.extend(sampled, step.messages)
        else:
            prompt = renderer.open([*opening, *_past([*steps, step], trajectory.window)])
        sampled = _said(step.reply, tokenizer, renderer, trajectory.id)
        tokens = Tokens(tuple(prompt), tuple(sampled), (float("nan"),) * len(sampled))
        steps.append(replace(step, tokens=tokens))
    return replace(trajectory, steps=tuple(steps))


def _unusable(trajectory: Trajectory, successes_only: bool) -> str:
    if not trajectory.scored:
        return "failed outside the model or cancelled"
    if successes_only and not trajectory.success:
        return "not a success"
    return "" if trajectory.steps else "its steps were not kept"


def _row(row: Row, steps: Sequence[Step], flawless_only: bool) -> dict[str, list[int]]:
    flawless = np.array([step.valid and step.admissible is not False for step in steps])
    learned = row.mask.astype(bool)
    if flawless_only:
        learned &= flawless[row.turns]  # a turn of -1 is outside the mask in any case
    return {"input_ids": row.ids.tolist(), "labels": np.where(learned, row.ids, IGNORED).tolist()}


def _past(steps: Sequence[Step], window: int) -> list[Message]:
    """The last `window` replies before the last of `steps`, each with the messages that followed it."""
    pairs = list(pairwise(steps))[-window:]
    return [message for said, shown in pairs for message in (said.reply, *shown.messages)]


def _said(reply: Message, tokenizer: PreTrainedTokenizerBase, renderer: Renderer, where: str) -> list[int]:
    """The ids of a reply, its end included where the template ends a turn by a token of its own."""
    question = Message("user", "x")
    if not reply.tool_calls:
        end = renderer.extend((), (question,))[:1]
        ids = list(tokenizer.encode(reply.content, add_special_tokens=False))
    else:
        # How a call is written is the template's secret: it is what stands between the question and the results.
        results = [Message("tool", "x", tool_call_id=call.id) for call in reply.tool_calls]
        head, after = renderer.open([question]), renderer.extend((), results)
        whole = renderer.open([question, reply, *results])
        if whole[: len(head)] != head or whole[-len(after) :] != after:
            raise DataError("the chat template leaves no seam around a function call", where=where)
        end, ids = after[:1], whole[len(head) : -len(after)]
    return ids + [token for token in end if token in renderer.stop_ids]
