"""Episodes that are each called good or bad: rows for KTO (2402.01306), which needs no pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rollout.trajectory import Trajectory
from trainers.batch import Batch, make_batch
from trainers.groups import EQUAL, score


@dataclass(frozen=True, slots=True)
class Unpaired:
    """Rows, each with its label.

    Attributes:
        rows: `prompt_ids`, `completion_ids`, `completion_mask` (lists of numbers), `label` (True for a good episode),
            and whose it is: `trajectory`.
        left_out: episodes without a row, by reason.
        batch: the same rows with turns and versions, and what the cap cost.
    """

    rows: list[dict[str, Any]]
    left_out: Counter[str] = field(default_factory=Counter)
    batch: Batch = field(default_factory=Batch)

    @property
    def good(self) -> int:
        """How many rows are of good episodes."""
        return sum(row["label"] for row in self.rows)

    @property
    def weights(self) -> tuple[float, float]:
        """`desirable_weight` and `undesirable_weight` of a `KTOConfig` for which both classes weigh the same, the rarer
        raised (2402.01306, equation 8); 1 and 1 if one class is missing."""
        good, bad = self.good, len(self.rows) - self.good
        if not good or not bad:
            return 1.0, 1.0
        return max(1.0, bad / good), max(1.0, good / bad)


def unpaired_rows(
    trajectories: Iterable[Trajectory], *, threshold: float | None = None, max_length: int | None = None
) -> Unpaired:
    """The rows of episodes, with a label each; an episode with a window may be several rows of one label.

    Args:
        trajectories: with tokens.
        threshold: the least score of a good episode; if None, a good one is one that solved its task.
        max_length: tokens of the longest row; the end of a longer one is cut, and counted in `batch`.

    Raises:
        DataError: if an episode has tokens for some of its turns only, or no finite score.
    """
    left_out: Counter[str] = Counter()
    kept: dict[str, Trajectory] = {}
    for trajectory in trajectories:
        if trajectory.scored:
            kept[trajectory.id] = trajectory
        else:
            left_out["failed outside the model or cancelled"] += 1
    good = {id: bool(one.success) if threshold is None else score(one) >= threshold - EQUAL for id, one in kept.items()}
    nothing = {id: np.zeros(len(trajectory.steps)) for id, trajectory in kept.items()}
    batch = make_batch(kept.values(), nothing, max_length=max_length)
    rows = [
        {
            "prompt_ids": row.ids[: row.prompt].tolist(),
            "completion_ids": row.ids[row.prompt :].tolist(),
            "completion_mask": row.mask[row.prompt :].tolist(),
            "label": good[row.episode],
            "trajectory": row.episode,
        }
        for row in batch.rows
    ]
    with_rows = {row.episode for row in batch.rows}
    no_room = len(kept) - len(with_rows) - len(batch.without_tokens)
    left_out += Counter({"without tokens": len(batch.without_tokens), "its prompt leaves no room": no_room})
    return Unpaired(rows, +left_out, batch)
