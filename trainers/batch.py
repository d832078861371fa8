"""From episodes to rows, and from rows to tensors: the only place where either is made.

A row is what one forward pass sees. An append-only episode is one row: prompt = the first turn's prompt, completion =
everything after it, the environment's tokens included, with a mask that is 1 on what the model sampled. With causal
attention every sampled token is conditioned on exactly the ids that it was sampled after, so the row gives all turns'
logprobs in one pass.

An episode played with a window of past turns was shown another prompt at every turn, so its turns are rows of their
own; where a turn's prompt begins with all ids of the row before it (as long as the window has dropped nothing, and the
template rendered the past to the ids that were sampled) it continues that row. The test is on ids, never on text.

Merged or not, an episode has the same sampled tokens with the same contexts, so a loss that is a sum over tokens
divided by their number in the batch (TRL's `dapo`, `cispo`) is the same. A mean over rows (`grpo`, `dr_grpo`, GSPO)
weighs an episode by its number of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from envs.errors import ContractError, DataError
from rollout.trajectory import Step, Trajectory

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Row:
    """What one forward pass sees. All arrays have shape (L,), L the row's tokens.

    Attributes:
        episode: the trajectory's id, or "" for a null row.
        prompt: how many tokens stand before the first sampled one; at least 1.
        ids: the tokens, as the model saw and sampled them.
        mask: 1 on sampled tokens.
        advantages: of the token's turn; 0 outside the mask.
        logprobs: by which the token was drawn, after temperature and truncation; 0 outside the mask.
        versions: of that policy; -1 outside the mask.
        turns: the number of the turn, from 0, that sampled the token; -1 outside the mask.
    """

    episode: str
    prompt: int
    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    advantages: NDArray[np.float32]
    logprobs: NDArray[np.float32]
    versions: NDArray[np.int64]
    turns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def trained(self) -> int:
        """How many of its tokens are trained."""
        return int(self.mask.sum())

    def start(self, length: int) -> Row:
        """The row's first `length` tokens."""
        arrays = {name: getattr(self, name)[:length] for name in _ARRAYS}
        return replace(self, **arrays)


_ARRAYS = ("ids", "mask", "advantages", "logprobs", "versions", "turns")


@dataclass(slots=True)
class Batch:
    """Rows, and what is not among them.

    Attributes:
        rows: in the order of the episodes.
        episodes: how many came in.
        without_tokens: ids of those that have none: overlong before the first turn, scripted, or not kept.
        cut_rows: rows that were longer than the cap and lost their end.
        cut_tokens: sampled tokens lost so.
        lost_rows: rows without a sampled token, for want of one or because of the cap.
    """

    rows: list[Row] = field(default_factory=list)
    episodes: int = 0
    without_tokens: list[str] = field(default_factory=list)
    cut_rows: int = 0
    cut_tokens: int = 0
    lost_rows: int = 0

    @property
    def tokens(self) -> int:
        """Tokens that go through the model, padding left out."""
        return sum(map(len, self.rows))

    @property
    def trained_tokens(self) -> int:
        """Tokens that are trained."""
        return sum(row.trained for row in self.rows)


def make_batch(
    trajectories: Iterable[Trajectory], advantages: Mapping[str, NDArray[np.float64]], *, max_length: int | None = None
) -> Batch:
    """The rows of episodes.

    Args:
        trajectories: to learn from; each has its advantages.
        advantages: by the episode's id, one a turn (`trainers.advantages.advantages`).
        max_length: tokens of the longest row. What is longer loses its end, the late turns; that is counted.

    Raises:
        ContractError: if an episode has no advantages, or not one a turn.
        DataError: if a turn's tokens are not what a policy with token ids leaves.
    """
    batch = Batch()
    for trajectory in trajectories:
        if trajectory.id not in advantages:
            raise ContractError("the episode has no advantages", where=trajectory.id)
        batch.episodes += 1
        rows = rows_of(trajectory, advantages[trajectory.id])
        if not rows:
            batch.without_tokens.append(trajectory.id)
        for row in rows:
            _put(batch, row, max_length)
    return batch


