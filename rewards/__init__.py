"""train-agent rewards: pure functions of a trajectory."""

from rewards.mixture import LIMIT, SHAPINGS, Mixture
from rewards.outcome import outcome

__all__ = ["LIMIT", "SHAPINGS", "Mixture", "outcome"]
