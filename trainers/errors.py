"""What can go wrong in training."""

from __future__ import annotations

from envs.errors import EnvError
from envs.installation import command


class TrainingError(EnvError, RuntimeError):
    """Training cannot begin or go on: settings that do not fit, nothing to learn from, numbers that are none."""


class TrackerError(EnvError, LookupError):
    """A tracker that does not exist, or is not installed."""

    wrong_usage = True


def smaller_updates() -> str:
    """The remedy for a run whose loss, gradients or weights are not finite."""
    again = command("train", "--config", "RUN/config.yaml", "--model", "RUN/model", "-o", "OTHER")
    return (
        f"Begin another run from its model ({again}) with a lower --learning-rate, a smaller --max-grad-norm, or "
        "--no-bf16, which computes in float32."
    )
