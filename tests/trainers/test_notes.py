"""Options that others switch off or override say so, and a run in which none does says nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from configs import ConfigError, TrainConfig
from trainers.notes import notes

SEVERAL: dict[str, Any] = {"steps_per_generation": 2}
"""Updates an iteration, where a clip has an effect."""


@pytest.mark.parametrize(
    "options",
    [
        SEVERAL,
        {**SEVERAL, "algo": "gigpo", "gamma": 0.9, "omega": 0.5},
        {**SEVERAL, "invalid_penalty": 0.1, "rounds": 1},
        {**SEVERAL, "loss_type": "cispo", "epsilon_high": 3.0},
        {"num_iterations": 3},
        {"algo": "sft", "lora_dropout": 0.1, "use_peft": True},
        {"algo": "dpo", "train_batch_size": 32, "beta": 0.3},
        {"algo": "kto", "source": Path("runs/demos")},
    ],
)
def test_nothing_is_said_where_every_option_has_its_effect(options: dict[str, Any]) -> None:
    assert notes(TrainConfig(**options)) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "one update an iteration: every ratio is 1, so epsilon and epsilon_high clip nothing"),
        ({**SEVERAL, "invalid_penalty": 0.1}, "invalid_penalty: a penalty by turn is a signal.*rounds .*no effect"),
        ({**SEVERAL, "inadmissible_penalty": 0.1}, "inadmissible_penalty: a penalty.*rounds .*no effect"),
        ({**SEVERAL, "gamma": 0.5}, "gamma has no effect: they belong to gigpo"),
        ({**SEVERAL, "loss_type": "cispo", "epsilon": 0.1}, "epsilon has no effect: the loss cispo"),
        ({**SEVERAL, "loss_type": "sapo", "epsilon_high": 0.1}, "epsilon_high has no effect: the loss sapo"),
        ({**SEVERAL, "top_p": 0.9}, "top_p 0.9: .* the gradient is of the whole"),
        ({**SEVERAL, "train_batch_size": 8}, "train_batch_size has no effect: grpo makes"),
        ({**SEVERAL, "lora_r": 8}, "lora_r has no effect: all weights are trained"),
        ({**SEVERAL, "use_peft": True, "lora_dropout": 0.1}, "lora_dropout has no effect: only sft"),
        ({**SEVERAL, "lr_scheduler_type": "cosine", "max_minutes": 5}, "the cosine schedule .* is cut off"),
        ({**SEVERAL, "engine": "hf", "vllm_max_num_seqs": 8}, "vllm_max_num_seqs has no effect: the engine is hf"),
        ({**SEVERAL, "engine": "vllm-server", "ray": "auto"}, "vllm-server: on Ray"),
        ({**SEVERAL, "select_tasks": 0, "eval_steps": 1}, "eval_steps has no effect: select_tasks is 0"),
        ({**SEVERAL, "eval_tasks": 0, "eval_split": "x"}, "eval_split has no effect: eval_tasks is 0"),
        (
            {**SEVERAL, "select_tasks": 0, "eval_tasks": 0, "eval_temperature": 1.0},
            "eval_temperature has no effect: nothing is scored",
        ),
        ({"algo": "sft", "beta": 0.1}, "beta has no effect: sft has no KL term"),
        ({"algo": "sft", "rounds": 3}, "rounds has no effect: sft takes every episode"),
        ({"algo": "dpo", "epsilon": 0.1, "num_iterations": 2}, "num_iterations and epsilon have no effect: dpo has no"),
        ({"algo": "dpo", "window": 2}, "window: dpo pairs episodes of a single row"),
        ({"algo": "kto", "train_batch_size": 11}, "11 is no multiple of per_device_train_batch_size 8: 1 rows"),
        ({"algo": "dpo", "trl_args": {"precompute_ref_log_probs": False}}, "trl_args: the trainer sets precompute"),
        (
            {"algo": "sft", "source": Path("x"), "tasks": 64, "temperature": 0.7, "iterations": 3},
            "tasks, temperature and iterations have no effect: nothing is played",
        ),
    ],
)
def test_what_has_no_effect_is_named_with_the_reason(options: dict[str, Any], said: str) -> None:
    (found,) = notes(TrainConfig(**options))
    assert re.search(said, found), found


def test_an_adapter_that_is_trained_on_keeps_its_settings() -> None:
    config = TrainConfig(**SEVERAL, use_peft=True, lora_r=32, lora_alpha=64)
    stored = {"r": 64, "lora_alpha": 128, "target_modules": [*reversed(config.lora_target_modules)]}
    assert notes(config, stored) == [
        "the run trains on the adapter that it begins with, as it is: lora_r 64, not 32, lora_alpha 128, not 64"
    ]
    assert notes(config, {**stored, "r": 32, "lora_alpha": 64}) == []
    assert "lora_target_modules q_proj, not " in notes(config, {**stored, "target_modules": ["q_proj"]})[0]


@pytest.mark.parametrize("name", ["learning_rate", "steps_per_generation", "per_device_train_batch_size", "beta"])
def test_an_option_of_the_run_is_not_overridden_behind_its_back(name: str) -> None:
    with pytest.raises(ConfigError, match=f"trl_args: {name} has an option of its own"):
        TrainConfig(trl_args={name: 1})
