"""`train-agent view`: the report of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from configs import ConfigError, ViewConfig
from eval.history import METRICS
from eval.result import find_result
from eval.view import token_strings, write_report
from eval.view.training import write_training_report
from rollout import read_trajectories
from rollout.loading import load_tokenizer
from rollout.models import checkpoint
from rollout.store import StoreError


def run(config: ViewConfig) -> int:
    """Write the report. Returns 0."""
    folder = Path(config.run)
    if (folder / METRICS).exists():
        return _training(folder, config)
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
    _check_output(file)
    write_report(trajectories, file, title=folder.name, result=result, tokens_of=tokens_of)
    print(f"{len(trajectories)} episodes: {file}")
    return 0


def _check_output(file: Path) -> None:
    """Reports may be written anew; nothing else is replaced by one.

    Raises:
        StoreError: if there is another file.
    """
    if file.exists() and not (file.is_file() and file.read_bytes()[:15].lower() == b"<!doctype html>"):
        remedy = "Give another path with -o."
        raise StoreError("there is something here already that is no report", where=file, remedy=remedy)


def _training(folder: Path, config: ViewConfig) -> int:
    """The report of a training run: its learning curve, its newest evaluation, and some of its episodes."""
    if config.output is not None:
        raise ConfigError("view: the report of a training run is written into its folder. Leave -o out.")
    # The last score of a run that has ended is that of its model; a later one may be of fewer tasks.
    evaluations = sorted((folder / "evals").glob("*/eval/*.json"), key=lambda file: file.stat().st_mtime)
    evaluations = list((folder / "evals").glob("after/eval/*.json")) or evaluations
    model = config.tokenizer or str(folder / "model")
    known = config.tokenizer or (folder / "model" / "tokenizer_config.json").is_file()
    tokens_of = token_strings(cast(Any, load_tokenizer(model))) if known else None
    file = write_training_report(folder, evaluations[-1].parents[1] if evaluations else None, tokens_of=tokens_of)
    print(f"training run: {file}")
    return 0
