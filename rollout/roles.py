"""Roles of messages, for chat templates and servers that do not know all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from envs.protocol import Message


def fold_system(messages: Sequence[Message]) -> list[Message]:
    """The messages with the leading system text at the start of the first user message, as a template without a system
    role (Gemma's) wants it; a user message of its own where the next one is not the user's."""
    system = [message for message in messages[:1] if message.role == "system"]
    if not system:
        return list(messages)
    text, rest = system[0].content, list(messages[1:])
    if rest and rest[0].role == "user":
        return [replace(rest[0], content=f"{text}\n\n{rest[0].content}" if text else rest[0].content), *rest[1:]]
    return [Message("user", text), *rest]


def merge_users(messages: Sequence[Message]) -> list[Message]:
    """The messages with consecutive ones of the user as one, for templates in which roles must alternate."""
    merged: list[Message] = []
    for message in messages:
        if message.role == "user" and merged and merged[-1].role == "user":
            merged[-1] = replace(merged[-1], content=f"{merged[-1].content}\n\n{message.content}")
        else:
            merged.append(message)
    return merged
