"""A trajectory as one line of JSON, and back."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict
from typing import Any

from envs.protocol import Message
from rollout.trajectory import Failure, Step, Timing, Tokens, Trajectory
from rollout.typed import check_types

SCHEMA = 1
"""Counted up when a reader of the old version could misread a line of the new one."""

_CRC = ',"crc32":"'


class CodecError(ValueError):
    """A line that is no trajectory: torn, corrupt, or of another kind."""


class NewerSchema(CodecError):
    """A line written by a newer version, which must be refused and not guessed at."""


def encode(trajectory: Trajectory) -> str:
    """One self-contained line, without the line break, ended by a checksum of what precedes it."""
    plain = {"schema": SCHEMA, **{name: getattr(trajectory, name) for name in Trajectory.__slots__}}
    plain["steps"] = [_plain_step(step) for step in trajectory.steps]
    plain["failure"] = None if trajectory.failure is None else asdict(trajectory.failure)
    body = json.dumps(plain, ensure_ascii=True, separators=(",", ":"))[:-1]
    return f'{body}{_CRC}{zlib.crc32(body.encode()):08x}"}}'


def decode(line: str) -> Trajectory:
    """The trajectory of a line.

    Raises:
        NewerSchema: if a newer version wrote it.
        CodecError: if it is torn or corrupt, or holds values of other types.
    """
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"not JSON ({error})") from error
    if not isinstance(plain, dict) or type(plain.get("schema")) is not int:
        raise CodecError("not an episode")
    if plain["schema"] > SCHEMA:
        raise NewerSchema(f"written with schema {plain['schema']}, but this version reads up to {SCHEMA}")
    body, _, crc = line.strip().rpartition(_CRC)
    if f'{zlib.crc32(body.encode()):08x}"}}' != crc:
        raise CodecError("the checksum does not match")
    del plain["schema"], plain["crc32"]
    try:
        plain["steps"] = tuple(map(_step, _items(plain["steps"])))
        plain["failure"] = None if plain["failure"] is None else Failure(**plain["failure"])
        trajectory = Trajectory(**plain)
        check_types(trajectory)
        return trajectory
    except (KeyError, TypeError, ValueError) as error:
        raise CodecError(f"not an episode ({error})") from error


def _plain_step(step: Step) -> dict[str, Any]:
    plain: dict[str, Any] = {name: getattr(step, name) for name in Step.__slots__}
    plain["messages"] = [message.to_dict() for message in step.messages]
    plain["reply"] = step.reply.to_dict()
    plain["tokens"] = None if step.tokens is None else [getattr(step.tokens, name) for name in Tokens.__slots__]
    timing = step.timing
    plain["timing"] = [round(seconds, 6) for seconds in (timing.queue, timing.model, timing.env, timing.prefill)]
    return plain


def _items(value: Any) -> list[Any]:
    if type(value) is not list:
        raise TypeError(f"a list is expected, not {value!r:.80}")
    return value


def _step(plain: dict[str, Any]) -> Step:
    tokens = plain["tokens"]
    return Step(
        **{
            **plain,
            "messages": tuple(map(Message.from_dict, _items(plain["messages"]))),
            "reply": Message.from_dict(plain["reply"]),
            "actions": tuple(_items(plain["actions"])),
            "observations": tuple(_items(plain["observations"])),
            "forgiven": tuple(_items(plain.get("forgiven", []))),
            "tokens": None if tokens is None else Tokens(*(tuple(_items(part)) for part in _items(tokens))),
            "timing": Timing(*plain["timing"]),
        }
    )
