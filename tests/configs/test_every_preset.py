"""Every preset, loaded and run: two iterations at the smallest size, on the stored models."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from configs import TrainConfig, build
from configs.presets import find_preset, preset_names, with_preset
from configs.train import Algorithm
from trainers.algorithms import GROUP_RELATIVE
from trainers.cli import main

ENVIRONMENTS = ("alfworld", "dbbench")
RECIPES = {"stepwise-grpo": ("alfworld", "grpo"), "stepwise-gigpo": ("alfworld", "gigpo")}
CASES = [
    *(("tiny", "alfworld", algo) for algo in ("grpo", "dpo", "kto", "sft")),
    *(("tiny", "dbbench", algo) for algo in ("gigpo", "dr_grpo", "gspo")),
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
def test_a_preset_runs(name: str, env: str, algo: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["--preset", name, "--env", env, "--algo", algo, "--smoke", "--seed", "2", "--no-load-in-4bit"]
    code = main([*words, "--model", f"tiny-{env}", "-o", str(tmp_path / "run")])
    said = capfd.readouterr().err
    # What the smallest sizes may run into: nothing that was solved, or no two episodes that differ.
    nothing = ("no pair of episodes", "no episode to imitate", "no good episode", "no bad episode")
    assert code == 0 or (algo in ("dpo", "kto", "sft") and any(words in said for words in nothing)), said
    if code == 0:
        assert (tmp_path / "run" / "model" / "config.json").exists() or (
            tmp_path / "run" / "model" / "adapter_config.json"
        ).exists()
