"""`train-agent view`: the report of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from configs import ViewConfig
from eval.errors import ResultError
from eval.result import find_result
from eval.view import token_strings, write_report
from rollout import read_trajectories
from rollout.loading import load_tokenizer


def run(config: ViewConfig) -> int:
    """Write the report. Returns 0."""
    folder = Path(config.run)
    trajectories = read_trajectories(folder)
    try:
        result = find_result(folder)
    except ResultError:
        result = None  # collected and not scored
    model = config.tokenizer or str(trajectories[0].lineage.get("policy", {}).get("name", ""))
    has_tokenizer = (Path(model) / "tokenizer_config.json").is_file()
    tokens_of = token_strings(cast(Any, load_tokenizer(model))) if config.tokenizer or has_tokenizer else None
    file = config.output or folder / "report.html"
    write_report(trajectories, file, title=folder.name, result=result, tokens_of=tokens_of)
    print(f"{len(trajectories)} episodes: {file}")
    return 0
