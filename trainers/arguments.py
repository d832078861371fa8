"""What TRL's configurations need to know about the machine, the same for every trainer."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from configs import TrainConfig
from envs.errors import DataError
from rollout.loading import best_device
from trainers.errors import TrainingError

Settings = TypeVar("Settings")
"""A configuration class of TRL's."""


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


def learning_arguments(config: TrainConfig, folder: str) -> dict[str, Any]:
    """Keyword arguments for the same classes: what a run's options say of learning, and where it may write."""
    # transformers forgets the warm-up of a schedule that has none.
    rises = config.lr_scheduler_type == "constant" and config.warmup_steps > 0
    values = {
        **machine_arguments(bf16=config.bf16),
        "output_dir": folder,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "constant_with_warmup" if rises else config.lr_scheduler_type,
        "warmup_steps": config.warmup_steps,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "save_strategy": "no",
        "logging_steps": 1,
        # A loss that is no number must be seen.
        "logging_nan_inf_filter": False,
    }
    if config.gradient_checkpointing is not None:
        values["gradient_checkpointing"] = config.gradient_checkpointing
    return values


def trl_settings(kind: type[Settings], values: dict[str, Any]) -> Settings:
    """A configuration of TRL's, for one process on one device.

    Raises:
        TrainingError: if TRL refuses the values.
    """
    try:
        made: Any = kind(**values)
        _try_optimizer(made)
        # transformers takes all GPUs that it sees for its own, and TRL refuses that: the others are the engines'.
        _ = made.device
    except (TypeError, ValueError) as error:
        remedy = f"See --trl-args and TRL's {kind.__name__}."
        raise TrainingError(f"TRL refuses the options: {error}", remedy=remedy) from error
    made._n_gpu = min(1, made._n_gpu)
    settings: Settings = made
    return settings


def _try_optimizer(settings: Any) -> None:
    """Make the optimizer and its schedule for a single weight: they refuse what the configuration lets pass.

    Raises:
        TypeError, ValueError: as they do.
    """
    import torch
    from transformers import Trainer, get_scheduler

    kind, options = Trainer.get_optimizer_cls_and_kwargs(settings)
    optimizer = kind([torch.nn.Parameter(torch.zeros(1))], **options)
    get_scheduler(
        settings.lr_scheduler_type,
        optimizer,
        num_warmup_steps=1,
        num_training_steps=2,
        scheduler_specific_kwargs=dict(settings.lr_scheduler_kwargs or {}),
    )


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
