"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of third-party data and recordings; the test skips where there is none."""
    for folder in (os.environ.get("TRAIN_AGENT_SHARED"), ROOT.parent / "shared"):
        if folder and (path := Path(folder)).is_dir():
            return path
    pytest.skip("no recordings: set TRAIN_AGENT_SHARED to their folder")
