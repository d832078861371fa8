"""Stored episodes in the formats of others: `export` writes a run's episodes as one of `FORMATS`.

| format | output | what |
|---|---|---|
| `dataset` | a folder | `datasets.load_from_disk`: a row an episode, tokens and all |
| `sft` | `.jsonl` | TRL's conversational format: `messages`, and `tools` where functions were called |
| `preference` | `.jsonl` | TRL's preference format: `prompt`, `chosen`, `rejected` |
| `inspect` | `.eval` or `.json` | inspect_ai's log, for `inspect view` |
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from envs import TaskError
from rollout.export.dataset import episodes_dataset
from rollout.export.inspect_log import inspect_log, write_eval, write_json
from rollout.export.preference import preference_rows
from rollout.export.rows import Rows, dump
from rollout.export.sft import sft_rows
from rollout.files import atomic_file, atomic_folder, check_writable
from rollout.store import StoreError, read_trajectories
from rollout.trajectory import Trajectory

log = logging.getLogger(__name__)

FORMATS = ("dataset", "sft", "preference", "inspect")

EVALUATION_SPLITS = frozenset(
    {"valid_seen", "valid_unseen", "standard", "dev", "valid", "validation", "eval", "evaluation", "test"}
)
"""Splits by which benchmarks are scored: whoever trains on them has no score any more."""

__all__ = ["EVALUATION_SPLITS", "FORMATS", "episodes_dataset", "export", "inspect_log", "preference_rows", "sft_rows"]


def export(
    run: str | Path,
    format: str,
    output: str | Path,
    *,
    successes_only: bool = True,
    min_gap: float = 0.0,
    allow_evaluation: bool = False,
) -> int:
    """Write a run's episodes in a format of others, whole or not at all.

    What is left out is counted by its reason in the log.

    Args:
        run: the run's folder, or one file of episodes.
        format: one of `FORMATS`.
        output: the file or folder to write. A file is replaced; a folder must be new or empty.
        successes_only: `sft` leaves out what did not solve its task.
        min_gap: `preference` pairs rewards that differ by more than this.
        allow_evaluation: let `dataset`, `sft` and `preference`, from which models are trained, hold tasks of an
            evaluation split.

    Returns:
        The number of rows (of samples, for `inspect`).

    Raises:
        TaskError: on an unknown format, an output whose name does not fit it, or tasks of an evaluation split.
        StoreError: if there are no episodes, none makes a row, or the disk takes no more; what was there stays as it
            was.
    """
    if format not in FORMATS:
        near = get_close_matches(format, FORMATS, n=1, cutoff=0.4)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise TaskError(f"unknown format {format!r}", remedy=f"{hint}There are: {', '.join(FORMATS)}.")
    path = Path(output)
    _check_output(format, path)
    trajectories = read_trajectories(run)
    if not trajectories:
        raise StoreError("there are no episodes", where=run, remedy="Name a run that has some.")
    if format == "inspect":
        return _inspect(trajectories, Path(run), path)
    if not allow_evaluation:
        _refuse_evaluation(trajectories, run)
    if format == "dataset":
        with atomic_folder(path) as folder:
            episodes_dataset(trajectories).save_to_disk(str(folder))
        return len(trajectories)
    if format == "sft":
        return _jsonl(sft_rows(trajectories, successes_only=successes_only), path)
    return _jsonl(preference_rows(trajectories, min_gap=min_gap), path)


def _refuse_evaluation(trajectories: Sequence[Trajectory], run: str | Path) -> None:
    splits = sorted({trajectory.split for trajectory in trajectories} & EVALUATION_SPLITS)
    if splits:
        raise TaskError(
            f"the run holds tasks of {' and '.join(splits)}, by which models are scored: trained on them, no score of "
            "theirs means anything",
            where=run,
            remedy="Collect from the split train; or say allow_evaluation (--allow-evaluation) if this is no training "
            "data.",
        )


def _jsonl(rows: Rows, path: Path) -> int:
    left = "; ".join(f"{count} {why}" for why, count in rows.left_out.most_common())
    if not rows.rows:
        raise StoreError(
            f"nothing to write: no episode makes a row (left out: {left or 'none'})",
            where=path,
            remedy="Collect more episodes of each task, or take --all-episodes for sft.",
        )
    log.info("%s: %d rows; episodes left out: %s", path, len(rows.rows), left or "none")
    with atomic_file(path) as file:
        for row in rows.rows:
            file.write(dump(row) + b"\n")
    return len(rows.rows)


_INSPECT = {".json": write_json, ".eval": write_eval}


def _check_output(format: str, path: Path) -> None:
    """Refuse what cannot be written, before a run is read for minutes.

    Raises:
        TaskError: if the name does not fit the format.
        StoreError: if the disk does not take it.
    """
    if format == "inspect" and path.suffix not in _INSPECT:
        raise TaskError("inspect's logs end in .eval or .json", where=path, remedy=f"Write {path.name}.eval.")
    if format != "dataset" and path.is_dir():
        raise TaskError("is a folder, and a file is to be written", where=path, remedy=f"Write {path / 'data.jsonl'}.")
    check_writable(path.parent)


def _inspect(trajectories: Sequence[Trajectory], run: Path, path: Path) -> int:
    files = [run] if run.is_file() else [*run.glob("**/*.jsonl")]
    created = datetime.fromtimestamp(max(file.stat().st_mtime for file in files), UTC)
    made = inspect_log(trajectories, name=run.resolve().name, created=created)
    with atomic_file(path) as file:
        _INSPECT[path.suffix](made, file)
    return len(trajectories)
