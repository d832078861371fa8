"""Binary strings: SQLite holds them as text, like all strings, and the driver returns bytes.

A byte that is no part of UTF-8 is held as a code point at the end of Unicode, where there are no characters.
"""

from __future__ import annotations

import codecs

from envs.dbbench.mysql.functions import MAX_TEXT, function
from envs.dbbench.mysql.types import RAW

_BASE = 0x10FF00
_FIRST = chr(_BASE + 0x80)


def _held(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join(chr(_BASE + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("train_agent.binary", _held)


def to_text(data: bytes) -> str:
    """Bytes as SQLite holds them."""
    return data.decode("utf-8", "train_agent.binary")


def to_bytes(text: str) -> bytes:
    """The inverse of `to_text`; the UTF-8 of any other text."""
    if not text or max(text) < _FIRST:
        return text.encode("utf-8", "replace")
    parts = (bytes([ord(c) - _BASE]) if c >= _FIRST else c.encode("utf-8", "replace") for c in text)
    return b"".join(parts)


@function("fit_bytes", "ti", RAW)
def fit_bytes(text: str, size: int) -> str | None:
    """CAST(... AS BINARY(size)): cut, or filled up with zero bytes."""
    return to_text(to_bytes(text)[:size].ljust(size, b"\0")) if size <= MAX_TEXT else None
