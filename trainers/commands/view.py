"""`train-agent view`: the report of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from configs import ViewConfig
from eval.result import find_result
from eval.view import token_strings, write_report
from rollout import read_trajectories
from rollout.loading import load_tokenizer
from rollout.models import checkpoint


def run(config: ViewConfig) -> int:
    """Write the report. Returns 0."""
    folder = Path(config.run)
    trajectories = read_trajectories(folder)
    scored = any((folder / "eval").glob("*.json"))
    result = find_result(folder) if scored else None
    played_by = next((str(trajectory.lineage.get("policy", {}).get("name", "")) for trajectory in trajectories), "")
    model = checkpoint(config.tokenizer or played_by)
    has_tokenizer = (Path(model) / "tokenizer_config.json").is_file()
    tokens_of = token_strings(cast(Any, load_tokenizer(model))) if config.tokenizer or has_tokenizer else None
    if tokens_of is None and any(step.tokens for trajectory in trajectories for step in trajectory.steps):
        print(f"{played_by} is no folder with a tokenizer: messages are shown, tokens are not (give --tokenizer)")
    file = config.output or folder / "report.html"
    write_report(trajectories, file, title=folder.name, result=result, tokens_of=tokens_of)
    print(f"{len(trajectories)} episodes: {file}")
    return 0
