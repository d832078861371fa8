"""What `train-agent` refuses or gives up, as a person types it: a sentence that says what to type, and an exit code."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from configs import TrainConfig, as_yaml, build
from configs.presets import with_preset
from tests import tiny_models
from tests.trainers.killed import SMALLEST
from trainers.cli import main

WORDS = (*SMALLEST, "--iterations=1", "--eval-tasks=0", "--select-tasks=0")
UNSHAPED = ("--rewards", "--inadmissible-penalty=0")
SFT = ("--algo", "sft", *UNSHAPED)


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    return Refused(tmp_path / "run", capsys)


class Refused:
    """Types a command and reads what is said."""

    def __init__(self, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.run, self._capsys = run, capsys

    def __call__(self, *words: str, code: int) -> str:
        assert main(["train", *WORDS, "-o", str(self.run), *words]) == code
        return self._capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--algo", "grop"], "Did you mean 'grpo'?"),
        (["--preset", "tyni"], "Did you mean 'tiny'?"),
        (["--num-generation", "4"], "Did you mean '--num-generations'?"),
        (["--env", "alfwrld"], "alfworld"),
        (["--rewards", "progres=0.2"], "Did you mean 'progress'?"),
        (["--rewards", "progress=2"], "at most 0.5 together"),
        (["--rewards", "progress=.nan"], "must be above 0"),
        (["--rewards", "progress=much"], "the weight of 'progress' is 'much', which is no number"),
        (["--rewards", "progress="], "the weight of 'progress' is None"),
        (["--report-to", "tensorbord"], "Did you mean 'tensorboard'?"),
        (["--split", "valid_unseen"], "Train on the split train: --split train."),
    ],
)
def test_a_name_that_is_unknown_or_wrong_is_answered_with_the_right_one(
    words: list[str], said: str, refused: Refused
) -> None:
    assert said in refused(*words, code=2)


def test_a_model_that_is_not_there(refused: Refused, tmp_path: Path) -> None:
    assert "no such folder" in refused("--model", str(tmp_path / "nowhere"), code=2)
    assert not refused.run.exists()


def test_several_training_processes(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "Start it without a launcher" in refused(code=1)
    assert not refused.run.exists()


@pytest.mark.parametrize("algo", ["grpo", "dpo", "kto", "sft"])
@pytest.mark.parametrize(
    "words",
    [
        ("--trl-args", "adam_bta2=0.9"),
        ("--trl-args", "adam_beta2=5"),
        ("--lr-scheduler-type", "cosin"),
    ],
)
def test_options_that_trl_does_not_know_before_anything_is_played(
    algo: str, words: tuple[str, str], refused: Refused
) -> None:
    said = refused("--algo", algo, *UNSHAPED, *words, code=1)
    assert "TRL refuses the options" in said
    assert "See --trl-args" in said
    assert not refused.run.exists()


def test_episodes_in_another_protocol_or_environment(refused: Refused, tmp_path: Path) -> None:
    collected = str(tmp_path / "collected")
    tiny = ["--env-args", "data=generated", "size=tiny", "length=12"]
    assert main(["collect", *tiny, "--protocol", "react", "--episodes", "2", "-o", collected]) == 0
    said = refused(*SFT, "--from", collected, code=1)
    assert "the protocol of these episodes is react, and the run's is plain" in said
    assert "Collect them again with --protocol plain, or train with --protocol react." in said
    env_args = ["--env-args", "generate={difficulty: 1, count: 20}"]
    said = refused("--env=dbbench", *env_args, *SFT, "--from", collected, code=1)
    assert "the env of these episodes is ALFWorld-v1" in said


def test_a_tokenizer_without_a_chat_template(refused: Refused, tmp_path: Path) -> None:
    tiny_models.model(layers=1).save_pretrained(tmp_path / "base")
    words = tiny_models.tokenizer.__wrapped__()
    words.chat_template = None
    words.save_pretrained(tmp_path / "base")
    said = refused("--model", str(tmp_path / "base"), code=2)
    assert "no chat template" in said
    assert "Use an instruct model" in said


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_vllm_where_it_is_not_installed(refused: Refused) -> None:
    said = refused("--engine", "vllm", code=2)
    assert "vLLM cannot run: it is not installed" in said
    assert "install" in said.partition("not installed")[2]


def test_an_adapter_on_the_output_layer(refused: Refused) -> None:
    said = refused("--use-peft", "--lora-target-modules", "q_proj", "lm_head", code=1)
    assert "Leave lm_head out" in said


def test_a_folder_without_episodes_to_learn_from(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = refused(*SFT, "--from", str(tmp_path / "empty"), code=1)
    assert f"{tmp_path / 'empty'}: there are no episodes. Make some: " in said


def test_episodes_of_tasks_by_which_models_are_scored(refused: Refused, tmp_path: Path) -> None:
    collected = str(tmp_path / "collected")
    tiny = ["--env-args", "data=generated", "size=tiny", "length=12"]
    assert main(["collect", *tiny, "--split", "valid_seen", "--episodes", "2", "-o", collected]) == 0
    said = refused(*SFT, "--from", collected, code=2)
    assert "of valid_seen, by which models are scored" in said
    assert not refused.run.exists()


def test_a_folder_that_cannot_be_written_to(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused("-o", str(tmp_path / "file" / "run"), code=1)
    assert "cannot be written" in said
    assert "give another path" in said


def test_a_folder_that_holds_another_run(refused: Refused, tmp_path: Path) -> None:
    refused.run.mkdir()
    (refused.run / "config.yaml").write_text("env: alfworld\nseed: 7\n")
    assert "Add --resume to go on, or choose another with -o." in refused(code=2)
    said = refused("--resume", code=2)
    assert "seed: 7 there, 0 now" in said
    assert "choose another folder with -o" in said


def test_a_run_to_resume_that_is_not_there(refused: Refused, tmp_path: Path) -> None:
    for name in ("alfworld-grpo", "dbbench-dpo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text("env: alfworld\n")
    said = refused("--resume", "-o", str(tmp_path / "alfworld-gpro"), code=2)
    assert "alfworld-gpro: there is no run to resume." in said
    assert f"Runs there: {tmp_path / 'alfworld-grpo'}. Leave --resume out to begin one." in said
    assert not (tmp_path / "alfworld-gpro").exists()


def test_a_run_to_resume_that_is_not_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *WORDS, "--resume"]) == 2
    assert "there is no run to resume" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_options_that_an_earlier_version_did_not_have_are_taken_as_they_are_by_default(
    refused: Refused,
) -> None:
    refused.run.mkdir()
    config = build(TrainConfig, *with_preset([("command line", {"preset": "none", "seed": 7})]))
    kept = [line for line in as_yaml(config).splitlines() if not line.startswith(("patience", "epsilon_high"))]
    (refused.run / "config.yaml").write_text("\n".join(kept))
    said = refused("--resume", code=2)
    assert "seed: 7 there, 0 now" in said
    assert "epsilon_high:" not in said


def test_a_folder_with_episodes_of_somebody_else(refused: Refused) -> None:
    (refused.run / "episodes").mkdir(parents=True)
    assert "the folder holds a run" in refused(code=2)
    assert "holds episodes but no config.yaml" in refused("--resume", code=2)


@pytest.mark.slow
def test_numbers_that_are_none_end_the_run_before_they_are_saved(refused: Refused) -> None:
    rate = ("--lr-scheduler-type=cosine_with_min_lr", "--trl-args", "lr_scheduler_kwargs={min_lr: 1.0e+39}")
    said = refused("--iterations=3", *rate, "--max-grad-norm=1e30", code=1)
    assert "diverged" in said
    assert not list((refused.run / "checkpoints").glob("*/run.json"))
