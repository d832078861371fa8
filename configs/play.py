"""Options of `train-agent play`."""

from __future__ import annotations

from dataclasses import dataclass

from configs.common import EnvConfig


@dataclass(frozen=True, kw_only=True)
class PlayConfig(EnvConfig):
    """Play a task in the terminal, or watch the expert play it."""

    task: str | None = None
    """The id of the task; drawn by the seed where none is given."""

    expert: bool = False
    """Watch the expert instead of typing."""

    json: bool = False
    """Print one JSON object a step instead of text; the expert plays."""
