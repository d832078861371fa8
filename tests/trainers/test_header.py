"""What a run says before it begins."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from configs import TrainConfig, build
from configs.presets import with_preset
from trainers.header import header, print_header
from trainers.opening import open_session
from trainers.session import Session

TINY = {"env_args": {"data": "generated", "size": "tiny", "length": 12}, "select_tasks": 4, "eval_tasks": 3}


def opened(folder: Path, **options: object) -> Session:
    return open_session(build(TrainConfig, *with_preset([("test", {**TINY, **options})])), folder)


def test_it_names_the_model_the_preset_the_device_the_tasks_and_what_will_happen(tmp_path: Path) -> None:
    session = opened(tmp_path / "run", tasks=4, num_generations=3, iterations=5, eval_steps=1)
    try:
        lines = dict(header(session))
        parameters = session.model.num_parameters()
    finally:
        session.close()
    assert parameters == sum(weight.numel() for weight in session.model.parameters())
    assert lines["model"] in (
        f"tiny-alfworld: {parameters:,} parameters, float32",
        f"tiny-alfworld: {parameters / 1e6:.1f} million parameters, float32",
    )
    assert lines["algorithm"] == "grpo, preset tiny, learning rate 0.0003"
    assert lines["device"].startswith("cpu, ")
    assert lines["engine"] == "hf: transformers, in this process; up to 128 episodes at once"
    assert lines["tasks"] == "12 of ALFWorld-v1, split train; protocol plain"
    # 5 x 4 x 3 episodes of 20 turns of 16 tokens.
    assert lines["plan"] == (
        "5 iterations, or 10 minutes, each 4 tasks x 3 episodes of at most 20 turns: "
        "60 episodes, at most 19,200 sampled tokens"
    )
    assert lines["evaluation"] == (
        "before and after on 3 tasks of valid_unseen at most; "
        "every iteration on 4 of valid_seen, whose best checkpoint is kept"
    )
    assert lines["folder"] == str(tmp_path / "run")
    assert "resumed" not in lines


def test_an_adapter_s_share_of_the_weights_is_named(tmp_path: Path) -> None:
    session = opened(tmp_path / "run", use_peft=True, lora_r=2, select_tasks=0, eval_tasks=0)
    try:
        lines = dict(header(session))
    finally:
        session.close()
    assert " of them trained" in lines["model"]
    assert lines["evaluation"] == "none"


@pytest.mark.parametrize("terminal", [False, True])
def test_it_is_printed_as_lines_or_as_a_table(terminal: bool, tmp_path: Path) -> None:
    session = opened(tmp_path / "run")
    out = io.StringIO()
    try:
        session.standing.iteration = 3
        print_header(session, Console(file=out, force_terminal=terminal, width=60))
    finally:
        session.close()
    if terminal:
        assert "tiny-alfworld" in out.getvalue()
        assert max(map(len, out.getvalue().splitlines())) < 100
    else:
        assert out.getvalue().splitlines()[0].startswith("model: tiny-alfworld")
        assert out.getvalue().splitlines()[-1] == "resumed: after iteration 3 of 40"
