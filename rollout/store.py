"""The episode store: `episodes/*.jsonl`, a line an episode, on disk before anyone is told.

What is guarded against, and how:

- a crash in the middle of a write leaves a torn last line: it is reported and skipped, and the next writer begins a
  line of its own;
- a damaged line in the middle is found by its checksum, reported and skipped;
- two writers in one folder are refused by a lock that dies with its process;
- an episode that failed and was played again stands twice: the later line counts. An episode that was scored twice is
  reported, and the first line counts.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import IO

from envs import EnvError
from envs.installation import command, update
from rollout.codec import CodecError, NewerSchema, decode, encode
from rollout.disk import read_remedy, write_remedy
from rollout.trajectory import Trajectory

PRIVATE = 0o700
"""Mode of a run's folder: what it holds is its user's."""

log = logging.getLogger(__name__)


class StoreError(EnvError, OSError):
    """The store cannot be written, is written by another process, or was written by a newer version."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was skipped."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


class Store:
    """Appends episodes to a run's folder.

    Args:
        run: the run's folder; `episodes/` is made in it.

    Raises:
        StoreError: if another process writes there, or the disk does not take a write. What was written stays valid.
    """

    def __init__(self, run: str | Path) -> None:
        folder = Path(run) / "episodes"
        self.path = folder / "episodes.jsonl"
        try:
            Path(run).mkdir(mode=PRIVATE, parents=True, exist_ok=True)
            folder.mkdir(mode=PRIVATE, exist_ok=True)
            self._file: IO[bytes] = self.path.open("ab+")
            self._lock()
            self._begin_line()
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise cannot_write(self.path, error) from error

    def append(self, *trajectories: Trajectory) -> None:
        """Write episodes; when this returns they are on disk.

        Raises:
            StoreError: if the disk does not take them. A line cut off by that is found and skipped by readers.
        """
        data = "".join(encode(trajectory) + "\n" for trajectory in trajectories).encode()
        try:
            self._file.write(data)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def close(self) -> None:
        """Close the file and give up the lock. May be called twice."""
        try:
            self._file.close()
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(
                "another process is writing here", where=self.path, remedy="Wait for it, or give another output folder."
            ) from error

    def _begin_line(self) -> None:
        end = self._file.seek(0, os.SEEK_END)
        if end:
            self._file.seek(end - 1)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")
                self._file.flush()


def scan(run: str | Path) -> Iterator[tuple[str, Trajectory | BadLine]]:
    """Every line of a run's episodes with its place, as `episodes/episodes.jsonl:17`, in the order of writing.

    Args:
        run: the run's folder, its `episodes` folder, or one file.

    Raises:
        StoreError: if there are no episodes, they cannot be read, or a newer version wrote them.
    """
    for path in _files(Path(run)):
        try:
            with path.open("rb") as file:
                lines = (one for one in enumerate(file, start=1) if one[1].strip())
                for position, (number, raw) in enumerate(lines):
                    yield f"{path.parent.name}/{path.name}:{number}", _read(path, number, raw, first=position == 0)
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            remedy = read_remedy(error, path)
            raise StoreError(f"cannot be read ({error.strerror})", where=path, remedy=remedy) from error


def _read(path: Path, number: int, raw: bytes, *, first: bool) -> Trajectory | BadLine:
    try:
        return decode(raw.decode("ascii"))
    except NewerSchema as error:
        raise StoreError(str(error), where=f"{path}:{number}", remedy=update()) from error
    except (CodecError, UnicodeDecodeError) as error:
        kind = _foreign(path, raw) if first else None
        if kind is not None:
            remedy = f"Name a folder that {command('collect')} has written."
            raise StoreError(f"holds {kind}, not episodes of this package", where=path, remedy=remedy) from error
        torn = "" if raw.endswith(b"\n") or _is_json(raw) else "torn at the end of the file: "
        return BadLine(path, number, f"{torn}{error}")


