"""The real trackers: their files hold the curve, lie in the run's folder, and nobody on a network is asked."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorboard")
pytest.importorskip("trackio")

RUN = """
import sys
from trainers.journal import Journal
names = ["wandb", "tensorboard", "trackio"]
with Journal(sys.argv[1], names) as journal:
    assert journal._trackers.names == tuple(names)
    for number in range(1, 5):
        journal.append({"kind": "iteration", "iteration": number, "success": number / 10, "seconds": {"play": 2.5}})
    assert journal._trackers.names == tuple(names)
"""
RESUMED = """
import sys
from trainers.journal import Journal
with Journal(sys.argv[1], ["wandb", "tensorboard", "trackio"]) as journal:
    journal.rewind(2)
    for number in (3, 4, 5):
        journal.append({"kind": "iteration", "iteration": number, "success": number / 5})
"""
AS_ONE_RUN = [(1, 0.1), (2, 0.2), (3, 0.6), (4, 0.8), (5, 1.0)]


@pytest.fixture(scope="module")
def outside() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that all who want to leave the machine must ask, and what they asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                asked.append(one.recv(200))
                one.close()

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory, outside: tuple[str, list[bytes]]) -> Path:
    """A run's folder in an otherwise empty place, after a run and its resume, each in a process of its own."""
    place = tmp_path_factory.mktemp("place")
    (place / "home").mkdir()
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), outside[0])
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB_", "TRACKIO_"))}
    clean |= {"HOME": str(place / "home"), "HF_TOKEN": "hf_nobody", **proxies}
    for name in ("XDG_CACHE_HOME", "HF_HOME", "NO_PROXY", "no_proxy"):
        clean.pop(name, None)
    for code in (RUN, RESUMED):
        done = subprocess.run(
            [sys.executable, "-c", code, str(place / "run")], env=clean, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "given up" not in done.stderr
    return place


@pytest.mark.slow
def test_tensorboard_shows_the_curve_of_the_resumed_run_once(tracked: Path) -> None:
    reader: Any = import_module("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(tracked / "run" / "tensorboard"))
    events.Reload()
    # Event files hold 32 bits.
    assert [(one.step, round(one.value, 6)) for one in events.Scalars("success")] == AS_ONE_RUN
    assert [one.step for one in events.Scalars("seconds/play")] == [1, 2]


@pytest.mark.slow
def test_trackio_holds_the_curve_of_the_resumed_run_once(tracked: Path) -> None:
    with sqlite3.connect(tracked / "run" / "trackio" / "train-agent.db") as database:
        rows = database.execute("SELECT step, metrics FROM metrics ORDER BY step").fetchall()
    assert [(step, json.loads(metrics)["success"]) for step, metrics in rows] == AS_ONE_RUN


@pytest.mark.slow
def test_the_last_offline_run_of_wandb_holds_the_whole_curve(tracked: Path) -> None:
    first, last = sorted((tracked / "run" / "wandb").glob("offline-run-*/*.wandb"))
    assert first.name == last.name  # the same id, so that both become one run when they are uploaded
    assert [(row["_step"], row["success"]) for row in history(first)] == [(n, n / 10) for n in (1, 2, 3, 4)]
    assert [(row["_step"], row["success"]) for row in history(last)] == AS_ONE_RUN
    assert [row["seconds/play"] for row in history(first)] == [2.5] * 4


@pytest.mark.slow
def test_nothing_is_written_outside_the_run_and_nobody_is_asked(
    tracked: Path, outside: tuple[str, list[bytes]]
) -> None:
    written = [path for path in tracked.rglob("*") if path.is_file() and tracked / "run" not in path.parents]
    assert written == []
    assert outside[1] == []


def history(path: Path) -> Iterator[dict[str, float]]:
    """The rows of a .wandb file: records in the format of LevelDB's log, in blocks of 32 KiB, after 7 bytes of head."""
    messages: Any = import_module("wandb.proto.wandb_internal_pb2")
    data, at, open_record = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + 7])
        open_record += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last part
            record = messages.Record()
            record.ParseFromString(open_record)
            open_record = b""
            if record.HasField("history"):
                items = record.history.item
                yield {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


COMMAND = """
import sys
from trainers.journal import Journal
with Journal(sys.argv[1], ["wandb"]) as journal:
    journal.append({"kind": "iteration", "iteration": 1, "success": 0.5})
"""


def test_the_command_line_is_not_recorded_since_it_may_hold_a_password(tmp_path: Path) -> None:
    secret = "backend=mysql+pymysql://root:hunter22@127.0.0.1/"
    subprocess.run([sys.executable, "-c", COMMAND, str(tmp_path / "run"), secret], check=True)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in files)
    assert [path for path in files if b"hunter22" in path.read_bytes()] == []
