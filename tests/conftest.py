"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A slow or busy machine is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of third-party data and recordings; the test skips where there is none."""
    for folder in (os.environ.get("TRAIN_AGENT_SHARED"), ROOT.parent / "shared"):
        if folder and (path := Path(folder)).is_dir():
            return path
    pytest.skip("no recordings: set TRAIN_AGENT_SHARED to their folder")


@pytest.fixture(scope="module", autouse=True)
def _what_stays_is_not_looked_through_again() -> None:
    """Trainers collect garbage at every turn, which takes a second where a million objects of other modules live."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _environment_variables() -> Iterator[None]:
    """Importing alfworld sets ALFWORLD_DATA; no test may change what another finds."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
