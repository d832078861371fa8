"""The benchmark's hash of tables: how an episode that changes data is judged (AgentBench, dbbench/task.py).

The official code asks MySQL for `md5(group_concat(rowhash order by rowhash))` over `substring(md5(concat_ws(',',
columns)), 1, 5)`. MySQL 9 has no MD5() without a component, so the hash is computed here for every backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import md5

# group_concat_max_len: 170 rows of five digits and a comma. The official hash sees no further.
_CONCAT_BYTES = 1024


def row_hash(cells: Sequence[str | None]) -> str:
    """The first five digits of the MD5 of the cells joined by commas; NULLs are skipped."""
    try:
        text = ",".join(cells)  # type: ignore[arg-type]
    except TypeError:  # a NULL, or bytes
        text = ",".join([str(cell) for cell in cells if cell is not None])
    return md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:5]


def table_hash(rows: Iterable[Sequence[str | None]]) -> str:
    """The hash of one table, whatever the order of its rows; "None" for an empty one, as the official code prints."""
    hashes = sorted(map(row_hash, rows))
    if not hashes:
        return "None"
    joined = ",".join(hashes)[:_CONCAT_BYTES]
    return md5(joined.encode("ascii"), usedforsecurity=False).hexdigest()


def combined_hash(tables: Iterable[Iterable[Sequence[str | None]]]) -> str:
    """The hash of an episode: one table's own, or the sorted hashes of several joined by `_`."""
    return "_".join(sorted(map(table_hash, tables)))