_FOREIGN = {
    "conversations": "ShareGPT conversations",
    "messages": "chat messages",
    "chosen": "preference pairs",
    "prompt": "prompts",
}
"""Data of others, by a key of their rows."""


def _foreign(path: Path, first: bytes) -> str | None:
    """What a file of another format holds, where it is known: rows in lines, or one JSON list."""
    plain: object = None
    with suppress(ValueError, RecursionError, OSError):
        plain = json.loads(path.read_bytes() if first.lstrip().startswith(b"[") else first)
    row = plain[0] if isinstance(plain, list) and plain else plain
    if not isinstance(row, dict) or "schema" in row:
        return None
    return next((name for key, name in _FOREIGN.items() if key in row), None)


def _is_json(raw: bytes) -> bool:
    with suppress(ValueError, RecursionError):
        json.loads(raw)
        return True
    return False


class Trajectories(list[Trajectory]):
    """The episodes of a run, one an id, with what was skipped in reading them.

    Attributes:
        bad: lines that hold no episode.
        superseded: ids of failed or cancelled episodes that were played again.
        twice: ids that were scored more than once; the first line counts.
        places: where each id stands, as `episodes/episodes.jsonl:17`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[BadLine] = []
        self.superseded: list[str] = []
        self.twice: list[str] = []
        self.places: dict[str, str] = {}


def read_trajectories(run: str | Path) -> Trajectories:
    """The episodes of a run. What is skipped is logged as a warning and kept beside them.

    Raises:
        StoreError: if there are no episodes, or a newer version wrote them.
    """
    found = Trajectories()
    by_id: dict[str, Trajectory] = {}
    for place, item in scan(run):
        if isinstance(item, BadLine):
            found.bad.append(item)
            continue
        earlier = by_id.get(item.id)
        if earlier is None or not earlier.scored:
            by_id[item.id] = item
            found.places[item.id] = place
            found.superseded += [item.id] if earlier else []
        elif item.scored:
            found.twice.append(item.id)
    found.extend(by_id.values())
    for bad in found.bad:
        log.warning("skipped %s", bad)
    if found.twice:
        log.warning("%s: %d episodes stand there twice, as %s", run, len(found.twice), found.twice[0])
    return found


def _files(run: Path) -> list[Path]:
    """The files with a run's episodes.

    Raises:
        StoreError: if there are none; it tells a URL, a folder that is not there and one without episodes apart.
    """
    if re.match(r"[a-z][a-z0-9+.-]*:/", str(run)):
        what = "this is a URL, and episodes are read from a folder of this machine"
        raise StoreError(what, where=run, remedy="Download the run, and name its folder.")
    try:
        if run.is_file():
            return [run]
        folder = run / "episodes" if (run / "episodes").is_dir() else run
        files = sorted(folder.glob("*.jsonl"))
        missing = not run.exists()
        near = _nearest(run, missing=missing)
    except OSError as error:
        remedy = read_remedy(error, run)
        raise StoreError(f"cannot be read ({error.strerror})", where=run, remedy=remedy) from error
    if files:
        return files
    what = "there is no such folder" if missing else "there are no episodes"
    advice = f"Did you mean {near}?" if near else f"Make some: {command('collect', '-o', 'FOLDER')}."
    raise StoreError(what, where=run, remedy=advice)


def _nearest(run: Path, *, missing: bool) -> Path | None:
    """The run that may have been meant: one of a similar name beside a path that is not there, or one inside."""
    if missing:
        names = [folder.name for folder in run.parent.glob("*") if folder.is_dir()]
        return next((run.parent / name for name in get_close_matches(run.name, names, n=1)), None)
    return next((folder.parent for folder in sorted(run.glob("*/episodes"))), None)


def cannot_write(path: Path, error: OSError) -> StoreError:
    remedy = f"{write_remedy(error, path)} with -o; then go on with --resume."
    return StoreError(f"cannot be written ({error.strerror})", where=path, remedy=remedy)
