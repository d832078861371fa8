"""Every preset, loaded and run: two iterations at the smallest size, on the stored models."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from safetensors.torch import load_file

from configs import TrainConfig, build
from configs.presets import find_preset, preset_names, with_preset
from configs.stored import MODELS
from configs.train import Algorithm
from eval.history import of_kind, read_metrics
from trainers.algorithms import GROUP_RELATIVE
from trainers.cli import main

ENVIRONMENTS = ("alfworld", "dbbench")
RECIPES = {"stepwise-grpo": ("alfworld", "grpo"), "stepwise-gigpo": ("alfworld", "gigpo")}
CASES = [
    *(("tiny", env, algo) for env in ENVIRONMENTS for algo in get_args(Algorithm)),
    *((name, *RECIPES.get(name, ("dbbench", "sft"))) for name in preset_names() if name not in ("tiny", "default")),
    *(("default", env, algo) for env, algo in zip(ENVIRONMENTS, ("rloo", "reinforce"), strict=True)),
]


@pytest.mark.parametrize("algo", get_args(Algorithm))
@pytest.mark.parametrize("env", ENVIRONMENTS)
@pytest.mark.parametrize("name", preset_names())
def test_a_preset_holds_options_that_there_are(name: str, env: str, algo: str) -> None:
    config = build(TrainConfig, *with_preset([("command line", {"preset": name, "env": env, "algo": algo})]))
    assert config.preset == name


def test_a_model_finds_the_preset_of_its_name() -> None:
    assert find_preset(None, "alfworld", "grpo", "Qwen/Qwen3-4B-Instruct-2507")[0] == "qwen3-4b-instruct-2507"
    assert find_preset(None, "alfworld", "grpo", None)[0] == "tiny"
    assert find_preset(None, "alfworld", "grpo", "somebody/else")[0] == "default"


def test_every_algorithm_has_a_trainer() -> None:
    assert set(get_args(Algorithm)) == {*GROUP_RELATIVE, "dpo", "kto", "sft"}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "env", "algo"), CASES)
def test_a_smoke_run_of_a_preset_learns(
    name: str, env: str, algo: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--preset", name, "--env", env, "--algo", algo, "--smoke", "--seed", "2", "--no-load-in-4bit"]
    code = main([*words, "--model", f"tiny-{env}", "-o", str(tmp_path / "run")])
    assert code == 0, capfd.readouterr().err
    records = of_kind(read_metrics(tmp_path / "run"), "iteration")
    assert len(records) == 2
    assert all(record["grad_norm"] > 0 for record in records)
    assert _changed(tmp_path / "run" / "model", MODELS / f"tiny-{env}")


def _changed(model: Path, base: Path) -> bool:
    """Whether a model has other weights than its base. The second half of an adapter begins with zeros."""
    adapter = model / "adapter_model.safetensors"
    if adapter.exists():
        return any(bool(weight.any()) for name, weight in load_file(adapter).items() if "lora_B" in name)
    before, after = (load_file(folder / "model.safetensors") for folder in (base, model))
    return any(not after[name].equal(before[name]) for name in before)
