"""Whether values read from a file have the types that a dataclass declares."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

Check = Callable[[Any], bool]


def check_types(record: Any) -> None:
    """Check the fields of a dataclass, and of those that it holds.

    Raises:
        TypeError: naming the first field that holds something else.
    """
    for name, is_valid in _checks(record.__class__).items():
        if not is_valid(value := getattr(record, name)):
            raise TypeError(f"{type(record).__name__}.{name} is {value!r:.80}")


@cache
def _checks(cls: Any) -> dict[str, Check]:
    hints = typing.get_type_hints(cls)
    return {field.name: _check(hints[field.name]) for field in fields(cls)}


def _check(hint: Any) -> Check:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return lambda value: True
    if origin is typing.Literal:
        return lambda value: isinstance(value, str) and value in parts
    if origin in (types.UnionType, typing.Union):
        choices = [_check(part) for part in parts]
        return lambda value: any(choice(value) for choice in choices)
    if origin is tuple:
        return _sequence(parts[0])
    if origin is dict:
        holds = _check(parts[1])
        return lambda value: (
            type(value) is dict and all(isinstance(key, str) and holds(item) for key, item in value.items())
        )
    if is_dataclass(hint):
        return _record(hint)
    return _plain(hint)


def _record(cls: Any) -> Check:
    def is_valid(value: Any) -> bool:
        if not isinstance(value, cls):
            return False
        check_types(value)
        return True

    return is_valid


def _sequence(hint: Any) -> Check:
    """Of `tuple[hint, ...]`; by the set of the types where that is all there is to see, since ids come in thousands."""
    if hint in (int, str, float):
        allowed = {int, float} if hint is float else {hint}
        return lambda value: type(value) is tuple and set(map(type, value)) <= allowed
    holds = _check(hint)
    return lambda value: type(value) is tuple and all(map(holds, value))


def _plain(hint: Any) -> Check:
    allowed = {int, float} if hint is float else {type(None) if hint is None else hint}
    return lambda value: type(value) in allowed
