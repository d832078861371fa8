"""Where an episode comes from: what changes it, and the versions that were at work."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from envs import Task, TextEnv
from envs.protocol import Protocol

_PACKAGES = ("train-agent", "torch", "transformers", "trl", "vllm", "sqlglot", "textworld")


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that can change an episode."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def fingerprint(text: str) -> str:
    """Twelve hexadecimal digits of a text's SHA-256."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def describe_env(env: TextEnv[Task], split: str | None, env_args: Mapping[str, Any]) -> dict[str, Any]:
    """What of an environment changes an episode, its tasks included."""
    return {
        "id": env.id or type(env).__name__,
        "split": split,
        "args": {name: value for name, value in sorted(env_args.items()) if name not in env.places},
        "max_steps": env.max_steps,
        "tasks": len(env.tasks),
        "tasks_hash": fingerprint("\n".join(task.content() for task in env.tasks)),
        **env.facts(),
    }


def describe_protocol(protocol: Protocol) -> dict[str, Any]:
    """What of a protocol changes an episode."""
    return {
        "name": protocol.name,
        "source": protocol.source,
        "instructions": fingerprint(protocol.instructions),
        "max_turns": protocol.max_turns,
        "tools": protocol.schemas,
    }


def differences(a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any, Any]]:
    """The keys, dotted, at which two nested mappings differ, with both values (None where one has none)."""
    found: list[tuple[str, Any, Any]] = []
    for key in sorted({*a, *b}):
        left, right = a.get(key), b.get(key)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            found += differences(left, right, f"{prefix}{key}.")
        elif left != right:
            found.append((f"{prefix}{key}", left, right))
    return found
