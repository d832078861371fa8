"""`train-agent export`: stored episodes in the formats of others."""

from __future__ import annotations

from configs import ExportConfig
from rollout.export import export
from rollout.store import StoreError


def run(config: ExportConfig) -> int:
    """Export. Returns 0.

    Raises:
        StoreError: if there is a file at the output already.
    """
    if config.output.is_file():
        remedy = "Remove it, or give another path."
        raise StoreError("there is something here already", where=config.output, remedy=remedy)
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
