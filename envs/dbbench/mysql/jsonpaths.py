"""JSON paths: `$.key`, `$."a key"`, `$[0]`, `$[last-1]`, `$[0 to 2]`, `$.*`, `$[*]`, `$**.key`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.jsonvalues import Work, key_order, quote

MAX_MATCHES = 100_000
MAX_PATH = 1000  # characters
_PLACE = r"last(?:\s*-\s*\d+)?|\d+"
_CELL = re.compile(rf"\s*(?:(?P<any>\*)|(?P<low>{_PLACE})(?:\s+to\s+(?P<high>{_PLACE}))?)\s*\]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAME = re.compile(r"[^\s.\[*]*")


@dataclass(frozen=True, slots=True)
class Place:
    """A position in an array: from its beginning, or from its last element."""

    number: int
    from_end: bool

    def index(self, length: int) -> int:
        """Below 0 where it is before the first element."""
        return length - 1 - self.number if self.from_end else self.number


@dataclass(frozen=True, slots=True)
class Leg:
    """`kind`: member, members (`.*`), cell, cells (`[*]`), range, below (`**`)."""

    kind: str
    name: str = ""
    low: Place = Place(0, False)
    high: Place = Place(0, False)


Path = tuple[Leg, ...]


@lru_cache(maxsize=512)
def parse_path(text: str) -> Path:
    """The legs of a path. Raises 3143 where it is none, 1153 for one longer than MAX_PATH: paths stay in memory."""
    if len(text) > MAX_PATH:
        raise MySQLError(1153)
    at = len(text) - len(text.lstrip())
    if not text.startswith("$", at):
        raise MySQLError(3143, at + 1)
    at += 1
    legs: list[Leg] = []
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            break
        if text[at] == ".":
            leg, at = _member(text, at + 1)
        elif text[at] == "[":
            leg, at = _cell(text, at + 1)
        elif text.startswith("**", at) and not (legs and legs[-1].kind == "below"):
            leg, at = Leg("below"), at + 2
        else:
            raise MySQLError(3143, at)
        legs.append(leg)
    if legs and legs[-1].kind == "below":
        raise MySQLError(3143, len(text))
    return tuple(legs)


def _member(text: str, at: int) -> tuple[Leg, int]:
    while at < len(text) and text[at].isspace():
        at += 1
    if text.startswith("*", at):
        return Leg("members"), at + 1
    if quoted := _QUOTED.match(text, at):
        try:
            return Leg("member", json.loads(quoted.group(), strict=False)), quoted.end()
        except ValueError:
            raise MySQLError(3143, quoted.end()) from None
    match = _NAME.match(text, at)
    assert match is not None
    name = match.group()
    if not name or not (name[0].isalpha() or name[0] in "_$") or not name.replace("$", "_").isidentifier():
        raise MySQLError(3143, match.end())
    return Leg("member", name), match.end()


def _cell(text: str, at: int) -> tuple[Leg, int]:
    match = _CELL.match(text, at)
    if match is None:
        end = re.compile(r"\s*(?:last)?[\d\s]*").match(text, at)
        raise MySQLError(3143, end.end() if end else at)
    if match["any"]:
        return Leg("cells"), match.end()
    low = _place(match["low"])
    if match["high"] is None:
        return Leg("cell", low=low), match.end()
    high = _place(match["high"])
    if low.from_end == high.from_end and (low.number > high.number) != low.from_end and low.number != high.number:
        raise MySQLError(3143, match.end() - 1)
    return Leg("range", low=low, high=high), match.end()


def _place(text: str) -> Place:
    if text.startswith("last"):
        return Place(int(text.partition("-")[2] or 0), True)
    return Place(int(text[:10]), False)


def is_wild(path: Path) -> bool:
    """Whether a path may mean several places."""
    return any(leg.kind in ("members", "cells", "range", "below") for leg in path)


def matches(document: Any, path: Path) -> list[Any]:
    """What a path means in a document, each place once. Raises 1153 for more than MAX_MATCHES, 3024 for more work."""
    found, at, work = [document], 0, Work()
    while at < len(path):
        leg = path[at]
        following: list[Any] = []
        seen: set[int] = set()
        for node in found:
            for item in _step(node, leg):
                work.spend(1)
                if leg.kind == "below" and isinstance(item, dict | list):
                    if id(item) in seen:
                        continue
                    seen.add(id(item))
                following.append(item)
                if len(following) > MAX_MATCHES:
                    raise MySQLError(1153)
        found, at = following, at + 1
    return found


def _step(node: Any, leg: Leg) -> Iterator[Any]:
    if leg.kind == "member":
        if isinstance(node, dict) and leg.name in node:
            yield node[leg.name]
    elif leg.kind == "members":
        if isinstance(node, dict):
            yield from (node[key] for key in sorted(node, key=key_order))
    elif leg.kind == "cells":
        if isinstance(node, list):
            yield from node
    elif leg.kind == "below":
        yield from _below(node)
    else:
        cells = node if isinstance(node, list) else [node]  # a scalar stands for an array of it
        low = leg.low.index(len(cells))
        high = leg.high.index(len(cells)) if leg.kind == "range" else low
        if low < 0 and leg.kind == "cell":
            return
        yield from cells[max(low, 0) : high + 1] if high >= 0 else ()


def _below(node: Any) -> Iterator[Any]:
    """A node and all below it, in the order of the document."""
    pending = [node]
    while pending:
        item = pending.pop()
        yield item
        if isinstance(item, dict):
            keys = sorted(item, key=key_order)
            pending += [item[key] for key in reversed(keys)]
        elif isinstance(item, list):
            pending += reversed(item)


def path_text(steps: tuple[str | int, ...]) -> str:
    """The path to a place, as JSON_SEARCH prints it."""
    text = "$"
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.isidentifier():
            text += f".{step}"
        else:
            text += f".{quote(step)}"
    return text
