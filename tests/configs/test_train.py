"""The options of a training run, and what they refuse."""

from __future__ import annotations

import pytest
import yaml

from configs import ConfigError, TrainConfig, as_yaml, build, documentation
from configs.common import thinking
from configs.presets import with_preset


def built(*layers: dict[str, object]) -> TrainConfig:
    return build(TrainConfig, *[(f"layer {number}", layer) for number, layer in enumerate(layers)])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"algo": "grop"}, "'grop' is not one of .* Did you mean 'grpo'"),
        ({"num_generation": 4}, "unknown key 'num_generation'. Did you mean 'num_generations'"),
        ({"num_generations": 1}, "num_generations: 1 is out of range. Take an integer from 2"),
        ({"max_staleness": 1, "algo": "sft"}, "max_staleness: sft plays and learns in turns. Use it with grpo"),
        ({"max_staleness": 1, "load_in_4bit": True, "use_peft": True}, "Leave out vllm, ray and max_staleness"),
        ({"engine": "vllm", "load_in_4bit": True, "use_peft": True}, "only the trainer's own model has four bits"),
        ({"load_in_4bit": True}, "Add --use-peft"),
        ({"ray": False}, "YAML reads False here. Put the word in quotes"),
        ({"max_staleness": 1, "curriculum": "turns"}, "Leave out --curriculum turns"),
        ({"save_total_limit": 1}, "save_total_limit: 1 is out of range. Take an integer from 2"),
        (
            {"algo": "grpo", "source": "runs/x"},
            "--from: grpo learns from its own episodes",
        ),
        ({"algo": "kto", "rewards": {"progress": 0.2}}, "rewards: kto asks only whether a task was solved"),
        ({"algo": "dpo", "invalid_penalty": 0.1}, "penalties: dpo has no advantages to take them from. Use them with"),
        ({"algo": "sft", "inadmissible_penalty": 0.1}, "penalties: sft has no advantages"),
        (
            {"algo": "grpo", "scale_rewards": True},
            "an option of gigpo, and the algorithm is grpo. Leave it out",
        ),
        ({"learning_rate": "fast"}, "learning_rate: 'fast' is not number"),
        ({"env_args": {"split": "train"}}, "has an option of its own: --split"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_do(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        built(options)


def test_every_option_is_documented() -> None:
    assert set(TrainConfig.__dataclass_fields__) == set(documentation(TrainConfig))


def test_the_options_of_a_run_read_back_as_they_were() -> None:
    """By which `--config RUN/config.yaml --resume` goes on with it."""
    import yaml

    said = {"env_args": ["data=games", "size=null"], "report_to": ["wandb"], "max_turns": "12", "bf16": "no"}
    config = build(TrainConfig, *with_preset([("command line", {**said, "preset": "tiny", "output_dir": "runs/x"})]))
    again = build(TrainConfig, *with_preset([("config.yaml", yaml.safe_load(as_yaml(config)))]))
    assert again == config
    assert (again.max_turns, again.bf16, again.report_to) == (12, False, ("wandb",))


@pytest.mark.parametrize(
    ("said", "kept", "told"), [(True, "true", True), ("false", "false", False), ("auto", "auto", None)]
)
def test_enable_thinking_is_said_as_to_qwen3(said: object, kept: str, told: bool | None) -> None:
    config = build(TrainConfig, ("file", {"enable_thinking": said}))
    assert config.enable_thinking == kept
    assert thinking(config.enable_thinking) is told
    assert build(TrainConfig, ("file", yaml.safe_load(as_yaml(config)))) == config
