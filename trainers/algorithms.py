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
        source: the paper.
    """

    estimator: Estimator
    loss_type: str = "dapo"
    level: Literal["token", "sequence"] = "token"
    source: str = ""


GROUP_RELATIVE: dict[str, GroupRelative] = {
    "grpo": GroupRelative("grpo", source="2402.03300; token mean as in DAPO, 2503.14476"),
    "gigpo": GroupRelative("gigpo", source="2505.10978"),
    "dr_grpo": GroupRelative("dr_grpo", "dr_grpo", source="2503.20783"),
    "rloo": GroupRelative("rloo", source="2402.14740"),
    "reinforce": GroupRelative("reinforce_baseline", source="2501.03262"),
    "gspo": GroupRelative("grpo", "grpo", "sequence", source="2507.18071"),
}
"""DPO, KTO and SFT are not among them: they learn from pairs, verdicts and successes."""
