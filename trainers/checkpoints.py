"""Checkpoints of a run: whole or not there, the last few and the best.

A folder `checkpoints/checkpoint-N` is written by whoever trains (TRL's Trainer, or `save_model`), and is a checkpoint
once it holds `run.json`, which is written last and says whether it is the best. What a kill left without it is removed
at the next start. The link `checkpoints/best` is for others.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollout.files import atomic_file

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

STATE = "run.json"


class Checkpoints:
    """The checkpoints of a run's folder.

    Args:
        run: the folder.
        limit: how many are kept, beside the best.
    """

    def __init__(self, run: Path, limit: int) -> None:
        self.folder = run / "checkpoints"
        self._limit = limit

    def path(self, number: int) -> Path:
        """The folder of one, which need not exist."""
        return self.folder / f"checkpoint-{number}"

    def all(self) -> list[Path]:
        """Those that are whole, the oldest first."""
        found = [path for path in self.folder.glob("checkpoint-*") if (path / STATE).is_file()]
        return sorted(found, key=_number)

    def best(self) -> Path | None:
        """The best, if one has been named."""
        link = self.folder / "best"
        return link.resolve() if link.exists() else None

    def newest(self) -> Path | None:
        """The newest that is whole, if there is one."""
        return next(reversed(self.all()), None)

    def holds(self, number: int) -> bool:
        """Whether there is a whole one of this number."""
        return (self.path(number) / STATE).is_file()

    def drop(self, number: int) -> None:
        """Remove a folder that was not written to its end."""
        if not self.holds(number):
            shutil.rmtree(self.path(number), ignore_errors=True)

    def seal(self, number: int, state: dict[str, Any], *, best: bool) -> None:
        """Declare a folder whole, name it the best if it is, and remove what is too old.

        Raises:
            StoreError: if the disk does not take it.
        """
        path = self.path(number)
        for file in path.iterdir():
            if file.is_file():
                _flush(file)
        with atomic_file(path / STATE) as opened:
            opened.write(json.dumps({"best": best, "run": state}, indent=1).encode())
        if best:
            self._name_best(path)
        keep = {*self.all()[-self._limit :], self.best()}
        for old in self.all():
            if old not in keep and old.resolve() not in keep:
                (old / STATE).unlink()  # first, so that half a removal is no checkpoint
                shutil.rmtree(old)

    def last(self) -> tuple[Path, dict[str, Any]] | None:
        """The newest and its state. What a kill left behind is mended: what is not whole is removed, the best named."""
        for path in self.folder.glob("checkpoint-*"):
            if not (path / STATE).is_file():
                shutil.rmtree(path)
        newest = None
        for path in self.all():
            kept = json.loads((path / STATE).read_bytes())
            newest = path, kept["run"]
            if kept["best"]:
                self._name_best(path)
        return newest

    def _name_best(self, path: Path) -> None:
        link = self.folder / ".best"
        link.unlink(missing_ok=True)
        link.symlink_to(path.name)
        link.replace(self.folder / "best")


def save_model(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write a model, or its adapter, and its tokenizer as transformers does."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load_weights(model: PreTrainedModel, folder: Path) -> None:
    """Bring a live model, or its adapter, to the weights of a folder that `save_pretrained` wrote."""
    from peft import PeftModel, load_peft_weights, set_peft_model_state_dict
    from transformers import AutoModelForCausalLM

    if isinstance(model, PeftModel):
        set_peft_model_state_dict(model, load_peft_weights(str(folder), device=str(model.device)))
        return
    other = AutoModelForCausalLM.from_pretrained(folder, dtype=model.dtype, trust_remote_code=False)
    model.load_state_dict(other.state_dict())


def _number(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def _flush(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
