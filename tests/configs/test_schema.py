"""One dataclass is the command line, the YAML file and their documentation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import configs
from configs import ConfigError, add_arguments, as_yaml, build, documentation, read_yaml


@dataclass(frozen=True, kw_only=True)
class Base:
    """Shared."""

    seed: int = 0
    """Seeds all
    draws."""


@dataclass(frozen=True, kw_only=True)
class Sample(Base):
    """A sample."""

    learning_rate: float = 1e-4
    """Step size, 100% of it."""

    loss_type: Literal["grpo", "dapo"] = "grpo"
    """The loss."""

    output_dir: Path | None = None
    """Where to write."""

    packing: bool = False
    """Whether rows are packed."""

    targets: tuple[str, ...] = ("q", "k")
    """Projections."""

    env_args: dict[str, Any] = field(default_factory=dict)
    """More."""


def typed(*words: str) -> Sample:
    parser = argparse.ArgumentParser()
    add_arguments(parser, Sample)
    return build(Sample, ("command line", vars(parser.parse_args(list(words)))))


def test_the_string_below_a_field_is_its_help() -> None:
    assert documentation(Sample)["seed"] == "Seeds all draws."
    parser = argparse.ArgumentParser()
    add_arguments(parser, Sample)
    text = " ".join(parser.format_help().split())
    assert "Step size, 100% of it. (default: 0.0001)" in text
    assert "--loss-type {grpo,dapo}" in text


def test_the_command_line_takes_every_type() -> None:
    config = typed(
        *("--learning_rate", "2e-5", "--loss-type", "dapo", "--output-dir", "runs/x", "--packing", "--seed", "7"),
        *("--targets", "v", "o", "--env-args", "size=full", "max_steps=30", "dense=true"),
    )
    assert config == Sample(
        seed=7,
        learning_rate=2e-5,
        loss_type="dapo",
        output_dir=Path("runs/x"),
        packing=True,
        targets=("v", "o"),
        env_args={"size": "full", "max_steps": 30, "dense": True},
    )
    assert typed("--no-packing") == Sample()


def test_the_command_line_wins_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("learning-rate: 1\nseed: 3\noutput_dir: null\n")
    config = build(Sample, (str(file), read_yaml(file)), ("command line", {"seed": "4"}))
    assert (config.learning_rate, config.seed, config.loss_type) == (1.0, 4, "grpo")


@pytest.mark.parametrize(
    ("upper", "merged"),
    [
        (["max_steps=30"], {"size": "tiny", "make": {"level": 1, "count": 9}, "max_steps": 30}),
        (["make={level: 2}"], {"size": "tiny", "make": {"level": 2, "count": 9}, "max_steps": 20}),
        (["size=null", "make=null"], {"size": None, "make": None, "max_steps": 20}),
        ([], {}),
    ],
)
def test_a_dict_is_merged_key_by_key_and_null_or_nothing_takes_out(upper: list[str], merged: dict[str, Any]) -> None:
    lower = {"size": "tiny", "make": {"level": 1, "count": 9}, "max_steps": 20}
    config = build(Sample, ("preset", {"env_args": lower}), ("command line", {"env_args": upper}))
    assert config.env_args == merged


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rat": 1}, r"a.yaml: unknown key 'learning_rat'. Did you mean 'learning_rate'\?"),
        ({"zzz": 1}, "Known keys: seed, learning_rate"),
        ({"seed": "x"}, "a.yaml: seed: 'x' is not integer"),
        ({"seed": 1.5}, "1.5 is not integer"),
        ({"seed": [1]}, r"\[1\] is not integer"),
        ({"loss_type": "grp"}, "'grp' is not one of grpo, dapo. Did you mean 'grpo'"),
        ({"env_args": ["size"]}, "'size' has no key. Write it as key=value"),
        ({"env_args": ["size=[1"]}, r"'size=\[1': the value is not YAML"),
        ({"packing": "maybe"}, "'maybe' is not yes or no"),
    ],
)
def test_a_wrong_key_or_value_says_where_and_what_is_right(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Sample, ("a.yaml", values))


@pytest.mark.parametrize(("name", "option"), [("id", "--env"), ("split", "--split")])
def test_an_environment_argument_that_has_an_option_is_refused(name: str, option: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' has an option of its own: {option}"):
        build(configs.PlayConfig, ("command line", {"env_args": [f"{name}=train"]}))


@pytest.mark.parametrize(
    ("text", "message"),
    [("- 1\n- 2\n", "holds list, not keys"), ("a: [1", "not YAML"), (None, "Give an existing file to --config")],
)
def test_a_file_that_is_no_config_is_named(text: str | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=rf"a\.yaml: .*{message}"):
        read_yaml(file)


@given(
    st.builds(
        Sample,
        seed=st.integers(),
        learning_rate=st.floats(allow_nan=False),
        loss_type=st.sampled_from(["grpo", "dapo"]),
        output_dir=st.none() | st.just(Path("runs/ä")),
        packing=st.booleans(),
        targets=st.tuples(st.text("abc", min_size=1)),
        env_args=st.dictionaries(st.text("xyz", min_size=1), st.integers() | st.booleans() | st.none()),
    )
)
def test_a_resolved_config_reads_back_as_itself(config: Sample) -> None:
    assert build(Sample, ("config.yaml", yaml.safe_load(as_yaml(config)))) == config


def test_every_field_of_every_config_is_documented() -> None:
    classes = [value for value in vars(configs).values() if isinstance(value, type) and value.__name__ != "ConfigError"]
    assert classes
    for cls in classes:
        assert set(documentation(cls)) == set(cls.__dataclass_fields__), cls
