"""Where the time went: how busy the engine was, what the slots waited for, and what to change for more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CAUSES = ("queue", "prefill", "decode", "environment", "idle")
"""What a slot waits for. `queue`: a place in the engine's batch. `environment`: the environment, and whatever else an
episode does outside the engine. `idle`: its next episode; what was lost with a worker that died counts here too."""

WORTH = 0.05
"""Of the time: a loss that is smaller is not worth a remedy."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Where the time of an iteration went, or of several.

    Attributes:
        wall: seconds from its beginning to its end: sync, playing, training.
        playing: of these, with an episode under way.
        busy: of these, with a request that some engine prefilled or decoded.
        train: of training, with no episode under way.
        sync: of giving the engine its weights, likewise.
        slots: seconds of all slots together while `playing`, by `CAUSES`.
    """

    wall: float = 0.0
    playing: float = 0.0
    busy: float = 0.0
    train: float = 0.0
    sync: float = 0.0
    slots: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            wall=self.wall + other.wall,
            playing=self.playing + other.playing,
            busy=self.busy + other.busy,
            train=self.train + other.train,
            sync=self.sync + other.sync,
            slots=Counter(self.slots) + Counter(other.slots),
        )

    @property
    def engine_busy(self) -> float:
        """The share of `wall` in which at least one request was prefilled or decoded, of all engines together."""
        return self.busy / self.wall if self.wall else 0.0

    @property
    def shares(self) -> dict[str, float]:
        """Of the slots' time, by cause; they sum to 1, or are all 0 where nothing was played."""
        whole = sum(self.slots.values()) or 1.0
        return {cause: self.slots.get(cause, 0.0) / whole for cause in CAUSES}

    @property
    def losses(self) -> dict[str, float]:
        """The share of `wall` that the engine's places stand empty for each cause; `other` is when nothing was under
        way for another reason, such as processes that start."""
        shares = self.shares
        seconds = {cause: self.playing * shares[cause] for cause in ("queue", "environment", "idle")}
        seconds |= {"train": self.train, "sync": self.sync}
        seconds["other"] = max(0.0, self.wall - self.playing - self.train - self.sync)
        return {cause: value / self.wall if self.wall else 0.0 for cause, value in seconds.items()}

    def measures(self) -> dict[str, Any]:
        """For the record of an iteration; nothing where nothing was played."""
        return {"slots": self.shares, "engine_busy": self.engine_busy} if self.playing else {}

    def line(self, remedies: Mapping[str, str], otherwise: str) -> str:
        """How busy the engine was, where the rest went, and the remedy for the greatest loss, in one line.

        Args:
            remedies: for each of `losses`.
            otherwise: where no loss is worth one.
        """
        shares, losses = self.shares, self.losses
        loss = max(losses, key=lambda cause: losses[cause])
        remedy = remedies[loss] if losses[loss] >= WORTH else otherwise
        parts = [f"engine busy {self.engine_busy:.0%} of the time"]
        for words, share in (("training", losses["train"]), ("sync", losses["sync"]), ("other", losses["other"])):
            if share >= 0.005:
                parts.append(f"{words} {share:.0%}")
        waits = f"slots waited {shares['environment']:.0%} for the environment, {shares['queue']:.0%} in the queue"
        return f"{', '.join(parts)}; {waits}, and were idle {shares['idle']:.0%}. For more: {remedy}"
