"""What a run begins with: a model, and a LoRA adapter on it where another run has trained one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollout.files import make_run_folder
from rollout.loading import load_tokenizer
from rollout.model_files import read_object

ADAPTER = "adapter_config.json"
"""The file by which PEFT tells an adapter's folder."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where the weights of a run come from.

    Attributes:
        model: the folder or the hub's name of a model with all its weights, which engines load too.
        adapter: the folder of a LoRA adapter on it, which the run goes on training; None where there is none yet.
    """

    model: str
    adapter: str | None = None

    @property
    def tokenizer(self) -> str:
        """Where the tokenizer is loaded from: the adapter's folder holds the one that it was trained with."""
        return self.adapter or self.model


def adapter_settings(path: str) -> dict[str, Any] | None:
    """The settings of an adapter in a folder, as PEFT stores them; None if the folder holds none.

    Raises:
        ModelError: if they cannot be read.
    """
    file = Path(path) / ADAPTER
    return read_object(file) if file.is_file() else None


def find_start(path: str, folder: Path, *, keep_adapter: bool, resume: bool) -> Start:
    """The model at `path`; if that is an adapter, the model below it and a copy of the adapter in `folder/base`.

    An adapter is never merged into weights of 16 bits: what it has learned is smaller than their rounding (half of 2^-8
    of a weight), and most of it would be lost. It stays an adapter, trained on above frozen weights. Where all weights
    are trained, they are float32 in any case: then it is merged in float32, and `folder/base` holds the whole model in
    float32.

    Args:
        path: of a model or an adapter, or a hub's name.
        folder: the run's.
        keep_adapter: whether an adapter is trained.
        resume: whether the run goes on with what its folder holds.
    """
    begun = (folder / "config.yaml").exists()
    settings = adapter_settings(path)
    if begun and resume and (folder / "base").is_dir():
        return _stored(folder / "base")
    if settings is None or begun:
        return Start(path)
    make_run_folder(folder)
    base, part = folder / "base", folder / "base.part"
    for left in (base, part):
        shutil.rmtree(left, ignore_errors=True)
    if keep_adapter:
        # The other run may go on, and write another adapter there.
        shutil.copytree(path, part, ignore=_no_folders)
    else:
        _merge(path, part)
    part.rename(base)
    return _stored(base)


def _stored(base: Path) -> Start:
    settings = adapter_settings(str(base))
    return Start(str(base)) if settings is None else Start(_below(settings), str(base))


def _below(settings: Mapping[str, Any]) -> str:
    return str(settings["base_model_name_or_path"])


def _merge(path: str, part: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    from trainers.checkpoints import save_model

    merged: Any = AutoPeftModelForCausalLM.from_pretrained(path, dtype="float32", trust_remote_code=False)
    save_model(part, merged.merge_and_unload(), load_tokenizer(path))


def _no_folders(path: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(path) / name).is_dir()]
