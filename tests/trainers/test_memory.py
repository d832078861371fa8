"""Memory that is full ends training with what to lower."""

from __future__ import annotations

import pytest
import torch

from configs import TrainConfig
from trainers.errors import TrainingError
from trainers.memory import within_memory

GO_ON = "train-agent train --resume"


def config(**more: object) -> TrainConfig:
    return TrainConfig(env="alfworld", **more)


def test_an_allocation_that_fails_names_the_options_to_lower_and_the_command_to_go_on_with() -> None:
    with (
        pytest.raises(TrainingError, match="the memory is full") as raised,
        within_memory(config(max_length=900), GO_ON),
    ):
        torch.empty(1 << 55)
    assert isinstance(raised.value.__cause__, RuntimeError)
    assert raised.value.remedy == (
        "Lower --per-device-train-batch-size (now 8) or set --gradient-checkpointing or lower --capacity "
        f"(now 128), and go on with: {GO_ON}\nOr begin anew with a lower --max-length (now 900) or --use-peft."
    )


def test_what_is_at_its_least_is_not_named() -> None:
    least = config(per_device_train_batch_size=1, gradient_checkpointing=True, capacity=1, use_peft=True)
    with pytest.raises(TrainingError) as raised, within_memory(least, GO_ON):
        torch.empty(1 << 55)
    assert raised.value.remedy == "Begin anew with a lower --max-length (now 4096)."


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
def test_other_devices_say_it_in_other_words(error: Exception) -> None:
    with pytest.raises(TrainingError, match="the memory is full"), within_memory(config(), GO_ON):
        raise error


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), within_memory(config(), GO_ON):
        torch.ones(2, 3) @ torch.ones(2, 3)
