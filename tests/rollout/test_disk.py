"""Paths that cannot be read or written: each reason is told as what it is, with its own remedy."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rollout import StoreError, read_trajectories
from rollout.disk import read_remedy, write_remedy
from rollout.files import check_writable


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Free room in "),
        (errno.EDQUOT, "Free room in "),
        (errno.EACCES, "Get the right to write there (it is shown by: ls -ld "),
        (errno.EPERM, "Get the right to write there"),
        (errno.EROFS, "The file system is mounted read-only"),
        (errno.ENOTDIR, "Something else has that name"),
        (errno.ENAMETOOLONG, "The name is too long"),
        (errno.EIO, "See whether the disk answers"),
    ],
)
def test_each_reason_has_its_own_remedy(number: int, remedy: str, tmp_path: Path) -> None:
    assert write_remedy(OSError(number, os.strerror(number)), tmp_path / "run").startswith(remedy)


def test_a_right_that_is_missing_is_shown_at_the_nearest_folder_that_is_there(tmp_path: Path) -> None:
    missing = tmp_path / "a" / "b"
    assert f"ls -ld {tmp_path})" in write_remedy(PermissionError(errno.EACCES, ""), missing)
    assert f"ls -ld {tmp_path} " in read_remedy(PermissionError(errno.EACCES, ""), missing)


@contextmanager
def without_rights() -> Iterator[None]:
    """As another user, where we are root, whom nothing is forbidden."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_of_somebody_else_is_no_full_disk(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with without_rights(), pytest.raises(StoreError) as refused:
        check_writable(tmp_path / "run")
    assert "cannot be written (Permission denied). Get the right to write there" in str(refused.value)
    tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


def test_episodes_of_somebody_else_are_not_missing(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text("")
    (tmp_path / "e.jsonl").chmod(0o200)
    with without_rights(), pytest.raises(StoreError) as refused:
        read_trajectories(tmp_path / "e.jsonl")
    assert "cannot be read (Permission denied). Get the right to read it" in str(refused.value)


def test_a_folder_that_can_be_made_is_left_unmade(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(StoreError, match=rf"Something else has that name \({tmp_path / 'a'}\)"):
        check_writable(tmp_path / "a" / "b")


@pytest.mark.skipif(not os.path.isdir("/proc/sys"), reason="there is no /proc")
def test_a_file_system_that_takes_no_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        check_writable(Path("/proc/sys/run"))


def test_a_folder_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "expert").mkdir()
    with pytest.raises(StoreError, match=f"there is no such folder. Did you mean {tmp_path / 'expert'}"):
        read_trajectories(tmp_path / "exprt")


def test_a_url_is_told_as_one() -> None:
    for run in ("https://host/runs/x", Path("https://host/runs/x")):
        with pytest.raises(StoreError, match=r"this is a URL.* Download the run"):
            read_trajectories(run)


def test_a_folder_of_runs_names_one_of_them(tmp_path: Path) -> None:
    (tmp_path / "alfworld" / "episodes").mkdir(parents=True)
    with pytest.raises(StoreError, match=f"there are no episodes. Did you mean {tmp_path / 'alfworld'}"):
        read_trajectories(tmp_path)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"conversations": [{"from": "human", "value": "look"}]}, "ShareGPT conversations"),
        ({"messages": [{"role": "user", "content": "look"}]}, "chat messages"),
        ({"prompt": "x", "chosen": "y", "rejected": "z"}, "preference pairs"),
    ],
)
@pytest.mark.parametrize("indent", [None, 2, "lines", "open"])
def test_data_of_others_is_named_and_not_torn(row: object, kind: str, indent: int | str | None, tmp_path: Path) -> None:
    line = json.dumps(row)
    text = {"lines": f"{line}\n{line}\n", "open": line}.get(str(indent)) or json.dumps([row], indent=indent)  # type: ignore[arg-type]
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(StoreError, match=f"holds {kind}, not episodes"):
        read_trajectories(tmp_path / "data.json")


def test_whole_json_without_a_line_break_is_not_torn(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"a": 1}')
    assert [bad.reason for bad in read_trajectories(tmp_path).bad] == ["not an episode"]
    (tmp_path / "x.jsonl").write_text('{"schema": 1, "id"')
    assert read_trajectories(tmp_path).bad[0].reason.startswith("torn at the end of the file: ")
