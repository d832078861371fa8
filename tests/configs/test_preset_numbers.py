"""The numbers of the presets: where each comes from, and that they fit one another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import envs
from configs import TrainConfig
from configs.figures import BUDGETS, SMALLEST_GPU
from configs.preset_table import cases, environments, preset_config, preset_figures, renewed
from configs.presets import FOLDER, preset_names

PAGE = Path(__file__).resolve().parents[2] / "docs" / "presets.md"
SOURCE = re.compile(
    r"\d{4}\.\d{5}|[\w-]+/[\w/.-]+\.(?:sh|md)|LoRA Without Regret|README|script|verl|AlfredTWEnv"
    r"|untested here|measured here|computed|chosen|memory only|none: |as in the preset|after every round"
    r"|the given episodes"
)
RUNS = [(name, env, algo) for name, algo in cases() for env in environments(name)]


def numbers(name: str) -> list[tuple[str, str]]:
    """The lines of a preset that set a number, without their comments, and these."""
    lines = (FOLDER / f"{name}.yaml").read_text().splitlines()
    parts = [line.partition("#") for line in lines]
    return [(code.strip(), comment) for code, _, comment in parts if re.search(r"[:{,]\s*-?\d", code)]


@pytest.mark.parametrize("name", preset_names())
def test_every_number_says_where_it_comes_from_or_that_it_is_untested(name: str) -> None:
    assert numbers(name)
    assert [code for code, comment in numbers(name) if not SOURCE.search(comment)] == []


@pytest.mark.parametrize(("name", "env", "algo"), RUNS)
def test_every_turn_of_an_evaluation_episode_fits_however_long_the_replies_are(name: str, env: str, algo: str) -> None:
    config, found = preset_config(name, env, algo)[0], preset_figures(name, env, algo)
    made = envs.make(env, **config.env_args)
    assert found.limit == max(made.max_steps, config.max_turns or 0)
    made.close()
    assert found.turns >= found.limit
    assert found.tokens <= config.max_length


@pytest.mark.parametrize(("name", "env", "algo"), RUNS)
def test_a_run_fits_a_device_of_80_gb(name: str, env: str, algo: str) -> None:
    assert preset_figures(name, env, algo).bytes <= 0.9 * SMALLEST_GPU


@pytest.mark.parametrize("name", ["default", "qwen3-4b-instruct-2507", "qwen2.5-7b-instruct"])
def test_the_larger_models_have_a_context_of_8192_tokens_at_least(name: str) -> None:
    assert {preset_config(name, env, "grpo")[0].max_length >= 8192 for env in BUDGETS} == {True}


@pytest.mark.parametrize(("name", "env", "algo"), RUNS)
def test_an_adapter_may_move_the_weights_by_more_than_rounding_and_less_than_their_size(
    name: str, env: str, algo: str
) -> None:
    config, found = preset_config(name, env, algo)[0], preset_figures(name, env, algo)
    if config.use_peft and name != "agentbench-sft":  # which is a published recipe
        assert found.first_order >= 2**-8  # what bfloat16 can tell apart
        assert found.change < 1


@pytest.mark.parametrize(("name", "algo"), [case for case in cases() if case[0] not in ("tiny", "agentbench-sft")])
def test_a_learning_rate_of_an_adapter_is_about_ten_times_that_of_all_weights(name: str, algo: str) -> None:
    config = preset_config(name, "alfworld", algo)[0]
    full = {"grpo": (1e-6, 2e-6), "gigpo": (1e-6, 1e-6), "sft": (1e-5, 2e-5), "dpo": (2e-6, 2e-6), "kto": (2e-6, 2e-6)}
    least, most = (rate * (10 if config.use_peft else 1) for rate in full[algo])
    assert least <= config.learning_rate * 1.001
    assert config.learning_rate <= most * 1.001


@pytest.mark.parametrize("name", [name for name, algo in cases() if algo in ("grpo", "gigpo") and name != "tiny"])
def test_an_iteration_has_several_updates_so_that_clips_act(name: str) -> None:
    algo = "gigpo" if name == "stepwise-gigpo" else "grpo"
    assert preset_config(name, "alfworld", algo)[0].steps_per_generation >= 4


def test_the_default_run_is_what_it_was() -> None:
    """`make run`, whose figures the README shows."""
    config = preset_config("tiny", "alfworld", "grpo")[0]
    assert (config.iterations, config.tasks, config.num_generations, config.rounds) == (40, 16, 8, 1)
    assert (config.learning_rate, config.steps_per_generation, config.num_iterations) == (3e-4, 1, 1)
    assert (config.max_length, config.max_completion_length, config.capacity) == (2048, 16, 128)
    assert (config.use_peft, config.bf16, config.protocol) == (False, False, "plain")
    assert config.env_args == {"data": "generated", "size": "tiny", "max_steps": 20}


def test_the_presets_without_the_published_recipes_numbers_do_not_have_its_name() -> None:
    assert not [name for name in preset_names() if "verl" in name]


def test_training_plays_db_bench_by_strict_rules_unless_told_otherwise() -> None:
    """The official verdicts count an empty answer as 0."""
    for name, algo in cases():
        if "dbbench" in environments(name):
            with envs.make("dbbench", **preset_config(name, "dbbench", algo)[0].env_args) as env:
                assert env.facts()["rule"] == "strict", name
    with envs.make("dbbench", **TrainConfig().env_args) as env:
        assert env.facts()["rule"] == "strict"
    with envs.make("dbbench", rule="fc") as env:
        assert env.facts()["rule"] == "fc"


def test_the_page_shows_what_follows_from_the_presets_of_today() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert renewed(text) == text, "renew it: python -m configs.preset_table docs/presets.md"
