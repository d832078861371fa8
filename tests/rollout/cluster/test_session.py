"""Ray is started for this process and ended with it, and nothing else is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rollout.cluster.session import connect, disconnect


@pytest.mark.slow
def test_the_end_of_ray_leaves_alone_what_it_has_not_started() -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert connect(None)
    disconnect()
    other.communicate(b"\n")
    assert other.returncode == 0
