"""The space of all texts."""

from __future__ import annotations

import string
from typing import Any

import gymnasium

_SAMPLED = string.ascii_lowercase + string.digits + " "


class Text(gymnasium.Space[str]):
    """Every Unicode string of bounded length.

    Gymnasium's own `Text` lists its characters, which a model's output does not keep to; this one contains whatever
    is a string. `sample` draws short texts of letters, digits and blanks.

    Args:
        max_length: in characters; the default is far above any observation of a benchmark here.
    """

    def __init__(self, max_length: int = 1 << 20) -> None:
        super().__init__(dtype=str)
        self.max_length = max_length

    @property
    def is_np_flattenable(self) -> bool:
        return False

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """A random short text."""
        length = int(self.np_random.integers(1, 40))
        return "".join(_SAMPLED[i] for i in self.np_random.integers(len(_SAMPLED), size=length))

    def contains(self, x: Any) -> bool:
        return isinstance(x, str) and len(x) <= self.max_length

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and other.max_length == self.max_length

    def __hash__(self) -> int:
        return hash(self.max_length)

    def __repr__(self) -> str:
        return f"Text(max_length={self.max_length})"
