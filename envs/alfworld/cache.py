"""Parsed games on disk: one file for each folder of games, rebuilt whenever the folder or our parser changes."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
from collections.abc import Callable, Iterable
from functools import cache as once
from pathlib import Path
from typing import TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")
_PARSERS = ("pddl.py", "world.py", "goal.py", "dialects.py", "game.py", "data.py")


def cached(folder: Path, files: Iterable[Path], cache: str | Path | None, build: Callable[[], T]) -> T:
    """What `build` makes of a folder's files, from the cache where nothing has changed since.

    A cache that is stale, corrupt or cannot be written costs time, never correctness.

    Args:
        folder: what the cache belongs to.
        files: all that `build` reads; their sizes and times of change tell whether it is stale.
        cache: the folder to keep it in; `train-agent` in the user's cache folder (XDG_CACHE_HOME) by default.
        build: makes something picklable.
    """
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    path = (Path(cache) if cache is not None else _user_cache()) / f"games-{name}.pickle"
    if not _is_ours_alone(path.parent):
        logger.warning("others can write to %s: parsed games are not cached there", path.parent)
        return build()
    stamp = _stamp(files)
    try:
        head, digest, body = _split(path.read_bytes())
        if head == stamp and digest == hashlib.sha256(body).digest():
            value: T = pickle.loads(body)
            return value
        logger.info("%s is stale: parsing %s again", path, folder)
    except FileNotFoundError:
        logger.info("parsing %s, once", folder)
    except Exception as error:  # a pickle can fail in any way
        logger.warning("%s cannot be read (%s: %s): parsing %s again", path, type(error).__name__, error, folder)
    value = build()
    _write(path, stamp, pickle.dumps(value, protocol=5))
    return value


def _is_ours_alone(folder: Path) -> bool:
    """Whether only this user can put a file there, after making the folder where it is missing: reading a pickle runs
    what its writer says."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return True  # nothing can be read there, and writing says why
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _split(data: bytes) -> tuple[bytes, bytes, bytes]:
    return data[:32], data[32:64], data[64:]


def _write(path: Path, stamp: bytes, body: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        unfinished.write_bytes(stamp + hashlib.sha256(body).digest() + body)
        unfinished.replace(path)
    except OSError as error:
        logger.warning("parsed games cannot be cached in %s (%s)", path.parent, error.strerror)


def _stamp(files: Iterable[Path]) -> bytes:
    stamp = hashlib.sha256(_parser_stamp())
    for file in files:
        status = os.stat(file)
        # The time of the inode's change as well: tar and rsync set the other one, and chmod leaves it as it was.
        times = f"{status.st_mtime_ns}\0{status.st_ctime_ns}"
        stamp.update(f"{file}\0{status.st_size}\0{times}\n".encode(errors="surrogateescape"))
    return stamp.digest()


@once
def _parser_stamp() -> bytes:
    return hashlib.sha256(b"".join((Path(__file__).parent / name).read_bytes() for name in _PARSERS)).digest()


def _user_cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "train-agent" / "alfworld"
