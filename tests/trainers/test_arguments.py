"""TRL's configurations take what the machine is; nothing is sent, nothing is drawn, and errors say what to do."""

from __future__ import annotations

import os
from collections import Counter

import datasets
import pytest
import torch
from huggingface_hub import constants
from trl import DPOConfig, GRPOConfig, KTOConfig, SFTConfig

from configs import TrainConfig
from trainers.arguments import learning_arguments, machine_arguments, no_rows, without_bars


@pytest.mark.parametrize("kind", [SFTConfig, DPOConfig, KTOConfig, GRPOConfig])
def test_every_configuration_takes_them(kind: type, tmp_path: os.PathLike[str]) -> None:
    args = kind(output_dir=str(tmp_path), **machine_arguments(bf16=False))
    assert (args.bf16, args.fp16, args.report_to, args.disable_tqdm) == (False, False, [], True)
    assert args.use_cpu is not torch.accelerator.is_available()
    assert args.gradient_checkpointing is torch.accelerator.is_available()


def test_a_constant_rate_that_is_to_rise_at_first_does(tmp_path: os.PathLike[str]) -> None:
    for steps, schedule in ((0.0, "constant"), (5.0, "constant_with_warmup")):
        values = learning_arguments(TrainConfig(warmup_steps=steps), str(tmp_path))
        assert values["lr_scheduler_type"] == schedule


def test_telemetry_is_off() -> None:
    machine_arguments()
    assert constants.HF_HUB_DISABLE_TELEMETRY is True
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


def test_precision_is_as_asked_for_or_as_the_machine_can() -> None:
    assert machine_arguments(bf16=True)["bf16"] is True
    found = machine_arguments()
    assert not (found["bf16"] and found["fp16"])
    assert not found["fp16"] or torch.cuda.is_available()


def test_bars_are_hidden_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    with without_bars():
        assert datasets.are_progress_bars_disabled()
        assert os.environ["TQDM_DISABLE"] == "1"
    assert not datasets.are_progress_bars_disabled()
    assert "TQDM_DISABLE" not in os.environ


def test_an_empty_set_is_accounted_for() -> None:
    assert str(no_rows("no pair", Counter({"tied": 2, "lost": 5}), "Play more")) == (
        "no pair. Play more. (Episodes left out: 5 lost, 2 tied.)"
    )
    assert str(no_rows("no pair", Counter(), "Play more")) == "no pair. Play more."
