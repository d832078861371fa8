"""Primary weights of the Unicode collation algorithm 9.0.0 for every code point, as in MySQL's utf8mb4_0900_ai_ci.

Sources: the Default Unicode Collation Element Table (UTS #10, allkeys.txt 9.0.0), read from the package pyuca; what
MySQL makes of it (strings/uca9-dump.cc): a character at a time without contractions, at most eight collation elements,
punctuation counts, weights of zero are dropped, implicit weights for characters that the table does not have, Hangul
syllables by their jamo.
"""

from __future__ import annotations

import re
from functools import lru_cache

_FILE = "allkeys-9.0.0.txt"
_ENTRY = re.compile(r"^([0-9A-F]{4,6}) +; ([^#]+)", re.MULTILINE)
_PRIMARY = re.compile(r"\[[.*]([0-9A-F]{4})")
_MOST_ELEMENTS = 8
_TANGUT = range(0x17000, 0x18B00)
_CORE_HAN = (range(0x4E00, 0x9FD6), range(0xFA0E, 0xFA2A))
_OTHER_HAN = (
    range(0x3400, 0x4DB6), range(0x20000, 0x2A6D7), range(0x2A700, 0x2B735), range(0x2B740, 0x2B81E),
    range(0x2B820, 0x2CEA2),
)  # fmt: skip
_HANGUL = range(0xAC00, 0xD7B0)


class Weights(dict[int, str]):
    """Code point -> its primary weights, one character each, "" for an ignorable one; `str.translate` makes a sort key.

    Filled on demand. No code point raises, lone surrogates included.
    """

    def __missing__(self, code: int) -> str:
        weights = self[code] = "".join(map(_character, _primaries(code)))
        return weights


def _character(weight: int) -> str:
    """One character for a weight, in the same order. Surrogates have no UTF-8, which SQLite wants."""
    return chr(weight if weight < 0xD800 else weight + 0x800)


def _primaries(code: int) -> list[int]:
    elements = _table().get(code)
    if elements is not None:
        return [weight for text in _PRIMARY.findall(elements)[:_MOST_ELEMENTS] if (weight := int(text, 16))]
    if code in _HANGUL:
        return [weight for jamo in _jamo(code) for weight in _primaries(jamo)]
    return _implicit(code)


def _jamo(syllable: int) -> list[int]:
    """Leading consonant, vowel and, where there is one, trailing consonant (The Unicode Standard, section 3.12)."""
    index = syllable - _HANGUL.start
    parts = [0x1100 + index // 588, 0x1161 + index % 588 // 28]
    return [*parts, 0x11A7 + index % 28] if index % 28 else parts


def _implicit(code: int) -> list[int]:
    """UTS #10, section 10.1.3."""
    if code in _TANGUT:
        return [0xFB00, (code - _TANGUT.start) | 0x8000]
    if any(code in block for block in _CORE_HAN):
        base = 0xFB40
    else:
        base = 0xFB80 if any(code in block for block in _OTHER_HAN) else 0xFBC0
    return [base + (code >> 15), (code & 0x7FFF) | 0x8000]


@lru_cache(maxsize=1)
def _table() -> dict[int, str]:
    """Code point -> its collation elements as the file writes them."""
    from importlib.resources import files

    text = files("pyuca").joinpath(_FILE).read_text("utf-8")
    return {int(code, 16): elements for code, elements in _ENTRY.findall(text)}
