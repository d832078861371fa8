"""What can be told from a database's answers: rows out of their text, and how a column's cells are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from envs.dbbench.generator.queries import ISO
from envs.dbbench.generator.values import MONTHS
from envs.dbbench.literal import read_literal

Rows = list[tuple[object, ...]]

_WRAPPED = re.compile(r"(?:Decimal|datetime\.date)\(('[^']*'|[\d, ]+)\)")
_ERROR = re.compile(r"\s*\(?\d{4},? ")
_DATES = {
    ISO: re.compile(r"\d{4}-\d\d-\d\d"),
    "%d %M %Y": re.compile(rf"\d{{1,2}} (?:{'|'.join(MONTHS)}) \d{{4}}"),
    "%d.%m.%Y": re.compile(r"\d\d\.\d\d\.\d{4}"),
}
_DRESSED = re.compile(r"([^\d.,-]*)-?\d[\d,]*(?:\.\d+)?([^\d.,]*\d?)")


def is_error(text: str) -> bool:
    """Whether the database refused: its number comes first."""
    return _ERROR.match(text) is not None


def rows_of(text: str) -> Rows | None:
    """The rows that a reply shows, decimals as text. None if it shows none: an error, or a result cut off."""
    try:
        value = read_literal(_WRAPPED.sub(lambda match: match[1], text.strip()))
    except ValueError:
        return None
    if not isinstance(value, list):
        return None
    return [row if isinstance(row, tuple) else (row,) for row in value if row != ()]


@dataclass(frozen=True, slots=True)
class Format:
    """How the cells of a column are written, as far as it has been seen.

    Attributes:
        junk: what stands beside the numbers.
        pattern: that of dates, in MySQL's letters, else "".
    """

    junk: tuple[str, ...] = ()
    pattern: str = ""

    def widened(self, cells: Iterable[object]) -> Format:
        """This format, with what these cells show besides."""
        texts = [cell for cell in cells if isinstance(cell, str)]
        for pattern, shape in _DATES.items():
            if texts and all(shape.fullmatch(text) for text in texts):
                return Format((), pattern)
        junk = list(self.junk)
        for text in texts:
            junk += [piece for piece in _dressing(text) if piece not in junk]
        return Format(tuple(junk), self.pattern)


def _dressing(text: str) -> Sequence[str]:
    match = _DRESSED.fullmatch(text)
    if match is None:
        return ()
    return [piece for piece in ("," if "," in text else "", match[1], match[2]) if piece]
