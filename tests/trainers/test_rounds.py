"""Rounds of DPO, KTO and SFT by the command, on own episodes and on collected ones."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from configs import TrainConfig
from eval.history import of_kind, read_metrics
from rollout import read_trajectories
from rollout.loading import load_tokenizer
from tests.trainers.killed import SMALLEST
from trainers.cli import main
from trainers.rounds import arguments
from trainers.update_guard import UpdateGuard

pytestmark = pytest.mark.slow

TINY = ("--env-args", "data=generated", "size=tiny", "length=12")
ONE = (
    *(*SMALLEST, "--iterations=1", "--eval-tasks=0", "--select-tasks=0", "--train-batch-size=2", "--json"),
    "--inadmissible-penalty=0",
)
UNSHAPED = ("--rewards",)


@pytest.mark.parametrize("algo", ["dpo", "kto"])
def test_a_round_on_own_episodes_changes_the_model(algo: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    # KTO wants a verdict, so a few turns must do for some task.
    more = ("--env-args", "data=generated", "size=tiny", "length=12", "max_steps=12") if algo == "kto" else ()
    seen = ("--tasks=6", "--temperature=1", *UNSHAPED) if algo == "kto" else ()
    assert main(["train", f"--algo={algo}", *ONE, *more, *seen, "-o", str(run)]) == 0
    (record,) = of_kind(read_metrics(run), "iteration")
    assert record["rows"] > 0
    assert record["trained_tokens"] > 0
    assert record["grad_norm"] > 0
    assert record["kl_update"] > 0
    assert "kl" not in record  # which is nats a token; KTO's is of whole answers
    assert record["episodes"] == len(read_trajectories(run))
    assert _weights(run / "model") != _weights(Path("configs/models/tiny-alfworld"))


def test_sft_on_a_collected_run_is_one_round_in_which_nothing_is_played(tmp_path: Path) -> None:
    demos, run = tmp_path / "demos", tmp_path / "run"
    collect = ["collect", *TINY, "--protocol", "plain", "--policy", "expert", "--episodes", "4"]
    assert main([*collect, "-o", str(demos)]) == 0
    words = [word for word in ONE if word != "--iterations=1"]
    assert main(["train", "--algo=sft", *words, *UNSHAPED, "--from", str(demos), "-o", str(run)]) == 0
    (record,) = of_kind(read_metrics(run), "iteration")
    assert record["rows"] == 4
    assert record["grad_norm"] > 0
    assert not read_trajectories(run)
    assert (run / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize("algo", ["sft", "dpo"])
def test_a_round_on_given_data_goes_on_after_the_updates_that_were_made(
    algo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    demos = tmp_path / "demos"
    policy = ["--model", "expert"] if algo == "sft" else ["--model", "tiny-alfworld", "--per-task", "4"]
    collect = ["collect", *TINY, "--protocol", "plain", *policy, "--episodes", "24"]
    assert main([*collect, "-o", str(demos)]) == 0
    words = [word for word in ONE if word != "--iterations=1"]
    train = ["train", f"--algo={algo}", *words, *UNSHAPED, "--num-train-epochs=3", "--from", str(demos)]
    assert main([*train, "-o", str(tmp_path / "whole")]) == 0

    def interrupt(self: UpdateGuard, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.global_step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        self._look()

    with monkeypatch.context() as patch:
        patch.setattr(UpdateGuard, "on_step_begin", interrupt)
        capsys.readouterr()
        assert main([*train, "-o", str(tmp_path / "cut")]) == 143
    assert "round/checkpoint-2" in capsys.readouterr().err
    left = _weights(tmp_path / "cut" / "model")
    assert left not in (_weights(Path("configs/models/tiny-alfworld")), _weights(tmp_path / "whole" / "model"))
    assert main([*train, "-o", str(tmp_path / "cut"), "--resume"]) == 0
    assert _weights(tmp_path / "cut" / "model") == _weights(tmp_path / "whole" / "model")
    assert not (tmp_path / "cut" / "checkpoints" / "round").exists()


def test_sft_on_a_public_data_set_learns_its_replies(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = [("human", "Play."), ("gpt", "OK."), ("human", "You see a desk 1."), ("gpt", "go to desk 1")]
    turns = [{"from": who, "value": text, "loss": who == "gpt" and text != "OK."} for who, text in said]
    file, run = tmp_path / "share.json", tmp_path / "run"
    file.write_text(json.dumps([{"id": f"mine-{number}", "conversations": turns} for number in range(4)]))
    words = [word for word in ONE if word != "--iterations=1"]
    assert main(["train", "--algo=sft", *words, *UNSHAPED, "--from", str(file), "-o", str(run)]) == 0
    (record,) = of_kind(read_metrics(run), "iteration")
    reply = load_tokenizer(Path("configs/models/tiny-alfworld")).encode("go to desk 1", add_special_tokens=False)
    assert (record["rows"], record["trained_tokens"]) == (4, 4 * (len(reply) + 1))
    assert record["grad_norm"] > 0
    assert "4 turns are shown and not learned, because the data say so" in caplog.text
    assert _weights(run / "model") != _weights(Path("configs/models/tiny-alfworld"))


@pytest.mark.parametrize(("size", "rows"), [(16, 8), (6, 6), (10, 5), (7, 7), (11, 1)])
def test_an_update_is_as_large_as_asked_whatever_fits_into_a_forward_pass(size: int, rows: int, tmp_path: Path) -> None:
    config = TrainConfig(algo="dpo", train_batch_size=size, per_device_train_batch_size=8)
    made = arguments(config, str(tmp_path))
    assert (made.per_device_train_batch_size, made.gradient_accumulation_steps) == (rows, size // rows)


def _weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()
