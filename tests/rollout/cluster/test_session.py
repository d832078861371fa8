"""Ray is started for this process and ended with it, and nothing else is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rollout.cluster.errors import ClusterError
from rollout.cluster.session import connect, disconnect


def test_rays_client_is_refused_with_what_to_type() -> None:
    with pytest.raises(ClusterError, match="--ray HOST:6379"):
        connect("ray://head:10001")


@pytest.mark.slow
def test_the_end_of_ray_leaves_alone_what_it_has_not_started() -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert connect(None)
    disconnect()
    other.communicate(b"\n")
    assert other.returncode == 0
