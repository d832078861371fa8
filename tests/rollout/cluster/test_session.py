"""Ray is started for this process and ended with it, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rollout.cluster.errors import ClusterError
from rollout.cluster.session import _without_gpus, connect, disconnect


def test_rays_client_is_refused_with_what_to_type() -> None:
    with pytest.raises(ClusterError, match="--ray HOST:6379"):
        connect("ray://head:10001")


def test_a_ray_that_is_started_here_does_not_see_the_drivers_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    with _without_gpus(1):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "5,7"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,5,7"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    with _without_gpus(0):
        assert "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.slow
def test_the_end_of_ray_leaves_alone_what_it_has_not_started() -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert connect(None)
    disconnect()
    other.communicate(b"\n")
    assert other.returncode == 0
