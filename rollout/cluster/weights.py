"""Weights on their way to Ray's actors: as numpy arrays, which Ray hands to all actors of a machine in one piece of
shared memory; or a LoRA adapter alone, as its files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Packed = dict[str, tuple[Any, str]]
"""By name: an array of numpy, and the name of torch's dtype."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter as PEFT saves it.

    Attributes:
        files: what they hold, by name.
    """

    files: dict[str, bytes]

    @classmethod
    def read(cls, folder: Path) -> Adapter:
        """What `save_pretrained` has written."""
        return cls({file.name: file.read_bytes() for file in folder.iterdir()})

    def write(self, folder: Path) -> None:
        """The same files in another folder."""
        for name, held in self.files.items():
            (folder / name).write_bytes(held)


def pack(weights: Mapping[str, torch.Tensor]) -> Packed:
    """Tensors as arrays, on the CPU. Those that numpy has no type for (bfloat16, float8) go by their bits."""
    return {name: (_bits(tensor), str(tensor.dtype).removeprefix("torch.")) for name, tensor in weights.items()}


def unpack(packed: Packed) -> dict[str, torch.Tensor]:
    """The tensors again, over the same memory: they may be read, and only as long as `packed` lives."""
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return {name: torch.from_numpy(array).view(getattr(torch, dtype)) for name, (array, dtype) in packed.items()}


def _bits(tensor: torch.Tensor) -> Any:
    import torch

    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype.is_floating_point and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
        tensor = tensor.view(torch.int16 if tensor.dtype.itemsize == 2 else torch.uint8)
    return tensor.numpy()
