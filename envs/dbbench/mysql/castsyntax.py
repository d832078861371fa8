"""MySQL's grammar of the types that CAST, CONVERT and JSON_VALUE convert to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envs.dbbench.mysql.tree import Cast, Node

if TYPE_CHECKING:
    from envs.dbbench.mysql.callsyntax import CallParser

_TYPES = frozenset(
    """
    SIGNED UNSIGNED CHAR NCHAR CHARACTER BINARY DATE TIME DATETIME YEAR DECIMAL DEC FLOAT DOUBLE REAL JSON
    """.split()  # noqa: SIM905
)
_SYNONYMS = {"NCHAR": "CHAR", "CHARACTER": "CHAR", "DEC": "DECIMAL", "REAL": "DOUBLE"}


def cast_type(reader: CallParser, operand: Node) -> Cast:
    """Reads a type; `operand` is what is converted to it."""
    name = reader.key
    if name not in _TYPES:
        reader.fail()
    reader.at += 1
    if name == "DOUBLE":
        reader.accept("PRECISION")
    if name in ("SIGNED", "UNSIGNED") and not reader.accept("INT"):
        reader.accept("INTEGER")
    sizes = _sizes(reader, 2 if name in ("DECIMAL", "DEC") else 1) if reader.key == "(" else []
    if name in ("CHAR", "NCHAR", "CHARACTER"):
        if reader.accept("CHARACTER", "SET") or reader.accept("CHARSET"):
            name = "BINARY" if reader.character_set() == "binary" else name
        else:
            reader.accept("BINARY")
    return Cast(operand, _SYNONYMS.get(name, name), sizes[0] if sizes else None, sizes[1] if len(sizes) > 1 else None)


def _sizes(reader: CallParser, most: int) -> list[int]:
    reader.expect("(")
    sizes = [reader.integer()]
    if most == 2 and reader.accept(","):
        sizes.append(reader.integer())
    reader.expect(")")
    return sizes
