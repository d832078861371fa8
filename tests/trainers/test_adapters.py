"""An adapter changes nothing at first, sits on the layers it was asked for, and only it is trained."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AutoPeftModelForCausalLM
from safetensors.torch import load_file
from torch import nn
from trl import GRPOConfig

from tests import tiny_models
from tests.trainers.killed import SMALLEST
from tests.trainers.lessons import settings
from tests.trainers.test_lending import WORDS, dpo, kto, sft
from trainers.adapters import LINEAR, with_adapter
from trainers.cli import main
from trainers.errors import TrainingError
from trainers.grpo import EpisodeGRPOTrainer

IDS = torch.tensor([[10, 20, 30]])


def grpo(model: Any, arguments: dict[str, Any]) -> Any:
    return EpisodeGRPOTrainer(model, WORDS, GRPOConfig(**arguments, num_generations=2), list)


def test_a_new_adapter_changes_nothing_and_only_it_is_trained() -> None:
    model = tiny_models.model(layers=2)
    with torch.no_grad():
        before = model(input_ids=IDS).logits
        layers = [layer for name, layer in model.named_modules() if name.rpartition(".")[2] in LINEAR]
        expected = sum(4 * (layer.in_features + layer.out_features) for layer in layers)
        made = with_adapter(model, r=4, alpha=8)
        assert torch.equal(made(input_ids=IDS).logits, before)
    trained = [(name, weight) for name, weight in made.named_parameters() if weight.requires_grad]
    assert all("lora_" in name for name, _ in trained)
    assert sum(weight.numel() for _, weight in trained) == expected == made.get_nb_trainable_parameters()[0]


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(TrainingError, match="lm_head would not be trained"):
        with_adapter(tiny_models.model(layers=1), target_modules=["q_proj", "lm_head"])
    with pytest.raises(TrainingError, match="no layers named c_attn"):
        with_adapter(tiny_models.model(layers=1), target_modules=["q_proj", "c_attn"])
    with pytest.raises(TrainingError, match="has an adapter"):
        with_adapter(with_adapter(tiny_models.model(layers=1)))


@pytest.mark.slow
def test_a_run_goes_on_from_an_adapter_that_another_has_trained(tmp_path: Path) -> None:
    words = [*SMALLEST, "--iterations=1", "--eval-tasks=0", "--select-tasks=0", "--use-peft", "--lora-r=4"]
    first, second, third = (str(tmp_path / name) for name in ("first", "second", "third"))
    assert main(["train", "--algo=grpo", *words, "--learning-rate=0.01", "-o", first]) == 0
    assert main(["train", "--algo=grpo", *words, "--model", f"{first}/model", "-o", second]) == 0
    assert main(["train", "--algo=grpo", *words, "--no-use-peft", "--model", f"{first}/model", "-o", third]) == 0
    file = "adapter_model.safetensors"
    folders = ("first/model", "second/base", "second/model")
    trained, begun, after = (load_file(tmp_path / name / file) for name in folders)
    assert all(torch.equal(weight, trained[name]) for name, weight in begun.items())
    assert after.keys() == begun.keys()
    assert any(not torch.equal(weight, trained[name]) for name, weight in after.items())
    merged = AutoPeftModelForCausalLM.from_pretrained(f"{first}/model").merge_and_unload().state_dict()
    whole = load_file(tmp_path / "third" / "base" / "model.safetensors")
    assert all(torch.allclose(weight, merged[name], atol=1e-6) for name, weight in whole.items())
    assert (tmp_path / "third" / "model" / "model.safetensors").exists()


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is there")
def test_without_bitsandbytes_the_model_stays_whole_and_the_error_says_what_to_type() -> None:
    model = tiny_models.model(layers=1)
    with pytest.raises(TrainingError, match="pip install bitsandbytes"):
        with_adapter(model, quantize=True)
    assert type(model.model.layers[0].mlp.up_proj) is nn.Linear


def test_in_four_bits_the_model_says_about_the_same_and_its_adapter_learns() -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    model = tiny_models.model(layers=2, width=128)
    with torch.no_grad():
        before = model(input_ids=IDS).logits
    made = with_adapter(model, r=4, alpha=8, quantize=True)
    place = made.device
    after = made(input_ids=IDS.to(place)).logits
    assert made.base_model.model.model.layers[0].mlp.up_proj.base_layer.weight.dtype == torch.uint8
    assert torch.cosine_similarity(after.float().cpu().flatten(), before.flatten(), dim=0) > 0.9
    after.sum().backward()
    gradients = {name: weight.grad for name, weight in made.named_parameters() if weight.grad is not None}
    assert gradients
    assert all("lora_" in name for name in gradients)


@pytest.mark.parametrize("make", [sft, dpo, kto, grpo])
def test_a_trainer_leaves_the_adapter_of_a_quantised_model_in_float32(make: Any, tmp_path: Path) -> None:
    model = with_adapter(tiny_models.model(layers=1).bfloat16(), r=4)
    model.get_base_model().__dict__["is_loaded_in_4bit"] = True
    make(model, settings(tmp_path))
    assert model.is_loaded_in_4bit
    assert all(weight.dtype == torch.float32 for weight in model.parameters() if weight.requires_grad)
