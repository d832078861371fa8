"""Frames of windows: which the server refuses, and which this layer does not have."""

from __future__ import annotations

import re

from envs.dbbench.mysql.errors import MySQLError, Unsupported
from envs.dbbench.mysql.types import Type

_ORDER = ("UNBOUNDED PRECEDING", "PRECEDING", "CURRENT ROW", "FOLLOWING", "UNBOUNDED FOLLOWING")
_MOVING = frozenset({"COUNT", "SUM", "AVG", "MIN", "MAX"})


def check_frame(frame: str, name: str, keys: list[Type]) -> None:
    """Raises what the server answers to a frame that makes no sense, or not with the types of ORDER BY's `keys`."""
    start, end = (re.sub(r"^\d+ ", "", bound) for bound in _bounds(frame))
    if start == "UNBOUNDED FOLLOWING":
        raise MySQLError(3584, name)
    if end == "UNBOUNDED PRECEDING":
        raise MySQLError(3585, name)
    if _ORDER.index(start) > _ORDER.index(end):
        raise MySQLError(3586, name)
    if frame.startswith("RANGE") and re.search(r"\d", frame):
        if len(keys) != 1 or not (keys[0].numeric or keys[0].temporal):
            raise MySQLError(3587, name)
        if keys[0].temporal:
            raise MySQLError(3588, name)


def check_moving(function: str, frame: str) -> None:
    """Raises Unsupported for an aggregate that cannot give a row back where the frame's start moves."""
    if frame and function not in _MOVING and _bounds(frame)[0] != "UNBOUNDED PRECEDING":
        raise Unsupported(f"{function} in a frame that does not begin with UNBOUNDED PRECEDING")


def _bounds(frame: str) -> tuple[str, str]:
    """The first and the last of a frame, as `ROWS BETWEEN .. AND ..` or `ROWS ..` has them."""
    bounds = frame.split(" ", 1)[1].removeprefix("BETWEEN ").split(" AND ")
    return bounds[0], bounds[1] if len(bounds) > 1 else "CURRENT ROW"
