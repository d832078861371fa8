"""What TRL's configurations need to know about the machine, the same for every trainer."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from envs.errors import DataError
from rollout.loading import best_device


def machine_arguments(*, bf16: bool | None = None) -> dict[str, Any]:
    """Keyword arguments for `SFTConfig`, `DPOConfig`, `KTOConfig` and `GRPOConfig`: where to compute and how, and to do
    it without progress bars, trackers and telemetry, which is switched off for the process.

    Args:
        bf16: compute in bfloat16 with weights in float32. If None: where the hardware multiplies it (on such CPUs it is
            twice as fast); a GPU too old for it takes float16.
    """
    import torch
    from huggingface_hub import constants

    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    constants.HF_HUB_DISABLE_TELEMETRY = True  # it has read the environment when it was imported
    place = best_device().type
    if place == "cpu":
        features = torch.cpu.get_capabilities()
        native = any(features.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    elif place == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = False
    return {
        "use_cpu": place == "cpu",
        "bf16": native if bf16 is None else bf16,
        "fp16": bf16 is None and not native and place == "cuda",
        "dataloader_pin_memory": place != "cpu",
        # It saves the memory of a GPU at the price of a second forward pass.
        "gradient_checkpointing": place != "cpu",
        "report_to": "none",
        "disable_tqdm": True,
    }


def quiet() -> None:
    """No progress bars of transformers, and no warnings of libraries about one another, for the process."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    warnings.simplefilter("ignore", FutureWarning)


@contextmanager
def without_bars() -> Iterator[None]:
    """No progress bars of `datasets` and of TRL's own, which `disable_tqdm` does not reach."""
    import datasets

    hidden, before = datasets.are_progress_bars_disabled(), os.environ.get("TQDM_DISABLE")
    datasets.disable_progress_bars()
    os.environ["TQDM_DISABLE"] = "1"
    try:
        yield
    finally:
        if not hidden:
            datasets.enable_progress_bars()
        if before is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = before


def no_rows(what: str, left_out: Counter[str], remedy: str) -> DataError:
    """The error of a training set that is empty, or lacks a class.

    Args:
        what: is missing.
        left_out: episodes without a row, by reason.
        remedy: without its final stop.
    """
    account = ", ".join(f"{count} {why}" for why, count in left_out.most_common())
    return DataError(what, remedy=f"{remedy}." + (f" (Episodes left out: {account}.)" if account else ""))
