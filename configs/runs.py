"""Options of the commands that score runs and work on stored ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from configs.common import EnvConfig, ModelConfig, RunConfig
from configs.ranges import Range, count


@dataclass(frozen=True, kw_only=True)
class EvalConfig(EnvConfig, ModelConfig, RunConfig):
    """Score a policy by a named protocol, which is stored with the score."""

    protocol: str | None = None
    """The evaluation protocol: alfworld-seen, alfworld-unseen, dbbench, verl-agent, agentbench-fc, agentbench-v02, or
    contest for both of agentbench-v02 and their joint score. Where none is given: all tasks of --env and --split."""

    talk: str | None = None
    """How environment and model talk (plain, react, think, tool, or an edition); the protocol's own way where none is
    given. It is part of the fingerprint."""

    epochs: Annotated[int, count()] | None = None
    """Samples of each task; the protocol's own number where none is given."""


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """Compare two scored runs on the same tasks: is B better than A, and could that be chance?"""

    a: str
    """The baseline: a run's folder or a result file."""

    b: str
    """What is held against it."""

    protocol: str | None = None
    """Which result, where a run has several."""

    force: bool = False
    """Compare although the two were not scored under the same conditions; what differs is shown."""

    json: bool = False
    """Print the comparison as JSON."""


@dataclass(frozen=True, kw_only=True)
class ViewConfig:
    """Write a run's report: one HTML file with every episode, which opens from disk."""

    run: str
    """The run's folder."""

    tokenizer: str | None = None
    """The model's folder or name, to show token by token; the run's own model where it is a folder."""

    output: Path | None = None
    """The file to write; report.html in the run's folder where none is given."""


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Write a run's episodes in a format of others: HF datasets, TRL's data, or a log for inspect_ai's viewer."""

    run: str
    """The run's folder."""

    format: Literal["dataset", "sft", "preference", "inspect"]
    """dataset (a folder for datasets.load_from_disk), sft or preference (TRL's, .jsonl), inspect (.eval or .json)."""

    output: Path
    """The file or folder to write."""

    min_gap: Annotated[float, Range(0, 1000)] = 0.0
    """Preference pairs differ in reward by more than this."""

    all_episodes: bool = False
    """Let sft hold episodes that did not solve their task."""

    allow_evaluation: bool = False
    """Let training data hold tasks of an evaluation split; whoever trains on them has no score any more."""
