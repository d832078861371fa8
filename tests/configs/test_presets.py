"""Presets stand below what the user says, and are found by environment, algorithm and model."""

from __future__ import annotations

from pathlib import Path

import pytest

import configs.presets
from configs import ConfigError, TrainConfig, build
from configs.presets import find_preset, preset_names, with_preset


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Presets made up for the test, in place of the real ones."""
    (tmp_path / "default.yaml").write_text("all: {tasks: 3}\n")
    (tmp_path / "tiny.yaml").write_text(
        "all: {tasks: 4, protocol: plain, learning_rate: 0.1}\n"
        "alfworld: {max_turns: 20, learning_rate: 0.2}\n"
        "dbbench: {max_turns: 8}\n"
        "grpo: {learning_rate: 0.3}\n"
        "alfworld-grpo: {learning_rate: 0.4}\n"
    )
    (tmp_path / "qwen3-0.6b.yaml").write_text("all: {tasks: 7}\n")
    monkeypatch.setattr(configs.presets, "FOLDER", tmp_path)
    return tmp_path


def built(*layers: dict[str, object]) -> TrainConfig:
    return build(TrainConfig, *with_preset([(f"layer {number}", layer) for number, layer in enumerate(layers)]))


def test_the_narrower_section_wins(folder: Path) -> None:
    assert find_preset("tiny", "alfworld", "grpo", None)[1]["learning_rate"] == 0.4
    assert find_preset("tiny", "alfworld", "dpo", None)[1]["learning_rate"] == 0.2
    assert find_preset("tiny", "dbbench", "grpo", None)[1] == {
        "tasks": 4,
        "protocol": "plain",
        "learning_rate": 0.3,
        "max_turns": 8,
    }


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (None, "tiny"),
        ("tiny-dbbench", "tiny"),
        ("Qwen/Qwen3-0.6B", "qwen3-0.6b"),
        ("/models/Qwen3-0.6B", "qwen3-0.6b"),
        ("Qwen/Qwen9-1B", "default"),
    ],
)
def test_without_a_name_it_is_found_by_the_model(model: str | None, name: str, folder: Path) -> None:
    assert find_preset(None, "alfworld", "grpo", model)[0] == name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("preset: tiny\n", "tiny"),
        ("preset: none\n", "none"),
        ("preset: gone\n", "default"),
        ("tasks: 3\n", "qwen3-0.6b"),
        ("{", "qwen3-0.6b"),
    ],
)
def test_what_a_run_has_left_has_that_runs_preset(written: str, name: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(written)
    assert find_preset(None, "alfworld", "grpo", str(tmp_path / "run" / "Qwen3-0.6B"))[0] == name


def test_the_command_line_wins_over_the_file_and_the_file_over_the_preset(folder: Path) -> None:
    config = built({"tasks": 5, "protocol": "react"}, {"tasks": "6"})
    assert (config.tasks, config.protocol, config.max_turns, config.learning_rate) == (6, "react", 20, 0.4)
    assert config.preset == "tiny"


def test_what_nobody_says_is_the_default(folder: Path) -> None:
    assert built({}).num_generations == TrainConfig().num_generations


def test_the_preset_follows_what_the_layers_say_together(folder: Path) -> None:
    config = built({"env": "dbbench", "model": "tiny-dbbench", "algo": "sft"}, {"algo": "grpo"})
    assert (config.max_turns, config.learning_rate) == (8, 0.3)


def test_a_versioned_id_of_an_environment_finds_its_section(folder: Path) -> None:
    assert built({"env": "ALFWorld-v1"}).max_turns == 20


def test_none_takes_no_preset(folder: Path) -> None:
    config = built({"preset": "none"})
    assert (config.tasks, config.preset) == (TrainConfig().tasks, None)


def test_a_preset_adds_to_its_base_section_by_section(folder: Path) -> None:
    (folder / "qwen3-0.6b.yaml").write_text("base: tiny\nall: {tasks: 7, learning_rate: 9}\nsft: {learning_rate: 8}\n")
    found = {algo: find_preset("qwen3-0.6b", "alfworld", algo, None)[1] for algo in ("grpo", "sft", "dpo")}
    assert {options["tasks"] for options in found.values()} == {7}
    assert {options["protocol"] for options in found.values()} == {"plain"}
    # What is said of an environment or an algorithm is narrower than `all`, wherever it is said.
    assert {algo: options["learning_rate"] for algo, options in found.items()} == {"grpo": 0.4, "sft": 8, "dpo": 0.2}


def test_an_unknown_name_is_answered_with_the_nearest(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown preset 'tyni'. Did you mean 'tiny'\? There are: default, qwen3"):
        built({"preset": "tyni"})


def test_an_unknown_key_of_a_preset_names_the_preset(folder: Path) -> None:
    (folder / "tiny.yaml").write_text("all: {taks: 4}\n")
    with pytest.raises(ConfigError, match=r"preset tiny: unknown key 'taks'. Did you mean 'tasks'"):
        built({})


def test_a_section_without_options_is_refused(folder: Path) -> None:
    (folder / "tiny.yaml").write_text("all: 4\n")
    with pytest.raises(ConfigError, match="the section 'all' holds no options"):
        built({})


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("env", ["alfworld", "dbbench"])
def test_the_presets_that_come_with_the_package_are_valid_options(name: str, env: str) -> None:
    assert built({"preset": name, "env": env}).preset == name
