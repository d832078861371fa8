"""Ray for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def started_ray() -> Iterator[None]:
    """One Ray for a module: starting one takes seconds."""
    from rollout.cluster.session import connect, disconnect

    assert connect(None)
    yield
    disconnect()
