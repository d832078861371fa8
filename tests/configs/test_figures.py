"""What follows from a run's options, against numbers that others have published or that can be counted."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import envs
from configs import TrainConfig
from configs.figures import ALONE, BUDGETS, STORED_BUDGETS, WEIGHT, change_of, figures, memory_of, updates_of
from configs.shapes import Shape, shape_named, shape_of
from configs.stored import model_path
from envs.protocol import Exchange


def named(name: str) -> Shape:
    shape = shape_named(name)
    assert shape is not None
    return shape


SEVEN = named("Qwen/Qwen2.5-7B-Instruct")


class TestAShape:
    @pytest.mark.parametrize(
        ("name", "parameters"),
        [
            ("Qwen/Qwen2.5-0.5B-Instruct", 494_032_768),
            ("Qwen/Qwen2.5-1.5B-Instruct", 1_543_714_304),
            ("Qwen/Qwen2.5-7B-Instruct", 7_615_616_512),
            ("Qwen/Qwen3-0.6B", 596_049_920),
            ("/models/Qwen3-4B-Instruct-2507", 4_022_468_096),
        ],
    )
    def test_has_exactly_the_parameters_of_the_model(self, name: str, parameters: int) -> None:
        assert named(name).parameters == parameters

    @pytest.mark.parametrize("name", ["tiny-alfworld", "tiny-dbbench"])
    def test_of_a_stored_model_is_read_from_its_files(self, name: str) -> None:
        from safetensors import safe_open

        with safe_open(Path(model_path(name)) / "model.safetensors", "np") as weights:
            assert sum(math.prod(weights.get_slice(key).get_shape()) for key in weights.keys()) == (  # noqa: SIM118
                named(name).parameters
            )

    def test_of_a_checkpoint_is_read_from_its_config(self, tmp_path: Path) -> None:
        said = {"model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28}
        said |= {"num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064}
        assert shape_of(json.loads(json.dumps(said))) == SEVEN

    def test_of_an_unknown_model_is_none(self) -> None:
        assert shape_named("somebody/else") is None

    def test_has_the_adapters_and_caches_that_were_counted_elsewhere(self) -> None:
        four = named("Qwen3-4B-Instruct-2507")
        assert [round(shape.adapter(64) / 1e6, 1) for shape in (SEVEN, four)] == [161.5, 132.1]
        assert [shape.cache / 1024 for shape in (SEVEN, four)] == [56, 144]


class TestUpdates:
    def test_follow_the_iterations_and_what_each_makes_of_its_episodes(self) -> None:
        assert updates_of(TrainConfig(iterations=150, steps_per_generation=4)) == 600
        assert updates_of(TrainConfig(iterations=3, num_iterations=2, steps_per_generation=4)) == 24

    @pytest.mark.parametrize(("algo", "updates"), [("sft", 96), ("kto", 96), ("dpo", 48)])
    def test_of_rounds_follow_the_rows_there_can_be(self, algo: Any, updates: int) -> None:
        assert updates_of(TrainConfig(algo=algo, iterations=3, tasks=64, num_generations=8)) == updates

    def test_of_given_episodes_follow_their_number(self) -> None:
        assert updates_of(TrainConfig(algo="sft", iterations=1, num_train_epochs=3, train_batch_size=8), 100) == 39


class TestTheChangeOfWeights:
    def test_was_at_most_a_third_of_a_percent_at_rates_of_full_training(self) -> None:
        """3e-6 over 150 updates, which the presets once had."""
        config = TrainConfig(use_peft=True, learning_rate=3e-6, iterations=150)
        first, whole = change_of(config, SEVEN, updates_of(config))
        assert first == pytest.approx(0.0027, abs=1e-4)
        assert whole < 0.0034

    @pytest.mark.parametrize(("schedule", "share"), [("constant", 0.95), ("cosine", 0.5), ("linear", 0.5)])
    def test_of_all_weights_is_the_sum_of_the_learning_rates(self, schedule: str, share: float) -> None:
        config = TrainConfig(learning_rate=1e-6, lr_scheduler_type=schedule, warmup_steps=0.1)
        assert change_of(config, SEVEN, 1000) == pytest.approx((share * 1e-3 / WEIGHT,) * 2)

    @pytest.mark.parametrize("updates", [1, 30, 300])
    def test_of_an_adapter_is_never_above_the_bound(self, updates: int) -> None:
        """With every entry moved as far as it may be: at random, and all to where they add up most."""
        draw = np.random.default_rng(updates)
        shape, r, rate = Shape(256, 512, 1, 4, 2, 64, 100), 8, 1e-3
        start = draw.uniform(-1, 1, (r, shape.h)) / math.sqrt(shape.h)
        config = TrainConfig(use_peft=True, lora_r=r, lora_alpha=2 * r, learning_rate=rate)
        first, whole = change_of(config, shape, updates)
        top = np.linalg.svd(start)[0][:, 0]
        for signs in (draw.choice([-1, 1], (512, r)), np.sign(np.outer(np.ones(512), top)), np.ones((512, r))):
            b = updates * rate * signs
            moved = start + updates * rate * np.sign(signs.T @ np.ones((512, 1)))
            assert np.sqrt(np.mean((2 * b @ start) ** 2)) / WEIGHT <= first
            assert np.sqrt(np.mean((2 * b @ moved) ** 2)) / WEIGHT <= whole


class TestMemory:
    def test_of_an_adapter_on_16_bits(self) -> None:
        found = memory_of(TrainConfig(use_peft=True, lora_r=64, engine="hf"), SEVEN)
        assert found["weights"] == 2 * 7_615_616_512
        trained = found["adapter"] + found["gradients"] + found["optimiser"]
        assert trained == 16 * SEVEN.adapter(64)
        assert found["engine weights"] == found["reference"] == 0

    def test_of_all_weights_holds_a_reference_where_there_is_a_kl_term(self) -> None:
        found = memory_of(TrainConfig(beta=0.01), SEVEN)
        assert found["reference"] == found["gradients"] == 4 * SEVEN.parameters
        assert memory_of(TrainConfig(), SEVEN)["reference"] == 0

    def test_of_four_bits_is_what_qlora_counts(self) -> None:
        four = named("Qwen3-4B-Instruct-2507")
        for shape, size in ((SEVEN, 5.55), (four, 2.65)):
            found = memory_of(TrainConfig(use_peft=True, load_in_4bit=True), shape)
            assert found["weights"] / 1e9 == pytest.approx(size, abs=0.1)

    def test_of_keys_and_values_is_what_the_episodes_take_within_the_share(self) -> None:
        few = memory_of(TrainConfig(use_peft=True, capacity=1, max_length=1024), SEVEN)
        assert few["keys and values"] == 1024 * 56 * 1024
        many = memory_of(TrainConfig(use_peft=True, capacity=1000, max_length=8192), SEVEN)
        assert many["keys and values"] < 0.4 * 80e9

    def test_grows_with_rows_and_shrinks_by_checkpointing(self) -> None:
        sizes = [
            memory_of(TrainConfig(use_peft=True, per_device_train_batch_size=rows, gradient_checkpointing=saves), SEVEN)
            for rows, saves in ((1, True), (2, True), (2, False))
        ]
        one, two, kept = (size["activations"] for size in sizes)
        assert two == 2 * one
        assert kept > 10 * two


class TestTheTokensOfATurn:
    """Budgets are in tokens of Qwen's tokenizer, which no test can load: 3 characters a token is what it takes of these
    texts at the least (docs/presets.md), so that characters bound tokens from above."""

    TEMPLATE = 9

    @pytest.mark.parametrize("split", ["train", "valid_unseen"])
    def test_of_alfworld_are_within_its_budget(self, split: str) -> None:
        env, draw = envs.make("alfworld", split=split, size="full", data="generated"), np.random.default_rng(0)
        assert env.max_steps == BUDGETS["alfworld"].turns
        opening, observations = [], []
        for seed in range(12):
            observation, info = env.reset(seed=seed)
            talk = env.protocol("react")
            opening.append(sum(len(message.content) / 3 + 5 for message in talk.open(observation, info)))
            shown = []
            while not (info.get("won") or len(shown) == env.max_steps):
                able = [command for command in info["admissible_commands"] if command != "help"]
                observation, _, _, _, info = env.step(str(draw.choice(able)))
                shown.append(len(observation) / 3 + self.TEMPLATE)
            observations.append(np.mean(shown))
        assert max(opening) <= BUDGETS["alfworld"].opening
        assert max(observations) <= BUDGETS["alfworld"].observation

    def test_of_db_bench_are_within_its_budget_for_who_looks_before_it_asks(self) -> None:
        env = envs.make("dbbench", generate={"count": 60})
        assert env.max_steps == BUDGETS["dbbench"].turns
        opening, observations = _expert(env, "react", lambda text: len(text) / 3)
        assert max(opening) <= BUDGETS["dbbench"].opening
        assert max(observations) + self.TEMPLATE <= BUDGETS["dbbench"].observation

    @pytest.mark.parametrize(("name", "made"), [("alfworld", {"size": "tiny", "data": "generated"}), ("dbbench", {})])
    def test_of_the_stored_models_are_within_theirs(self, name: str, made: dict[str, Any]) -> None:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(Path(model_path(f"tiny-{name}")) / "tokenizer.json"))
        made = made or {"generate": {"difficulty": 1, "count": 100}}

        def count(text: str) -> float:
            return len(tokenizer.encode(text, add_special_tokens=False).ids)

        opening, observations = _expert(envs.make(name, **made), "plain", count)
        assert max(opening) <= STORED_BUDGETS[name].opening
        assert max(observations) + self.TEMPLATE <= STORED_BUDGETS[name].observation

    def test_of_verl_agents_prompts_are_within_theirs(self) -> None:
        env, draw = envs.make("alfworld", size="full", data="generated"), np.random.default_rng(0)
        talk, longest = env.protocol("verl-agent"), 0.0
        for seed in range(6):
            observation, info = env.reset(seed=seed)
            past: list[Exchange] = []
            while len(past) < 20 and not info.get("won"):
                past.append(Exchange(observation, str(draw.choice(info["admissible_commands"]))))
                observation, _, _, _, info = env.step(past[-1].action)
                said = talk.show(talk.write(past[-1].action), [observation], info, past)
                longest = max(longest, sum(len(message.content) / 3 for message in said))
        assert longest <= ALONE["verl-agent"]


def _expert(env: Any, protocol: str, count: Any) -> tuple[list[float], list[float]]:
    """Tokens of the openings, and the mean of the observations, of 30 episodes of the expert."""
    opening, observations = [], []
    for seed in range(30):
        observation, info = env.reset(seed=seed)
        talk = env.protocol(protocol)
        opening.append(sum(count(message.content) + 5 for message in talk.open(observation, info)))
        expert, shown, over = env.expert(), [], False
        expert.reset(observation, info)
        while not over:
            observation, _, terminated, truncated, info = env.step(expert.act(observation, info))
            over = terminated or truncated
            shown.append(count(observation))
        observations.append(float(np.mean(shown)))
    return opening, observations


def test_the_turns_that_fit_are_what_the_context_leaves() -> None:
    for length, turns in ((4096, 18), (8192, 39), (10240, 50)):
        config = TrainConfig(model="somebody/else", max_length=length, max_completion_length=128)
        found = figures(config, SEVEN)
        assert (found.turns, found.limit, found.tokens) == (turns, 50, 640 + 50 * 192)


def test_a_turn_with_a_context_of_its_own_always_fits_or_never() -> None:
    known: dict[str, Any] = {"model": "somebody/else", "protocol": "verl-agent", "max_completion_length": 512}
    assert figures(TrainConfig(**known, max_length=2560), SEVEN).turns == 50
    assert figures(TrainConfig(**known, max_length=1024), SEVEN).turns == 0


def test_more_context_never_holds_fewer_turns() -> None:
    found = [figures(TrainConfig(model="x/y", max_length=1024 * size), SEVEN).turns for size in range(1, 20)]
    assert all(one <= other for one, other in pairwise(found))
