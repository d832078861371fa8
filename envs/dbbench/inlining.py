"""How large a statement of SQLite's may become while it is compiled, where neither the clock nor a limit stops it.

SQLite puts the expressions of a subquery's or common table's columns where they are named, so that a chain of
`SELECT x + x AS x FROM (...)` doubles with each level. The estimate is the product, over all query blocks, of the most
names in one item of the select list: more than enough for most statements.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_INLINED = 50_000
# Possessive throughout: what could be given back is kept for each character, and a statement may have millions.
_TOKEN = re.compile(
    r"""
    '[^']*+(?:''[^']*+)*+' | --[^\n]*+ | /\*.*?(?:\*/|\Z)
    | (?P<name>"[^"]*+(?:""[^"]*+)*+" | `[^`]*+(?:``[^`]*+)*+` | \[[^\]]*+\]
        | [A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*+)
      (?=(?P<more>\s*[.(])?)
    | (?P<mark>[(),]) | .
    """,
    re.VERBOSE | re.DOTALL,
)
_NO_NAMES = frozenset("AS CASE WHEN THEN ELSE END AND OR NOT IS NULL DISTINCT ALL IN LIKE BETWEEN".split())  # noqa: SIM905
_ENDS = frozenset("FROM WHERE GROUP HAVING ORDER LIMIT UNION EXCEPT INTERSECT WINDOW".split())  # noqa: SIM905


@dataclass(slots=True)
class _Block:
    """A select list that is being read: where it is, the names in its item so far, the most in one."""

    depth: int
    names: int = 0
    most: int = 1


def is_explosive(sql: str) -> bool:
    """Whether compiling a statement could take more than the memory and time of a statement."""
    open_blocks: list[_Block] = []
    product = 1
    depth = 0
    for match in _TOKEN.finditer(sql):
        word = (match["name"] or "").upper()
        depth += {"(": 1, ")": -1}.get(match["mark"] or "", 0)
        block = open_blocks[-1] if open_blocks else None
        if block is not None and (depth < block.depth or (depth == block.depth and word in _ENDS)):
            open_blocks.pop()
            product *= max(block.most, block.names)
            if open_blocks:
                open_blocks[-1].names += 1
        elif block is not None and depth == block.depth and match["mark"] == ",":
            block.most, block.names = max(block.most, block.names), 0
        elif block is not None and word and not match["more"] and word not in _NO_NAMES and word != "SELECT":
            block.names += 1
        if word == "SELECT":
            open_blocks.append(_Block(depth))
        if product > MAX_INLINED:
            return True
    return False
