"""Ray itself: joining a cluster, or starting one on this machine without a sound."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rollout.cluster import guard
from rollout.cluster.errors import ClusterError

STORE_BYTES = 200 << 20
"""Of the object store of a Ray that is started here: two versions of the weights have to fit. Ray spills the rest."""

CONNECT = 5.0
"""Seconds in which a port must take a connection."""

REHEARSAL = 30.0
"""Seconds in which a cluster must let a process join."""

_answered: set[str] = set()

_GPUS = "CUDA_VISIBLE_DEVICES"
_ANY_INTERFACE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"

log = logging.getLogger(__name__)

_guard: subprocess.Popen[bytes] | None = None


def connect(address: str | None, *, store_bytes: int = STORE_BYTES, own_gpus: int = 0) -> bool:
    """Connect this process with Ray, if it is not connected. Returns whether that was our doing, and ours to undo.

    Args:
        address: `HOST:PORT`, or `auto` for the cluster that this machine belongs to; None takes what RAY_ADDRESS names,
            and starts one for this process alone where it names none.
        store_bytes: of the object store, where Ray is started.
        own_gpus: so many of the first GPUs that this process sees are its own: a Ray that is started gets the others.

    Raises:
        ClusterError: if no cluster answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # actors are the work itself, and their heartbeats are waited for
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        return False
    address = check_cluster(address)
    if address is None:
        _close_to_others()
    import ray

    try:
        if address is None:
            others = _children()
            with _without_gpus(own_gpus):
                ray.init(
                    address="local",
                    num_cpus=2,  # it starts so many idle processes; actors ask for none
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    object_store_memory=store_bytes,
                )
            _watch(_children() - others)
        else:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # it raises RuntimeError, ValueError, ConnectionError and others
        raise _unreachable(address, f"{type(error).__name__}: {error}"[:500]) from error
    return True


def check_cluster(address: str | None) -> str | None:
    """Refuse a cluster that does not answer, within seconds: Ray itself tries for minutes.

    What has answered once is not asked again.

    Args:
        address: as `connect` takes it.

    Returns:
        The address to connect to; None where Ray is to be started here.

    Raises:
        ClusterError: if no cluster answers there.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    if address in (None, "", "local"):
        return None
    if "://" in address:
        raise ClusterError(
            "Ray's client cannot be used: actors are watched by their processes",
            where=address,
            remedy="Run on a machine of the cluster, with --ray HOST:6379 (or auto).",
        )
    if address not in _answered:
        _check_port(address)
        _rehearse(address)
        _answered.add(address)
    return address


def _check_port(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not colon:
        return  # "auto": Ray knows where this machine's cluster is
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _unreachable(address, f"nothing answers at this port: {error}") from error


def _rehearse(address: str) -> None:
    """Connect in a process that can be killed: where what answers is not Ray, or of another version, Ray may wait."""
    code = f"import ray; ray.init(address={address!r}, log_to_driver=False, logging_level='ERROR')"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=REHEARSAL)
    except subprocess.TimeoutExpired as error:
        raise _unreachable(address, f"no answer of Ray's within {REHEARSAL:g} s") from error
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise _unreachable(address, said[-1][:300] if said else f"status {done.returncode}")


def _unreachable(address: str | None, reason: str) -> ClusterError:
    return ClusterError(
        f"Ray cannot be reached ({reason})".replace("\n", " "),
        where=address or "this machine",
        remedy="Start a cluster: ray start --head; or leave the address out, and Ray is started here.",
    )


def disconnect() -> None:
    """End what `connect` has started."""
    import ray

    global _guard
    ray.shutdown()
    if _guard is not None and _guard.stdin is not None:
        _guard.stdin.close()
        _guard.wait()
        _guard = None


def _close_to_others() -> None:
    """Have the Ray that is started here listen on the loopback interface, and ask each connection for a secret.

    Whoever can reach Ray can run code as this user. Ray listens on all interfaces of a Linux machine unless it is told
    that no clusters are wanted, which it reads when it is imported.
    """
    if "ray" in sys.modules and os.environ.get(_ANY_INTERFACE) != "0":
        log.warning("Ray is imported already: the one that is started now listens on all network interfaces")
        return
    os.environ.setdefault(_ANY_INTERFACE, "0")
    if os.environ.setdefault("RAY_AUTH_MODE", "token") == "token":
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


@contextmanager
def _without_gpus(count: int) -> Iterator[None]:
    """What is started inside does not see the first GPUs of this process."""
    before = os.environ.get(_GPUS)
    if count:
        import torch

        seen = before.split(",") if before is not None else [str(gpu) for gpu in range(torch.cuda.device_count())]
        os.environ[_GPUS] = ",".join(seen[count:])
    try:
        yield
    finally:
        if before is not None:
            os.environ[_GPUS] = before
        else:
            os.environ.pop(_GPUS, None)


def _children() -> set[int]:
    """The processes that this one and its own have started."""
    import psutil  # type: ignore[import-untyped]

    return {process.pid for process in psutil.Process().children(recursive=True)}


def _watch(pids: set[int]) -> None:
    """Have what Ray has started ended with this process, however that ends."""
    global _guard
    if not hasattr(os, "pidfd_open"):  # Linux's
        return
    # Nothing but Python's own modules: it is there for as long as we are.
    words = [sys.executable, "-I", "-S", guard.__file__, *map(str, sorted(pids))]
    _guard = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
