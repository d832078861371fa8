"""Options of `train-agent eval`, `compare` and `view`."""

from __future__ import annotations

from dataclasses import dataclass

from configs.common import EnvConfig, ModelConfig, RunConfig


@dataclass(frozen=True, kw_only=True)
class EvalConfig(EnvConfig, ModelConfig, RunConfig):
    """Score a policy by a named protocol, which is stored with the score."""

    protocol: str | None = None
    """The evaluation protocol: alfworld-seen, alfworld-unseen, dbbench, verl-agent, agentbench-fc, agentbench-v02, or
    contest for both of agentbench-v02 and their joint score. Where none is given: all tasks of --env and --split."""

    epochs: int | None = None
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

    output: str | None = None
    """The file to write; report.html in the run's folder where none is given."""
