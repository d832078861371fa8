"""Every number that a command takes has a range; what is outside is refused by name before anything begins."""

from __future__ import annotations

import dataclasses
import math
import typing
from typing import Any

import pytest

from configs import ConfigError, TrainConfig, WarmStartConfig, build
from configs.ranges import Range, range_of
from configs.schema import _unwrap
from trainers.cli import COMMANDS, _load, main

CLASSES = {command.name: _load(command.config) for command in COMMANDS}
REQUIRED = {
    "export": {"run": "x", "format": "sft", "output": "y"},
    "compare": {"a": "x", "b": "y"},
    "view": {"run": "x"},
}

OPTIONS = [
    (command, field.name)
    for command, cls in CLASSES.items()
    for field in dataclasses.fields(cls)
    if _unwrap(typing.get_type_hints(cls)[field.name])[0] in (int, float)
]

MAY_BE_0 = {
    *("seed", "temperature", "eval_temperature", "min_gap"),
    *("eval_tasks", "select_tasks", "eval_episodes", "max_staleness"),
    *("warmup_steps", "warmup_ratio", "weight_decay", "max_grad_norm", "beta", "gamma", "omega"),
    *("invalid_penalty", "inadmissible_penalty", "lora_dropout", "observation_weight", "unsure"),
}
"""Where 0 has a meaning: greedy, none, or not at all."""


def built(command: str, **options: Any) -> Any:
    return build(CLASSES[command], ("command line", {**REQUIRED.get(command, {}), **options}))


@pytest.mark.parametrize(("command", "name"), OPTIONS)
def test_a_number_without_meaning_is_refused_by_the_option_s_name_and_range(command: str, name: str) -> None:
    declared = range_of(typing.get_type_hints(CLASSES[command], include_extras=True)[name])
    assert isinstance(declared, Range), f"{command} --{name} has no range: declare one beside it"
    for value in ("-1", "nan", "inf", "-inf", "1e300", "1" + "0" * 40, -1, math.nan, math.inf, True):
        with pytest.raises(ConfigError, match=f"command line: {name}: ") as refused:
            built(command, **{name: value})
        assert str(refused.value).endswith(f" Take {declared}.")


@pytest.mark.parametrize(("command", "name"), OPTIONS)
def test_zero_is_taken_where_it_has_a_meaning_and_nowhere_else(command: str, name: str) -> None:
    # Training divides by its sampling temperature: what is greedy explores nothing.
    if name in MAY_BE_0 and (command, name) != ("train", "temperature"):
        assert getattr(built(command, **{name: "0"}), name) == 0
    else:
        with pytest.raises(ConfigError, match=f"{name}: 0(.0)? is out of range"):
            built(command, **{name: "0"})


@pytest.mark.parametrize(("command", "name"), OPTIONS)
def test_a_default_is_within_its_range(command: str, name: str) -> None:
    config = built(command)
    if getattr(config, name) is not None:
        assert getattr(built(command, **{name: getattr(config, name)}), name) == getattr(config, name)


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--learning-rate", "-1"],
        ["train", "--seed", "-1"],
        ["train", "--eval-steps", "0"],
        ["collect", "--temperature", "-1"],
        ["eval", "--split", "train", "--top-p", "2"],
        ["export", "runs/x", "preference", "y.jsonl", "--min-gap", "nan"],
        ["play", "--seed", "-1"],
        ["warm-start", "--difficulty", "9"],
    ],
)
def test_a_command_ends_with_code_2_and_what_to_type(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert f"{words[-2].removeprefix('--').replace('-', '_')}: " in said
    assert " is out of range. Take " in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"max_length": 100, "max_completion_length": 256},
            "max_length: 100 tokens leave no room beside a reply of 256",
        ),
        ({"max_length": 256, "max_completion_length": 256}, "Raise max_length"),
    ],
)
def test_a_context_that_a_single_reply_fills_is_refused(options: dict[str, Any], said: str) -> None:
    for command in ("train", "collect", "eval"):
        with pytest.raises(ConfigError, match=said):
            built(command, **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_attention_heads": 3}, "num_attention_heads: 3 is odd"),
        ({"hidden_size": 100, "num_attention_heads": 8}, "hidden_size: 100 is no multiple of 8 heads"),
        ({"hidden_size": 12, "num_attention_heads": 4}, "hidden_size: 12 makes heads of 3"),
    ],
)
def test_a_model_whose_heads_do_not_fit_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build(WarmStartConfig, ("command line", options))


def test_the_help_says_the_range() -> None:
    import argparse

    from configs import add_arguments

    parser = argparse.ArgumentParser()
    add_arguments(parser, TrainConfig)
    text = " ".join(parser.format_help().split())
    assert "(default: 8; an integer from 2 to 4,096)" in text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (Range(1, 5, whole=True), "an integer from 1 to 5"),
        (Range(0, 1, above=True), "a number above 0, up to 1"),
        (Range(0, 1, below=True), "a number from 0 to below 1"),
    ],
)
def test_a_range_says_what_it_holds(given: Range, shown: str) -> None:
    assert str(given) == shown
