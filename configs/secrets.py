"""Passwords in URLs: they are not stored, and may be named by an environment variable instead."""

from __future__ import annotations

import re
from typing import Any

MASK = "***"
_PASSWORD = re.compile(r"(?<=://)([^/@:\s]*):([^/@\s]*(?:@[^/@\s]*)*)(?=@)")


def masked(value: Any, *, names: bool = False) -> Any:
    """A value in which the passwords of URLs are `***`, those in lists and dicts too.

    Args:
        value: a string, or a list or dict of values.
        names: mask `$NAME` too, which stands for an environment variable and holds no secret.
    """
    if isinstance(value, str):
        return _PASSWORD.sub(
            lambda found: f"{found[1]}:{found[2] if found[2].startswith('$') and not names else MASK}", value
        )
    if isinstance(value, dict):
        return {key: masked(item, names=names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(masked(item, names=names) for item in value)
    return value


def is_masked(value: Any) -> bool:
    """Whether a value holds the URL of which the password was not stored."""
    if isinstance(value, dict):
        return any(map(is_masked, value.values()))
    if isinstance(value, list | tuple):
        return any(map(is_masked, value))
    return isinstance(value, str) and any(found[2] == MASK for found in _PASSWORD.finditer(value))
