"""utf8mb4_0900_ai_ci: comparison by primary weights of the Unicode collation algorithm (weights.py), without padding.

Case and accents do not count; punctuation does; controls and combining marks weigh nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from envs.dbbench.mysql.weights import Weights

MAX_PATTERN = 2000
"""Characters of a pattern of LIKE: patterns stay in memory, and Python compiles long ones for seconds."""


class _Classes(dict[int, int]):
    """Code point -> the code point that stands for all of its weights: LIKE compares character by character
    (my_uca_charcmp_900), so characters that weigh nothing are equal to each other."""

    def __init__(self) -> None:
        super().__init__()
        self._first: dict[str, int] = {}

    def __missing__(self, code: int) -> int:
        first = self[code] = self._first.setdefault(_WEIGHTS[code], code)
        return first


_WEIGHTS = Weights()
_CLASSES = _Classes()


def sort_key(text: str) -> str:
    """The key whose order and equality are the collation's."""
    return text.translate(_WEIGHTS)


@lru_cache(maxsize=8192)
def _cached_key(text: str) -> str:
    return sort_key(text)


def compare(left: str, right: str) -> int:
    """-1, 0 or 1, as SQLite's collation callback wants it."""
    if left == right:
        return 0
    if len(left) > 256 or len(right) > 256:
        a, b = sort_key(left), sort_key(right)
    else:
        a, b = _cached_key(left), _cached_key(right)
    return (a > b) - (a < b)


def equal(left: str, right: str) -> bool:
    return compare(left, right) == 0


def fold(text: str) -> str:
    """`text` with each character replaced by its class of equal weight; of the same length."""
    return text.translate(_CLASSES)


@lru_cache(maxsize=128)
def _like_parts(pattern: str, escape: str, binary: bool) -> tuple[tuple[re.Pattern[str] | str, ...], bool]:
    """The pieces between the `%`, and whether there is no `%` at all."""
    pieces: list[list[str]] = [[]]
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == escape and at + 1 < len(pattern):
            at += 1
            pieces[-1].append(_like_char(pattern[at], binary))
        elif char == "%":
            pieces.append([])
        else:
            pieces[-1].append("" if char == "_" else _like_char(char, binary))
        at += 1
    return tuple(_like_piece(piece) for piece in pieces), len(pieces) == 1


def _like_char(char: str, binary: bool) -> str:
    return char if binary else fold(char)


def _like_piece(piece: list[str]) -> re.Pattern[str] | str:
    if "" not in piece:
        return "".join(piece)
    return re.compile("".join(re.escape(char) if char else "." for char in piece), re.DOTALL)


def like(text: str, pattern: str, escape: str = "\\", binary: bool = False) -> bool:
    """`text LIKE pattern ESCAPE escape`. Time grows with the lengths' product at the worst, never beyond.

    Raises TimeoutError where that product would take seconds.
    """
    if len(text) * len(pattern) > 200_000_000 or len(pattern) > MAX_PATTERN:
        raise TimeoutError
    parts, exact = _like_parts(pattern, escape, binary)
    folded = text if binary else fold(text)
    if exact:
        part = parts[0]
        return folded == part if isinstance(part, str) else part.fullmatch(folded) is not None
    at = _match_at_start(parts[0], folded)
    if at < 0:
        return False
    for part in parts[1:-1]:
        if isinstance(part, str):
            found = folded.find(part, at)
            at = found + len(part)
        else:
            match = part.search(folded, at)
            found, at = (match.start(), match.end()) if match else (-1, 0)
        if found < 0:
            return False
    return _match_at_end(parts[-1], folded, at)


def _match_at_start(part: re.Pattern[str] | str, text: str) -> int:
    if isinstance(part, str):
        return len(part) if text.startswith(part) else -1
    match = part.match(text)
    return match.end() if match else -1


def _match_at_end(part: re.Pattern[str] | str, text: str, at: int) -> bool:
    if isinstance(part, str):
        return len(text) - len(part) >= at and text.endswith(part)
    length = len(re.sub(r"\\(.)", r"\1", part.pattern, flags=re.DOTALL))
    return len(text) - length >= at and part.fullmatch(text, len(text) - length) is not None
