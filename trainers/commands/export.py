"""`train-agent export`: stored episodes in the formats of others."""

from __future__ import annotations

from configs import ExportConfig
from rollout.export import export


def run(config: ExportConfig) -> int:
    """Export. Returns 0."""
    rows = export(
        config.run,
        config.format,
        config.output,
        successes_only=not config.all_episodes,
        min_gap=config.min_gap,
        allow_evaluation=config.allow_evaluation,
    )
    print(f"{rows} rows: {config.output}")
    return 0
