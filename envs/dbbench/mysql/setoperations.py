"""UNION, EXCEPT and INTERSECT: their rows come in the order in which they first appear; SQLite's own would sort."""

from __future__ import annotations

from envs.dbbench.mysql.tree import SetOperation
from envs.dbbench.mysql.types import Type, Value, ordered, sort_key


def combined(node: SetOperation, left: str, right: str, types: list[Type]) -> str:
    """The SQL of both sides' rows, which have the columns `o0`, `o1` ... of these types."""
    places = range(len(types))
    outs = ", ".join(f"{ordered(Value('', types[i]), f'o{i}')} AS o{i}" for i in places)
    if node.operator == "union":
        return f"{left} UNION ALL {right}" if node.all else f"SELECT DISTINCT {outs} FROM ({left} UNION ALL {right})"
    word = "NOT IN" if node.operator == "except" else "IN"
    # NULL is equal to NULL here: a blob, which no value is, stands for it.
    keys = ", ".join(f"coalesce({sort_key(Value('', types[i]), f'o{i}')}, x'00')" for i in places)
    if not node.all:
        return f"SELECT DISTINCT {outs} FROM ({left}) WHERE ({keys}) {word} (SELECT {keys} FROM ({right}))"
    plain = ", ".join(f"o{i}" for i in places)
    window = f"(PARTITION BY {keys} ORDER BY n)"
    # Equal rows are one row and a count of them: all come as the first, in its place.
    firsts = ", ".join(f"first_value(o{i}) OVER {window} AS o{i}" for i in places)
    places_of = f"min(n) OVER {window} AS n, row_number() OVER {window} AS m"
    lefts, rights = (f"(SELECT *, row_number() OVER () AS n FROM ({side}))" for side in (left, right))
    matches = f"SELECT {keys}, row_number() OVER {window} FROM {rights}"
    kept = f"SELECT {plain}, n FROM (SELECT {firsts}, {places_of} FROM {lefts}) WHERE ({keys}, m) {word} ({matches})"
    return f"SELECT {plain} FROM ({kept} ORDER BY n)"
