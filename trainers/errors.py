"""What can go wrong in training."""

from __future__ import annotations

from envs.errors import EnvError


class TrainingError(EnvError, RuntimeError):
    """Training cannot begin or go on: settings that do not fit, nothing to learn from, numbers that are none."""


class TrackerError(EnvError, LookupError):
    """A tracker that does not exist, or is not installed."""

    wrong_usage = True
