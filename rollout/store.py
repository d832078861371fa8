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
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from envs import EnvError
from envs.installation import command, update
from rollout.codec import CodecError, NewerSchema, decode, encode
from rollout.trajectory import Trajectory

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
            folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self.path.open("ab+")
            self._lock()
            self._begin_line()
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise _cannot_write(self.path, error) from error

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
            raise _cannot_write(self.path, error) from error

    def close(self) -> None:
        """Close the file and give up the lock. May be called twice."""
        try:
            self._file.close()
        except OSError as error:
            raise _cannot_write(self.path, error) from error

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
        StoreError: if there are no episodes, or a newer version wrote them.
    """
    files = _files(Path(run))
    if not files:
        raise StoreError("there are no episodes", where=run, remedy=f"Make some: {command('collect', '-o', 'FOLDER')}.")
    for path in files:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if not raw.strip():
                    continue
                place = f"{path.parent.name}/{path.name}:{number}"
                try:
                    yield place, decode(raw.decode("ascii"))
                except NewerSchema as error:
                    raise StoreError(str(error), where=f"{path}:{number}", remedy=update()) from error
                except (CodecError, UnicodeDecodeError) as error:
                    torn = "" if raw.endswith(b"\n") else "torn at the end of the file: "
                    yield place, BadLine(path, number, f"{torn}{error}")


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
    if run.is_file():
        return [run]
    folder = run / "episodes" if (run / "episodes").is_dir() else run
    return sorted(folder.glob("*.jsonl"))


def _cannot_write(path: Path, error: OSError) -> StoreError:
    remedy = "Free room on the disk, or give another folder with -o; then go on with --resume."
    return StoreError(f"cannot be written ({error.strerror})", where=path, remedy=remedy)