def rows_of(trajectory: Trajectory, advantages: NDArray[np.float64] | None = None) -> list[Row]:
    """The rows of one episode: one if its context was append-only, with a window as few as can be; none without tokens.

    Args:
        trajectory: the episode.
        advantages: (T,), one a turn; zeros if None.

    Raises:
        ContractError: if there is not one advantage a turn.
        DataError: if some turns of an append-only episode have no tokens, or a prompt is empty.
    """
    values = np.zeros(len(trajectory.steps)) if advantages is None else advantages
    if len(values) != len(trajectory.steps):
        message = f"{len(values)} advantages for {len(trajectory.steps)} turns"
        raise ContractError(message, where=trajectory.id)
    sampled = [(turn, step) for turn, step in enumerate(trajectory.steps) if step.tokens is not None]
    grows = trajectory.window is None
    if grows and 0 < len(sampled) < len(trajectory.steps):
        raise DataError(
            f"only {len(sampled)} of {len(trajectory.steps)} turns have tokens",
            where=trajectory.id,
            remedy="Play the episode again with an engine that gives token ids.",
        )
    open_rows: list[_OpenRow] = []
    for (turn, step), prompt in zip(sampled, trajectory.prompts(), strict=True):
        if not prompt:
            raise DataError(f"turn {turn} has an empty prompt", where=trajectory.id)
        if not open_rows or not (grows or open_rows[-1].begins(prompt)):
            open_rows.append(_OpenRow())
        open_rows[-1].add(prompt, step, turn, float(values[turn]))
    return [row.close(trajectory.id) for row in open_rows]


def null_row(token: int) -> Row:
    """A row that changes nothing: two tokens that are attended to and not trained.

    Attended to, since a row whose attention is masked throughout is a softmax over nothing: NaN in its gradient.
    """
    zeros = np.zeros(2, dtype=np.int64)
    none = np.full(2, -1, dtype=np.int64)
    floats = np.zeros(2, dtype=np.float32)
    return Row("", 1, np.full(2, token, dtype=np.int64), zeros, floats, floats, none, none)


def with_null_rows(rows: Sequence[Row], multiple: int, token: int) -> list[Row]:
    """The rows, and as many null rows as make their number a multiple, which must be above 0; none for no rows.

    Args:
        rows: the batch's.
        multiple: rows of a micro-batch times processes.
        token: any id of the vocabulary.
    """
    return [*rows, *(null_row(token) for _ in range(-len(rows) % multiple))]


def collate(rows: Sequence[Row], pad_token_id: int, *, pad_to_multiple_of: int = 1) -> dict[str, torch.Tensor]:
    """Tensors as `GRPOTrainer._generate_and_score_completions` returns them (TRL 1.16), with B rows, prompts of at most
    P tokens and completions of at most T.

    Args:
        rows: of one process, null rows included.
        pad_token_id: fills up; it is neither attended to nor trained.
        pad_to_multiple_of: of P and of T.

    Returns:
        - `prompt_ids`, `prompt_mask` (B, P): padded on the left.
        - `completion_ids`, `completion_mask` (B, T): padded on the right; the mask is 1 on every real token.
        - `tool_mask` (B, T): 1 on sampled tokens. TRL trains `completion_mask * tool_mask`.
        - `advantages`, `sampling_per_token_logps` (B, T), float32; `versions`, `turns` (B, T): see `Row`.
        - `num_items_in_batch` (): trained tokens of these rows; sum it over the processes.
        - `num_rows_in_batch` (): rows that are no null rows; likewise. A loss that is a mean over rows (`grpo`,
          `dr_grpo`, `sapo`, `luspo`) must be multiplied by B / num_rows_in_batch of the whole batch to leave out null
          rows; one that divides by tokens (`dapo`, `cispo`) is right as it is.

    Raises:
        ContractError: if there are no rows.
    """
    import torch

    if not rows:
        raise ContractError(
            "a batch without rows",
            remedy="No group had a signal: play more tasks, or tasks that are solved sometimes but not always.",
        )
    prompts = _Padding([row.prompt for row in rows], pad_to_multiple_of, left=True)
    completions = _Padding([len(row) - row.prompt for row in rows], pad_to_multiple_of, left=False)
    tail = {name: [getattr(row, name)[row.prompt :] for row in rows] for name in _ARRAYS}
    return {
        "prompt_ids": prompts.tensor([row.ids[: row.prompt] for row in rows], pad_token_id),
        "prompt_mask": prompts.mask(),
        "completion_ids": completions.tensor(tail["ids"], pad_token_id),
        "completion_mask": completions.mask(),
        "tool_mask": completions.tensor(tail["mask"], 0),
        "advantages": completions.tensor(tail["advantages"], 0.0),
        "sampling_per_token_logps": completions.tensor(tail["logprobs"], 0.0),
        "versions": completions.tensor(tail["versions"], -1),
        "turns": completions.tensor(tail["turns"], -1),
        "num_items_in_batch": torch.tensor(sum(row.trained for row in rows)),
        "num_rows_in_batch": torch.tensor(sum(row.episode != "" for row in rows)),
    }


