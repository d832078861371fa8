"""Files and folders that are either whole or not there."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rollout.disk import write_remedy
from rollout.store import PRIVATE, StoreError, cannot_write


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes `path`'s place, whole and on disk, when the block ends without an error.

    Raises:
        StoreError: if the disk does not take it. What was there stays as it was.
    """
    with _beside(path) as scratch:
        part = scratch / path.name
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `path` when the block ends without an error.

    Raises:
        StoreError: if there is something at `path` already, or the disk does not take it.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise StoreError("there is something here already", where=path, remedy="Remove it, or give another folder.")
    with _beside(path) as scratch:
        part = scratch / path.name
        part.mkdir()
        yield part
        part.replace(path)


def make_run_folder(folder: Path) -> None:
    """Make a run's folder, which its user alone may enter; one that is there stays as it is.

    Raises:
        StoreError: if it cannot be made.
    """
    try:
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written to, before hours of work end there. Nothing is left behind.

    Raises:
        StoreError: saying why not.
    """
    nearest = folder
    try:
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"x" * 4096)
            file.flush()
    except OSError as error:
        raise cannot_write(folder, error) from error


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A scratch folder on the disk of `path`, gone when the block ends."""
    scratch: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.")
        yield Path(scratch)
    except StoreError:
        raise
    except OSError as error:
        remedy = f"{write_remedy(error, path)}; what was there is unchanged."
        raise StoreError(f"cannot be written ({error.strerror or error})", where=path, remedy=remedy) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    """Put a new name on the disk: the bytes of the file are there already."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
