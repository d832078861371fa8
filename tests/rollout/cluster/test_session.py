"""Ray is started for this process and ended with it, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


LISTENS = """
import psutil
from rollout.cluster.session import connect, disconnect

connect({address!r})
here = psutil.Process()
found = {{
    connection.laddr.ip
    for process in [here, *here.children(recursive=True)]
    for connection in process.net_connections(kind="inet")
    if connection.status == psutil.CONN_LISTEN
}}
assert found, "Ray listens somewhere"
print(*found)
disconnect()
"""


@pytest.mark.slow
@pytest.mark.parametrize("address", [None, "local"])
def test_a_ray_that_is_started_here_cannot_be_reached_from_other_machines(address: str | None) -> None:
    code = LISTENS.format(address=address)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {address.removeprefix("::ffff:") for address in done.stdout.split()} == {"127.0.0.1"}


JOINS = """
import os, sys
from rollout.cluster.session import connect, disconnect

connect(None)
import ray

address = ray.get_runtime_context().gcs_address
other = "import ray; ray.init(address=" + repr(address) + ", log_to_driver=False)"
import subprocess

without = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_TOKEN"}
command = [sys.executable, "-c", other]
known = subprocess.run(command, capture_output=True, timeout=100)
stranger = subprocess.run(command, env={**without, "HOME": sys.argv[1]}, capture_output=True, timeout=100)
print(known.returncode, stranger.returncode)
disconnect()
"""


@pytest.mark.slow
def test_a_ray_that_is_started_here_asks_for_a_secret(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", JOINS, str(tmp_path)], capture_output=True, text=True, check=True)
    known, stranger = done.stdout.split()
    assert known == "0"
    assert stranger != "0"