class _OpenRow:
    """A row to which turns are still added."""

    def __init__(self) -> None:
        self.prompt = 0
        self.lists: dict[str, list[Any]] = {name: [] for name in _ARRAYS}

    def begins(self, prompt: Sequence[int]) -> bool:
        """Whether a turn's prompt begins with all ids of the row."""
        ids = self.lists["ids"]
        return list(prompt[: len(ids)]) == ids

    def add(self, prompt: Sequence[int], step: Step, turn: int, advantage: float) -> None:
        tokens = step.tokens
        assert tokens is not None
        between = prompt[len(self.lists["ids"]) :]
        self.prompt = self.prompt or len(between)
        length = len(tokens.completion_ids)
        filled = (0, 0.0, 0.0, -1, -1)
        said: tuple[Sequence[float], ...]
        said = ([1] * length, [advantage] * length, tokens.logprobs, [step.version] * length, [turn] * length)
        self.lists["ids"] += [*between, *tokens.completion_ids]
        for name, nothing, values in zip(_ARRAYS[1:], filled, said, strict=True):
            self.lists[name] += [*([nothing] * len(between)), *values]

    def close(self, episode: str) -> Row:
        types = (np.int64, np.int64, np.float32, np.float32, np.int64, np.int64)
        arrays = {name: np.array(self.lists[name], dtype=kind) for name, kind in zip(_ARRAYS, types, strict=True)}
        return Row(episode, self.prompt, **arrays)


class _Padding:
    """Pads pieces of different lengths to one width, on one side."""

    def __init__(self, lengths: Sequence[int], multiple: int, *, left: bool) -> None:
        width = -(-max(lengths) // multiple) * multiple
        self.shape = (len(lengths), width)
        self.places = [slice(width - n, width) if left else slice(0, n) for n in lengths]

    def tensor(self, pieces: Sequence[NDArray[Any]], value: float) -> torch.Tensor:
        import torch

        filled = np.full(self.shape, value, dtype=pieces[0].dtype)
        for row, place, piece in zip(filled, self.places, pieces, strict=True):
            row[place] = piece
        return torch.from_numpy(filled)

    def mask(self) -> torch.Tensor:
        import torch

        ones = np.zeros(self.shape, dtype=np.int64)
        for row, place in zip(ones, self.places, strict=True):
            row[place] = 1
        return torch.from_numpy(ones)


def _put(batch: Batch, row: Row, max_length: int | None) -> None:
    """Add a row, cut to the cap, and without what follows its last sampled token: that costs and teaches nothing."""
    longest = len(row) if max_length is None else max_length
    sampled = np.flatnonzero(row.mask[:longest])
    batch.cut_rows += len(row) > longest
    batch.cut_tokens += row.trained - len(sampled)
    if len(sampled):
        batch.rows.append(row.start(int(sampled[-1]) + 1))
    else:
        batch.lost_rows += 1
