"""Files that are either whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from eval.errors import ResultError


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes `path`'s place when the block ends, and not at all when it raises.

    The bytes are on the disk before the name is: a reader, or a machine that loses its power, finds the earlier file or
    the whole new one.

    Raises:
        ResultError: if the folder cannot be written to or the disk is full. The earlier file stays as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.fsync(file.fileno())
        os.replace(name, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def _unwritable(path: Path, error: OSError) -> ResultError:
    return ResultError(
        f"cannot be written: {error.strerror}",
        where=path,
        remedy=f"Free space in {path.parent} or give another folder; what was there is unchanged.",
    )


def _umask() -> int:
    # mkstemp's files are private; a report is not. There is no way to read the mask but to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
