"""Result files: whole or not there, and read strictly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.episode import Episode
from eval.errors import ResultError
from eval.metrics import summarise
from eval.result import SCHEMA, Result, find_result, read_result
from rollout import StoreError

Make = Callable[..., Episode]


@pytest.fixture
def result(episode: Make) -> Result:
    rows = (episode("a", 0), episode("a", 1, False), episode("b\udc80 \u2028", success=None))
    return Result("alfworld-seen", {"env": {"max_steps": 50}, "stop": []}, {"name": "m"}, summarise(rows), rows)


def test_a_result_comes_back_as_it_was_written(result: Result, tmp_path: Path) -> None:
    result.write(tmp_path / "eval" / "r.json")
    assert read_result(tmp_path / "eval" / "r.json") == result
    assert os.listdir(tmp_path / "eval") == ["r.json"]


def test_a_newer_schema_is_refused(result: Result, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps({**result.to_dict(), "schema": SCHEMA + 1}))
    with pytest.raises(ResultError, match=r"r\.json: has schema 2, .* Update the checkout: git -C"):
        read_result(tmp_path / "r.json")


def without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda plain: plain.pop(key)


@pytest.mark.parametrize(
    "damage",
    [
        without("schema"),
        without("protocol"),
        without("summary"),
        lambda plain: plain["summary"].pop("success"),
        lambda plain: plain["summary"].update(success={"value": 1}),
        lambda plain: plain["episodes"][0].pop("task"),
        lambda plain: plain["episodes"][0].update(extra=1),
        lambda plain: plain["episodes"][0].update(success=None),
        lambda plain: plain.update(episodes=[1]),
        lambda plain: plain.update(unknown=1),
    ],
)
def test_a_damaged_file_is_named_with_the_remedy(
    result: Result, tmp_path: Path, damage: Callable[[dict[str, Any]], None]
) -> None:
    plain = result.to_dict()
    damage(plain)
    (tmp_path / "r.json").write_text(json.dumps(plain))
    with pytest.raises(ResultError, match=r"r\.json: .*train-agent eval"):
        read_result(tmp_path / "r.json")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"schema": "1"}'])
def test_a_file_that_is_no_result_is_named_with_the_remedy(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "r.json").write_bytes(text)
    with pytest.raises(ResultError, match=r"r\.json: .*train-agent eval"):
        read_result(tmp_path / "r.json")


def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"r\.json: cannot be read: No such file"):
        read_result(tmp_path / "r.json")


def test_what_is_not_json_is_refused_and_the_earlier_file_stays(result: Result, tmp_path: Path) -> None:
    result.write(tmp_path / "r.json")
    result.fingerprint["temperature"] = float("nan")
    with pytest.raises(ValueError, match="JSON compliant"):
        result.write(tmp_path / "r.json")
    assert read_result(tmp_path / "r.json").protocol == "alfworld-seen"
    assert os.listdir(tmp_path) == ["r.json"]


def test_a_folder_that_cannot_be_written_to_is_named_with_the_remedy(result: Result, tmp_path: Path) -> None:
    (tmp_path / "eval").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match=r"r\.json: cannot be written \(.*another path"):
        result.write(tmp_path / "eval" / "r.json")


def test_killed_while_writing_the_earlier_file_stays(tmp_path: Path) -> None:
    target = tmp_path / "r.json"
    target.write_text("earlier")
    code = (
        "import os, signal, sys; from pathlib import Path; from rollout.files import atomic_file\n"
        "with atomic_file(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(target)], check=False).returncode == -9
    assert target.read_text() == "earlier"


def test_a_full_disk_leaves_the_earlier_file_and_says_what_to_do(result: Result, tmp_path: Path) -> None:
    target = tmp_path / "r.json"
    target.write_text("earlier")
    code = (
        "import resource, signal, sys; from pathlib import Path; from rollout.files import atomic_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "with atomic_file(Path(sys.argv[1])) as file: file.write(bytes(100))\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(target)], check=False, capture_output=True, text=True)
    assert "r.json: cannot be written (File too large). Free room in" in run.stderr
    assert target.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["r.json"]


def test_a_runs_only_result_is_found(result: Result, tmp_path: Path) -> None:
    result.write(tmp_path / "eval" / "seen.json")
    assert find_result(tmp_path) == find_result(tmp_path / "eval" / "seen.json") == result


def test_of_several_results_the_protocol_chooses(result: Result, tmp_path: Path) -> None:
    result.write(tmp_path / "eval" / "seen.json")
    other = Result("verl-agent", {}, {}, result.summary, result.episodes)
    other.write(tmp_path / "eval" / "verl.json")
    assert find_result(tmp_path, "verl-agent") == other
    with pytest.raises(ResultError, match=r"several results: seen\.json \(alfworld-seen\), verl\.json \(verl-agent\)"):
        find_result(tmp_path)
    with pytest.raises(ResultError, match="no result of protocol 'x'"):
        find_result(tmp_path, "x")
