"""REGEXP and its functions on the `regex` package, whose matching can be given a time limit.

A pattern with nested repeats takes exponential time in any backtracking engine, and a user function that hangs is
beyond the reach of SQLite's progress handler. MySQL's ICU has its own limit (regexp_time_limit) and answers 3699.
"""

from __future__ import annotations

import re
from functools import lru_cache

import regex  # type: ignore[import-untyped]

from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.functions import function
from envs.dbbench.mysql.types import INT, TEXT

MAX_PATTERN = 2000
MAX_REPEAT = 1000
SECONDS = 0.2


@lru_cache(maxsize=256)
def _compiled(pattern: str, flags: str) -> regex.Pattern[str]:
    if not pattern:
        raise MySQLError(3685)
    if len(pattern) > MAX_PATTERN or _too_many_repeats(pattern):
        raise MySQLError(3699)
    options = 0 if "c" in flags else regex.IGNORECASE
    options |= regex.MULTILINE if "m" in flags else 0
    options |= regex.DOTALL if "n" in flags else 0
    try:
        return regex.compile(pattern, options)
    except regex.error as error:
        message = str(error)
        if "parenthesis" in message or "missing )" in message:
            raise MySQLError(3691) from None
        if "set" in message or "]" in message:
            raise MySQLError(3696) from None
        raise MySQLError(3688, 1, (error.pos or 0) + 1) from None
    except (RecursionError, OverflowError, MemoryError):
        raise MySQLError(3699) from None


def _too_many_repeats(pattern: str) -> bool:
    # Counted repeats multiply when nested, and are unrolled by the compiler.
    product = 1
    for low, high in re.findall(r"\{(\d+)(?:,(\d*))?\}", pattern):
        product *= max(int(low[:6]), int(high[:6] or 0), 1)
    return product > MAX_REPEAT


def _search(text: str, pattern: str, flags: str, start: int = 0) -> regex.Match[str] | None:
    try:
        return _compiled(pattern, flags).search(text, start, timeout=SECONDS)
    except TimeoutError:
        raise MySQLError(3699) from None


@function("REGEXP_LIKE", "tt|t", INT)
def regexp_like(text: str, pattern: str, flags: str = "") -> int:
    return int(_search(text, pattern, flags) is not None)


@function("REGEXP_SUBSTR", "tt|iit", TEXT)
def regexp_substr(text: str, pattern: str, start: int = 1, occurrence: int = 1, flags: str = "") -> str | None:
    match = _occurrence(text, pattern, start, occurrence, flags)
    return str(match.group()) if match else None


@function("REGEXP_INSTR", "tt|iiit", INT)
def regexp_instr(text: str, pattern: str, start: int = 1, occurrence: int = 1, end: int = 0, flags: str = "") -> int:
    match = _occurrence(text, pattern, start, occurrence, flags)
    return 0 if match is None else (match.end() if end else match.start()) + 1


def _occurrence(text: str, pattern: str, start: int, occurrence: int, flags: str) -> regex.Match[str] | None:
    at, match = max(start, 1) - 1, None
    for _ in range(min(max(occurrence, 1), 10_000)):
        match = _search(text, pattern, flags, at)
        if match is None:
            return None
        at = match.end() if match.end() > match.start() else match.end() + 1
    return match


@function("REGEXP_REPLACE", "ttt|iit", TEXT)
def regexp_replace(
    text: str, pattern: str, new: str, start: int = 1, occurrence: int = 0, flags: str = ""
) -> str | None:
    compiled = _compiled(pattern, flags)
    seen = grown = 0

    def replaced(match: regex.Match[str]) -> str:
        nonlocal seen, grown
        seen += 1
        if occurrence and seen != occurrence:
            return str(match.group())
        # ICU's references are $1 and \$, not Python's.
        piece = re.sub(r"\\(.)|\$(\d)", lambda m: m[1] or (match[int(m[2])] or ""), new)
        grown += len(piece)
        if grown > 1_000_000:
            raise MySQLError(1153)
        return piece

    try:
        head = max(start, 1) - 1
        return text[:head] + str(compiled.sub(replaced, text[head:], timeout=SECONDS))
    except TimeoutError:
        raise MySQLError(3699) from None
    except IndexError:
        raise MySQLError(3685) from None
