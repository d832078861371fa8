"""What the names of algorithms stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainers.advantages import Estimator


@dataclass(frozen=True, slots=True)
class GroupRelative:
    """An algorithm that compares the episodes of a group.

    Attributes:
        estimator: of advantages.
        loss_type: TRL's name of its loss.
        level: whether ratios are of tokens or of whole rows.
        clip: how far below and above 1 a ratio may go before it is clipped, where the user has not said otherwise.
        source: the papers; of the clip too.
    """

    estimator: Estimator
    loss_type: str = "dapo"
    level: Literal["token", "sequence"] = "token"
    clip: tuple[float, float] = (0.2, 0.28)
    source: str = ""

    def clips(self, low: float | None, high: float | None) -> tuple[float, float]:
        """The bounds to use: the user's where they are given, the algorithm's own elsewhere."""
        return (self.clip[0] if low is None else low, self.clip[1] if high is None else high)


GROUP_RELATIVE: dict[str, GroupRelative] = {
    "grpo": GroupRelative("grpo", source="2402.03300; token mean and clip (0.2, 0.28) as in DAPO, 2503.14476"),
    "gigpo": GroupRelative("gigpo", source="2505.10978"),
    "dr_grpo": GroupRelative("dr_grpo", "dr_grpo", source="2503.20783"),
    "rloo": GroupRelative("rloo", source="2402.14740"),
    "reinforce": GroupRelative("reinforce_baseline", source="2501.03262"),
    "gspo": GroupRelative("grpo", "grpo", "sequence", (3e-4, 4e-4), source="2507.18071, section 5.1"),
}
"""DPO, KTO and SFT are not among them: they learn from pairs, verdicts and successes."""
