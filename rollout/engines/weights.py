"""Weights on their way to an engine: in a file that is whole or absent, and checked before they touch anything."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rollout.engine import EngineError

if TYPE_CHECKING:
    import torch

Shapes: TypeAlias = dict[str, tuple[int, ...]]

SHARED_MEMORY = Path("/dev/shm")
"""Where a file never touches a disk, on Linux."""


def write_weights(weights: Mapping[str, torch.Tensor], folder: str | Path | None = None) -> Path:
    """A safetensors file that another process may load; it appears whole or not at all, and is the caller's to delete.

    Args:
        weights: a state dict; weights that share memory are written one by one.
        folder: shared memory by default, or the folder for temporary files where there is none.
    """
    from safetensors.torch import save_file

    if folder is None:
        folder = SHARED_MEMORY if SHARED_MEMORY.is_dir() else Path(tempfile.gettempdir())
    handle, name = tempfile.mkstemp(prefix="weights-", suffix=".part", dir=folder)
    os.close(handle)
    part = Path(name)
    try:
        # Tied weights are one tensor under two names, which safetensors refuses.
        seen: set[int] = set()
        alone = {}
        for key, weight in weights.items():
            shared = weight.data_ptr() in seen
            seen.add(weight.data_ptr())
            alone[key] = weight.detach().clone() if shared else weight.detach().contiguous()
        save_file(alone, part)
        return part.rename(part.with_suffix(".safetensors"))
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_weights(file: str | Path) -> dict[str, torch.Tensor]:
    """What `write_weights` has written.

    Raises:
        EngineError: if the file is absent, truncated or no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise EngineError(f"{file}: the weights cannot be read ({error}). Write them again.") from error


def checkpoint_shapes(folder: str | Path) -> Shapes | None:
    """Names and shapes of the weights of a checkpoint; None where they are not in safetensors files of a folder."""
    files = sorted(Path(folder).glob("*.safetensors"))
    shapes: Shapes = {}
    for file in files:
        with file.open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        shapes |= {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    return shapes or None


def misfits(weights: Mapping[str, torch.Tensor], shapes: Shapes, *, tied: bool) -> str:
    """In what way weights differ from those of a checkpoint; "" if in none.

    Args:
        weights: by name.
        shapes: of the checkpoint's.
        tied: whether the head is the embedding's: then either may come with it or without.
    """
    optional = {"lm_head.weight"} if tied else set()
    if wrong := sorted((shapes.keys() ^ weights.keys()) - optional):
        return f"missing or unexpected: {', '.join(wrong[:5])}"
    for name, weight in weights.items():
        if name in shapes and tuple(weight.shape) != shapes[name]:
            return f"size mismatch: {name} is {tuple(weight.shape)}, not {shapes[name]}"
    return ""
