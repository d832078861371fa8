"""The card of a trained model: what it says is so, the Hub reads it, and nothing is made up."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from configs import EvalConfig
from eval.episode import Episode
from eval.metrics import summarise
from eval.result import Result
from trainers.card import Training, write_card

FINGERPRINT = {
    "epochs": 1,
    "episodes": 40,
    "env": {"id": "ALFWorld-v1", "split": "valid_unseen", "args": {"size": "small"}, "tasks": 204},
    "protocol": {"name": "react"},
    "policy": {"sampling": {"temperature": 0.0, "max_new_tokens": 64}},
    "seed": 3,
}
TRAINING = Training(
    base="Qwen/Qwen3-0.6B",
    env="alfworld",
    algorithm="grpo",
    episodes=5120,
    iterations=40,
    seeds=(1, 2),
    licence="apache-2.0",
    settings={"learning_rate": 2e-4},
)


def scored(solved: int, **facts: Any) -> Result:
    rows = tuple(
        Episode(f"t{i}#0", f"t{i}", "heat", 0, i < solved, 0.0, 9, "terminated", None, 0, 0, 9, 50, 400, 1.0)
        for i in range(40)
    )
    return Result("held-out", FINGERPRINT | facts, {"name": "m"}, summarise(rows), rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my model").mkdir()
    return tmp_path / "my model"


def test_the_hub_reads_its_metadata(folder: Path) -> None:
    card = ModelCard.load(write_card(folder, TRAINING))
    assert card.data.base_model == "Qwen/Qwen3-0.6B"
    assert card.data.library_name == "transformers"
    assert card.data.license == "apache-2.0"
    assert {"train-agent", "grpo", "alfworld"} <= set(card.data.tags)


def test_it_says_what_the_model_was_made_of(folder: Path) -> None:
    text = write_card(folder, TRAINING).read_text()
    assert "# my model" in text
    for row in ("| Algorithm | grpo |", "| Episodes | 5,120 |", "| Seeds | 1, 2 |", "| learning_rate | `0.0002` |"):
        assert row in text
    assert "torch 2" in text
    assert "Not scored." in text


def test_scores_stand_there_with_interval_test_and_fingerprint(folder: Path) -> None:
    before, after = scored(10), scored(30)
    text = write_card(folder, TRAINING, before=before, after=after).read_text()
    assert "| before training | held-out | 25.0% | 14.2 to 40.2 | 40 |" in text
    assert "| after training | held-out | 75.0% | 59.8 to 85.8 | 40 |" in text
    assert "Paired by task: +50.0 points" in text
    assert "p = 1.9e-06" in text  # 20 gained and none lost: 2 * 0.5^20
    assert '"max_new_tokens": 64' in text


def test_scores_under_other_conditions_are_not_compared(folder: Path) -> None:
    text = write_card(folder, TRAINING, before=scored(10, seed=4), after=scored(30)).read_text()
    assert "Paired by task" not in text
    assert "cannot be compared: the two were not scored under the same conditions (seed: 4 against 3)" in text


def test_its_command_scores_the_model_under_the_same_conditions(folder: Path) -> None:
    text = write_card(folder, TRAINING, after=scored(30)).read_text()
    words = shlex.split(text.partition("```sh\n")[2].partition("\n")[0])
    assert words[:4] == ["train-agent", "eval", "--model", "my model"]
    given = dict(zip(words[4::2], words[5::2], strict=True))
    assert given == {
        "--env": "alfworld",
        "--split": "valid_unseen",
        "--talk": "react",
        "--env-args": "size=small",
        "--temperature": "0",
        "--max-completion-length": "64",
        "--limit": "40",
        "--epochs": "1",
        "--seed": "3",
    }
    options = {name.removeprefix("--").replace("-", "_"): value for name, value in given.items()}
    assert set(options) <= set(EvalConfig.__dataclass_fields__)


def test_an_adapter_is_loaded_by_peft(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    path = write_card(folder, TRAINING)
    assert ModelCard.load(path).data.library_name == "peft"
    assert 'AutoPeftModelForCausalLM.from_pretrained("my model")' in path.read_text()


@pytest.mark.parametrize("base", ["tiny-alfworld", "/models/mine", "runs/warm"])
def test_a_base_that_the_hub_lacks_is_told_and_not_linked(
    folder: Path, base: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "runs" / "warm").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    path = write_card(folder, Training(base=base, env="dbbench", algorithm="sft", episodes=10))
    card = ModelCard.load(path)
    assert card.data.base_model is None
    assert card.data.license is None
    assert f"`{base}`" in card.text
    assert "own licence, which its page tells" in card.text
