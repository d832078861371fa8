"""Weights as numpy arrays, which Ray hands to all actors of a machine in one piece of shared memory."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Packed = dict[str, tuple[Any, str]]
"""By name: an array of numpy, and the name of torch's dtype."""


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
