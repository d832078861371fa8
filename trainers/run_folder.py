"""A run's folder, and the options that it was begun with."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from configs import TrainConfig, as_yaml, read_yaml
from configs.secrets import masked
from rollout.files import atomic_file, make_run_folder
from rollout.resume import ResumeError, check_resumable
from rollout.store import StoreError

_MAY_CHANGE = (
    *("resume", "json", "iterations", "max_minutes", "patience", "output_dir", "report_to", "save_steps"),
    *("capacity", "vllm_gpu_memory_utilization", "vllm_max_num_seqs"),
    *("per_device_train_batch_size", "gradient_checkpointing"),
)
"""Options that a resumed run may have otherwise: they change nothing of what was done."""


def check_folder(config: TrainConfig, folder: Path) -> None:
    """See to it that a run may begin in the folder, or go on there. Nothing is written.

    Raises:
        ResumeError: if it holds a run and `resume` is off, or none and `resume` is on, or one with other options.
        StoreError: if it cannot be read.
    """
    file = folder / "config.yaml"
    try:
        begun, other = file.exists(), (folder / "episodes").exists()
    except OSError as error:
        raise StoreError(f"cannot be read ({error.strerror})", where=folder, remedy="Choose another with -o.") from None
    if config.resume:
        check_resumable(folder)
    elif begun or other:
        raise _holds_run(folder)
    else:
        return
    if not begun:
        remedy = "Choose another with -o."
        raise ResumeError("the folder holds episodes but no config.yaml", where=folder, remedy=remedy)
    # Whether a password is typed or named is no difference: it is not stored.
    now = masked(yaml.safe_load(as_yaml(config)), names=True)
    # What the version that began the run did not know was done as it is by default.
    before = masked({**yaml.safe_load(as_yaml(TrainConfig())), **read_yaml(file)}, names=True)
    changed = [name for name in sorted({*before, *now} - {*_MAY_CHANGE}) if before.get(name) != now.get(name)]
    if changed:
        shown = "; ".join(f"{name}: {before.get(name)!r} there, {now.get(name)!r} now" for name in changed)
        remedy = "Undo that, or choose another folder with -o."
        raise ResumeError(f"the run was begun with other options ({shown})", where=folder, remedy=remedy)


def claim(config: TrainConfig, folder: Path) -> None:
    """Write the options into the folder of a run that begins.

    Raises:
        ResumeError: if another process has begun a run there meanwhile.
        StoreError: if it cannot be written to.
    """
    if config.resume:
        return
    file = folder / "config.yaml"
    if file.exists():
        raise _holds_run(folder)
    make_run_folder(folder)
    with atomic_file(file) as opened:
        os.fchmod(opened.fileno(), 0o600)  # also in a folder that others may read
        opened.write(as_yaml(config).encode())


def _holds_run(folder: Path) -> ResumeError:
    remedy = "Add --resume to go on, or choose another with -o."
    return ResumeError("the folder holds a run", where=folder, remedy=remedy)
