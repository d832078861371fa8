"""What a statement may bring back and how much memory it may take, on every backend."""

from __future__ import annotations

import os
from typing import Any

MAX_ROWS = 100_000  # of a result; on a server also changed in an episode
MAX_RESULT = 8_000_000  # characters of a reply's cells
MAX_GROWTH = 64 * 2**20  # bytes that this process may grow while a statement runs
_BATCH = 50
_SIZED = (str, bytes)
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class TooLarge(Exception):
    """A result beyond MAX_ROWS or MAX_RESULT."""


def fetch(cursor: Any, rows: list[tuple[Any, ...]]) -> None:
    """Appends a result to `rows`. Raises TooLarge; `rows` then has the beginning."""
    size = 0
    while batch := cursor.fetchmany(_BATCH):
        rows += batch
        size += sum([len(cell) if isinstance(cell, _SIZED) else 8 for row in batch for cell in row])
        if len(rows) > MAX_ROWS or size > MAX_RESULT:
            raise TooLarge


class Growth:
    """Whether this process has grown too much since it was first asked. Its other threads' memory counts as well."""

    def __init__(self) -> None:
        self._base = 0

    def exceeded(self) -> bool:
        now = resident()
        self._base = self._base or now
        return now - self._base > MAX_GROWTH


def resident() -> int:
    """This process's memory in bytes, 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, ValueError):
        return 0
