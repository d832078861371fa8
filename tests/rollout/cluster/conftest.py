"""Ray for the tests of a module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def started_ray() -> Iterator[None]:
    """One Ray for a module: starting one takes seconds."""
    from rollout.cluster.session import connect, disconnect

    assert connect(None)
    yield
    disconnect()


@pytest.fixture
def nodes() -> Iterator[Any]:
    """A cluster of three machines, as far as Ray knows."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_worker_niceness="0")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    ray.shutdown()
    cluster.shutdown()
