"""Display names: "fridge_bar__minus_00_dot_5..." becomes "fridge 1", numbered as alfworld's demangler numbers them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

_MARKS = (("_bar_", "|"), ("_minus_", "-"), ("_plus_", "+"), ("_dot_", "."), ("_comma_", ","))


def display_names(entities: Sequence[str], seed: int | None = None) -> dict[str, str]:
    """Names every entity of a game.

    Entities of one base name are numbered from their count down to 1, in the order of their ids. The base name is what
    stands before the first `_bar_`; "basin" is appended where the id has it anywhere. An id without `_bar_` is its own
    name, followed by a blank.

    Args:
        entities: the ids of all entities that the initial facts mention, sorted.
        seed: shuffles the ids first, as alfworld's `domain_randomization` does after `random.seed(seed)`.
    """
    order = list(entities)
    if seed is not None:
        random.Random(seed).shuffle(order)
    bases = {id_: _base(id_) for id_ in order if "_bar_" in id_}
    left = Counter(bases.values())
    names = {}
    for id_ in order:
        base = bases.get(id_)
        if base is None:
            names[id_] = f"{_plain(id_)} "
        else:
            names[id_] = f"{base} {left[base]}"
            left[base] -= 1
    return names


def _base(id_: str) -> str:
    base = _plain(id_.partition("_bar_")[0])
    return base + "basin" if "basin" in id_ else base


def _plain(text: str) -> str:
    if "_" in text:
        for mark, character in _MARKS:
            text = text.replace(mark, character)
    return text
