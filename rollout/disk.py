"""What to do where the operating system refuses to read or write a path: each reason has its own remedy."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM)
_IN_THE_WAY = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY)


def write_remedy(error: OSError, path: str | Path) -> str:
    """What to do where `path` cannot be written, as a clause without its end: more may follow."""
    if error.errno in _FULL:
        return f"Free room in {Path(path).parent}, or give another path"
    if error.errno in _FORBIDDEN:
        return f"Get the right to write there (it is shown by: ls -ld {_existing(path)}), or give another path"
    if error.errno == errno.EROFS:
        return "The file system is mounted read-only: give another path"
    if error.errno in _IN_THE_WAY:
        return f"Something else has that name ({_existing(path)}): remove it, or give another path"
    if error.errno == errno.ENAMETOOLONG:
        return "The name is too long: give another path"
    return "See whether the disk answers, or give another path"


def read_remedy(error: OSError, path: str | Path) -> str:
    """What to do where `path` cannot be read."""
    if error.errno in _FORBIDDEN:
        return f"Get the right to read it: ls -ld {_existing(path)} shows who has it."
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "Check the path."
    return "See whether the disk answers."


def _existing(path: str | Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    folder = Path(path)
    while not os.path.exists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder
