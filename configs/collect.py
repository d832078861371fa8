"""Options of `train-agent collect`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from configs.common import EnvConfig, ModelConfig, RunConfig
from configs.ranges import count


@dataclass(frozen=True, kw_only=True)
class CollectConfig(EnvConfig, ModelConfig, RunConfig):
    """Play episodes and keep every one of them, for training later."""

    protocol: str = "react"
    """How environment and model talk: plain, react, think, tool, or an edition of the environment."""

    episodes: Annotated[int, count()] | None = None
    """How many episodes in all; every task where none is given."""

    per_task: Annotated[int, count()] = 1
    """Episodes of each task, which form a group."""

    keep: Literal["all", "success"] = "all"
    """Which episodes keep their steps; every episode keeps its line."""
