"""Where a training run stands; what a checkpoint keeps beside weights and optimizer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Standing:
    """Where a run stands.

    Attributes:
        iteration: how many are finished.
        episodes: how many have been played.
        seconds: of playing and learning.
        skipped: iterations without a learning signal, in which the weights were not updated.
        skipped_in_a_row: so many of them, up to the last iteration.
        best: the highest success on the selecting tasks, and after which iteration; None before the first.
        order: of the tasks, and groups on their way (`Generation.state`).
    """

    iteration: int = 0
    episodes: int = 0
    seconds: float = 0.0
    skipped: int = 0
    skipped_in_a_row: int = 0
    best: tuple[float, int] | None = None
    order: dict[str, Any] = field(default_factory=dict)
