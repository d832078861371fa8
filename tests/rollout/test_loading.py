"""Loading models: what a user may get wrong, and what to type instead."""

from __future__ import annotations

import ast
import asyncio
import copy
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_models
import torch
import trl
from huggingface_hub import constants
from peft import LoraConfig, get_peft_model

from rollout.engine import Sampling
from rollout.engines.hf import HFEngine
from rollout.errors import ModelError
from rollout.loading import best_device, keep_history, load_model, load_tokenizer


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    tokenizer = copy.deepcopy(tiny_models.tokenizer())
    tokenizer.chat_template = tiny_models.template("qwen3")
    tokenizer.save_pretrained(tmp_path / "run" / "checkpoint-10")
    tiny_models.model(layers=1).save_pretrained(tmp_path / "run" / "checkpoint-10")
    return tmp_path / "run" / "checkpoint-10"


def test_a_checkpoint_comes_back_as_it_was_saved(checkpoint: Path) -> None:
    model, tokenizer = load_model(checkpoint, device="cpu")
    assert not model.training
    assert model.dtype == torch.float32
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), tiny_models.model(layers=1).parameters(), strict=True)
    )
    assert tokenizer.encode("go to shelf 1") == tiny_models.tokenizer().encode("go to shelf 1")
    assert load_model(str(checkpoint), dtype="bfloat16", device="cpu")[0].dtype == torch.bfloat16
    assert load_model(checkpoint)[0].device.type == best_device().type


def test_a_stock_template_is_exchanged_for_one_that_keeps_history_and_the_log_says_so(
    checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "rollout.loading"):
        tokenizer = load_tokenizer(checkpoint)
    assert tokenizer.chat_template == tiny_models.template("qwen3_training")
    assert "training variant" in caplog.text


def test_what_trl_calls_a_training_template_is_left_alone_as_trl_does() -> None:
    from trl.chat_template_utils import get_training_chat_template

    tokenizer = copy.deepcopy(tiny_models.tokenizer())
    names = [file.stem for file in (Path(trl.__file__).parent / "chat_templates").glob("*_training.jinja")]
    assert len(names) > 10
    for name in names:
        tokenizer.chat_template = template = tiny_models.template(name)
        assert get_training_chat_template(tokenizer) is None
        keep_history(tokenizer)
        assert tokenizer.chat_template == template


def test_a_template_in_named_variants_is_told_apart_by_the_one_that_is_used(checkpoint: Path) -> None:
    tokenizer = copy.deepcopy(tiny_models.tokenizer())
    tokenizer.chat_template = {"default": tiny_models.template("qwen3"), "other": "{{ messages }}"}
    keep_history(tokenizer)
    assert tokenizer.chat_template == tiny_models.template("qwen3_training")


def test_a_template_of_ones_own_is_left_alone(checkpoint: Path) -> None:
    tokenizer = copy.deepcopy(tiny_models.tokenizer())
    tokenizer.chat_template = "{% for message in messages %}{{ message.content }}<|im_end|>{% endfor %}"
    tokenizer.save_pretrained(checkpoint)
    assert load_tokenizer(checkpoint).chat_template == tokenizer.chat_template


def test_a_folder_above_the_checkpoint_leads_to_it(checkpoint: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json.*Did you mean .*checkpoint-10"):
        load_model(checkpoint.parent)


@pytest.mark.parametrize("name", ["./no/such/folder", "/no/such/folder", "runs/no/such/folder"])
def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(name: str) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        load_model(name)


def test_a_broken_checkpoint_is_named(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(ModelError, match=r"checkpoint-10: the model does not load"):
        load_model(checkpoint)
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "model_type": "qwen99"}))
    with pytest.raises(ModelError, match="qwen99"):
        load_model(checkpoint)


def test_weights_that_are_missing_are_not_drawn_at_random(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2, "layer_types": None}))
    with pytest.raises(ModelError, match=r"lacks \d+ of the model's weights, model\.layers\.1"):
        load_model(checkpoint)


def test_an_adapter_is_loaded_over_its_base_and_can_be_served(checkpoint: Path, tmp_path: Path) -> None:
    base, tokenizer = load_model(checkpoint, device="cpu")
    adapted = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    adapted.save_pretrained(tmp_path / "adapter")
    tokenizer.save_pretrained(tmp_path / "adapter")
    loaded, _ = load_model(tmp_path / "adapter", device="cpu")
    ids = torch.tensor([[10, 11, 12]])
    assert torch.allclose(loaded(ids).logits, adapted(ids).logits, atol=1e-5)
    for model in (loaded, adapted):
        engine = HFEngine(model, tokenizer, capacity=1)
        done = asyncio.run(engine.generate("a", [10, 11, 12], Sampling(temperature=0, max_new_tokens=1), 0))
        assert done.ids[0] == adapted(ids).logits[0, -1].argmax()


def test_wrong_settings_name_the_right_ones(checkpoint: Path) -> None:
    with pytest.raises(ModelError, match="float32, bfloat16"):
        load_model(checkpoint, dtype="fp32")
    with pytest.raises(ModelError, match="no device 'abacus'"):
        load_model(checkpoint, device="abacus")


def test_a_name_without_a_network_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"the hub cannot be reached.*Name a folder"):
        load_model("Nobody/No-Such-Model-1B")


@pytest.mark.slow
def test_a_name_in_offline_mode_says_how_to_leave_it() -> None:
    code = "from rollout.loading import load_model; load_model('Nobody/No-Such-Model-1B')"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert "ModelError" in done.stderr
    assert "HF_HUB_OFFLINE is set" in done.stderr


@pytest.mark.parametrize("answer", ["y", ""])
def test_code_that_a_model_s_folder_brings_is_never_run(checkpoint: Path, tmp_path: Path, answer: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoint, folder)
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    names = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model", "AutoTokenizer": ["evil.T", None]}
    for file in ("config.json", "tokenizer_config.json"):
        plain = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({**plain, "model_type": "evil", "auto_map": names}))
    code = "import sys; from rollout.loading import load_model; load_model(sys.argv[1])"
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, input=answer + "\n", capture_output=True, text=True, check=False)
    assert not (tmp_path / "ran").exists()
    assert "code of its own, which is not run" in done.stderr


def test_every_call_that_loads_a_model_says_that_no_foreign_code_runs() -> None:
    root = Path(__file__).parents[2]
    calls = []
    for package in ("envs", "rollout", "rewards", "trainers", "eval"):
        for path in (root / package).rglob("*.py"):
            calls += [
                (path.name, {key.arg: ast.unparse(key.value) for key in node.keywords})
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Call)
                and getattr(node.func, "attr", "") == "from_pretrained"
                # PEFT's own classes read an adapter's numbers and no code.
                and ast.unparse(node.func) not in ("PeftModel.from_pretrained", "PeftConfig.from_pretrained")
            ]
    assert calls
    assert [name for name, words in calls if words.get("trust_remote_code") != "False"] == []
