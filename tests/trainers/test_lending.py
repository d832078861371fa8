"""A model that served several trainers in turn is as it was, but for its weights."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel
from trl import DPOConfig, GRPOConfig, GRPOTrainer, KTOConfig, SFTConfig

from tests import tiny_models
from tests.trainers.lessons import settings, several
from trainers.adapters import with_adapter
from trainers.dpo import EpisodeDPOTrainer
from trainers.kto import EpisodeKTOTrainer
from trainers.lending import lent
from trainers.pairs import preference_pairs
from trainers.sft import EpisodeSFTTrainer
from trainers.supervised import supervised_rows
from trainers.unpaired import unpaired_rows

WORDS = tiny_models.tokenizer()
IDS = torch.tensor([[10, 20, 30, 40, 50]])


def sft(model: PreTrainedModel, arguments: dict[str, Any]) -> Any:
    return EpisodeSFTTrainer(model, WORDS, supervised_rows(several()), SFTConfig(**arguments))


def dpo(model: PreTrainedModel, arguments: dict[str, Any]) -> Any:
    return EpisodeDPOTrainer(model, WORDS, preference_pairs(several()), DPOConfig(**arguments))


def kto(model: PreTrainedModel, arguments: dict[str, Any]) -> Any:
    return EpisodeKTOTrainer(model, WORDS, unpaired_rows(several()), KTOConfig(**arguments))


def grpo(model: PreTrainedModel, arguments: dict[str, Any]) -> Any:
    from datasets import Dataset

    return GRPOTrainer(
        model,
        lambda completions, **more: [float(len(one)) for one in completions],
        GRPOConfig(**arguments, num_generations=2, max_completion_length=3),
        Dataset.from_dict({"prompt": ["go", "look"]}),
        processing_class=WORDS,
    )


def small(adapter: bool) -> PreTrainedModel:
    model = tiny_models.model(layers=2)
    return with_adapter(model, r=4, alpha=8, dropout=0.1).eval() if adapter else model


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


def traces(model: PreTrainedModel) -> dict[str, Any]:
    """What a trainer could leave on a model, its weights apart."""
    return {
        "forwards": [name for name, module in model.named_modules() if "forward" in module.__dict__],
        "prepared": hasattr(model, "_is_accelerate_prepared"),
        "hooks": [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()],
        "weights": [(name, weight.requires_grad, weight.grad is None) for name, weight in model.named_parameters()],
        "modes": [module.training for module in model.modules()],
        "dropout": [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)],
        "use_cache": model.config.use_cache,
    }


@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize("make", [sft, dpo, kto, grpo])
def test_building_trainers_and_dropping_them_changes_nothing(
    tmp_path: Path, make: Callable[..., Any], adapter: bool
) -> None:
    model = small(adapter)
    before, found = logits(model), traces(model)
    for _ in range(2):
        with lent(model):
            make(model, settings(tmp_path, bf16=True, gradient_checkpointing=True))
            assert traces(model)["forwards"]
    assert traces(model) == found
    assert torch.equal(logits(model), before)


@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize("make", [sft, dpo, kto])
def test_rounds_of_training_leave_weights_alone_behind(tmp_path: Path, make: Callable[..., Any], adapter: bool) -> None:
    model = small(adapter)
    before, found = logits(model), traces(model)
    optimisers = []

    def one_round() -> None:
        trainer = make(model, settings(tmp_path, bf16=True))
        trainer.train()
        optimisers.append(weakref.ref(trainer.optimizer))

    for _ in range(2):
        with lent(model):
            one_round()
    assert not torch.equal(logits(model), before)
    assert [held() for held in optimisers] == [None, None]
    assert traces(model) == found


def test_every_round_computes_in_the_same_precision(tmp_path: Path) -> None:
    model = small(False)
    kinds: list[list[torch.dtype]] = []
    layer = model.model.layers[0].mlp.down_proj
    hook = layer.register_forward_hook(lambda module, args, output: kinds[-1].append(output.dtype))
    for _ in range(3):
        kinds.append([])
        with lent(model):
            sft(model, settings(tmp_path, bf16=True)).train()
    hook.remove()
    assert [set(kind) for kind in kinds] == [{torch.bfloat16}] * 3


def test_without_lending_the_second_trainer_computes_outside_of_autocast(tmp_path: Path) -> None:
    """The reason for `lent`; if this fails, TRL or accelerate have mended it."""
    model = small(False)
    kinds: list[list[torch.dtype]] = []
    model.model.layers[0].mlp.down_proj.register_forward_hook(lambda m, i, output: kinds[-1].append(output.dtype))
    for _ in range(2):
        kinds.append([])
        sft(model, settings(tmp_path, bf16=True)).train()
        gc.collect()
    assert [set(kind) for kind in kinds] == [{torch.bfloat16}, {torch.float32}]


def test_what_was_there_before_is_there_after(tmp_path: Path) -> None:
    model = small(False)
    model.gradient_checkpointing_enable()
    model.enable_input_require_grads()
    model.forward = model.forward
    model.train()
    found = traces(model)
    with lent(model):
        sft(model, settings(tmp_path))
    assert traces(model) == found
    assert model.forward.__func__ is type(model).forward
