"""Models for the tests of engines and renderers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tiny_models


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Two threads beside another busy process lose their time spinning."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return tiny_models.tokenizer()


@pytest.fixture(scope="session", params=["qwen3", "qwen2"])
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return tiny_models.model(request.param)
