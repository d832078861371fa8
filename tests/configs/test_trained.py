"""A model is played as it was trained, unless the user says otherwise."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from configs import CollectConfig, EvalConfig, TrainConfig, as_yaml, build
from configs.stored import MODELS
from configs.trained import RECORD, for_collecting, for_scoring, record_of, settings_of

TRAINED = TrainConfig(
    env="alfworld", protocol="plain", env_args={"size": "small", "max_steps": 30}, max_completion_length=40, window=3
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for folder in ("model", "checkpoints/checkpoint-4"):
        (tmp_path / "run" / folder).mkdir(parents=True)
    (tmp_path / "run" / "config.yaml").write_text(as_yaml(TRAINED))
    return tmp_path / "run"


def scoring(**said: Any) -> EvalConfig:
    return build(EvalConfig, *for_scoring([("command line", said)]))


@pytest.mark.parametrize("place", ["model", "checkpoints/checkpoint-4", "."])
def test_a_model_in_its_run_knows_the_run_s_options(run: Path, place: str) -> None:
    found = scoring(model=str(run / place), split="valid_seen")
    assert (found.talk, found.max_completion_length, found.window) == ("plain", 40, 3)
    assert found.env_args == {"size": "small", "max_steps": 30}
    collected = build(CollectConfig, *for_collecting([("command line", {"model": str(run / place)})]))
    assert (collected.protocol, collected.env_args) == ("plain", {"size": "small", "max_steps": 30})


def test_what_the_user_says_wins(run: Path) -> None:
    found = scoring(model=str(run), split="valid_seen", talk="react", **{"env-args": {"size": "full"}})
    assert (found.talk, found.env_args) == ("react", {"size": "full", "max_steps": 30})


def test_a_benchmark_says_what_is_played_and_an_edition_how_it_is_answered(run: Path) -> None:
    named = scoring(model=str(run), protocol="alfworld-seen")
    assert (named.talk, named.max_completion_length, named.env_args) == ("plain", 40, {})
    edition = scoring(model=str(run), protocol="agentbench-v02")
    assert (edition.talk, edition.max_completion_length, edition.env_args) == (None, None, {})


def test_another_environment_s_model_and_unknown_ones_change_nothing(run: Path, tmp_path: Path) -> None:
    assert settings_of(str(run), "dbbench") == {}
    for model in ("expert", "random", "Qwen/Qwen3-4B", "http://127.0.0.1:8000/v1", str(tmp_path / "absent")):
        assert settings_of(model, "alfworld") == {}


def test_a_model_folder_that_is_moved_takes_the_record_along(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(record_of(asdict(TRAINED)))
    found = scoring(model=str(tmp_path), split="valid_seen")
    assert (found.talk, found.max_completion_length, found.window) == ("plain", 40, 3)
    assert found.env_args == {"size": "small", "max_steps": 30}


def test_neither_a_record_nor_a_run_hands_on_where_its_data_and_its_database_were(tmp_path: Path) -> None:
    args = {"backend": "mysql+pymysql://root:secret@h/", "data": "/somewhere", "rule": "fc"}
    trained = TrainConfig(env="dbbench", protocol="plain", env_args=args)
    assert json.loads(record_of(asdict(trained)))["env_args"] == {"rule": "fc"}
    (tmp_path / "config.yaml").write_text(as_yaml(trained))
    assert settings_of(str(tmp_path), "dbbench")["env_args"] == {"rule": "fc"}


@pytest.mark.parametrize("text", ["", "[1]", "env: 7\nprotocol: plain", "{", "env: {id: ALFWorld-v1}\nprotocol: {}"])
def test_a_file_that_is_no_record_of_ours_is_passed_over(text: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(text)
    assert settings_of(str(tmp_path), "alfworld") == {}


@pytest.mark.parametrize("env", ["alfworld", "dbbench"])
def test_the_stored_models_know_how_they_were_trained(env: str) -> None:
    assert (MODELS / f"tiny-{env}" / RECORD).is_file()
    assert settings_of(f"tiny-{env}", env)["protocol"] == "plain"
    assert settings_of(f"tiny-{env}", "other") == {}
