"""The memory of the device that engines and a trainer share."""

from __future__ import annotations

MEMORY_SHARE = 0.4
"""Of the memory that is free when the engine starts, for keys and values at most: a trainer lives beside it, and what
its optimizer and its activations will take is not taken yet."""


def device_memory() -> tuple[int, int]:
    """Bytes of the device that are free, and all there are."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()
    import psutil  # type: ignore[import-untyped]

    memory = psutil.virtual_memory()
    return memory.available, memory.total
