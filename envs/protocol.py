"""Protocols: how an observation becomes messages, and what a model says becomes an action.

An environment speaks in observations and actions; a model in messages. The protocol stands between and owns neither, so
every benchmark can be played by every protocol: `TextProtocol`s ask for the action as text (alone, after a thought, in
tags), `ToolProtocol` by function calls. What a benchmark's own edition prescribes beyond that (rounds, words, regular
expressions) is a protocol in that benchmark's folder.

A protocol has no state: one instance serves every episode.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envs.base import Info, Tool
from envs.record import Record


@dataclass(frozen=True, slots=True)
class ToolCall(Record):
    """A function call of an assistant's message. `arguments` is JSON as the model wrote it, well formed or not."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message(Record):
    """A chat message in OpenAI's form.

    Attributes:
        role: system, user, assistant or tool.
        content: its text, "" where there are only tool calls.
        tool_calls: an assistant's function calls.
        tool_call_id: in a tool's message, the call that it answers.
    """

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As a chat template and an OpenAI-compatible server take it; keys without a value are left out."""
        plain: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            plain["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in self.tool_calls
            ]
        if self.tool_call_id is not None:
            plain["tool_call_id"] = self.tool_call_id
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Message:
        """The inverse of `to_dict`; arguments that a server sends as an object become JSON."""
        calls = []
        for call in plain.get("tool_calls") or ():
            arguments = call["function"]["arguments"]
            text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            calls.append(ToolCall(call.get("id") or "", call["function"]["name"], text))
        return cls(plain["role"], plain.get("content") or "", tuple(calls), plain.get("tool_call_id"))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a protocol reads in a model's message.

    Attributes:
        actions: what goes to `TextEnv.step`, in order: usually one; several where the message holds several function
            calls; none where the protocol itself answers.
        valid: whether the message kept to the protocol's form. Whether an action is admissible is another question.
        thought: what was said before the action, or "".
        forgiven: departures from the form that were read all the same, by name, such as "quotes".
        feedback: what the model is told where no action goes to the environment.
        end: the protocol ends the episode after these actions (an edition's rule for repetition, say).
    """

    actions: tuple[str, ...]
    valid: bool
    thought: str = ""
    feedback: str = ""
    end: bool = False
    forgiven: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A past turn, for protocols that tell the model its history in words.

    Attributes:
        observation: what the environment had said before.
        action: what went to the environment, "" where nothing did.
    """

    observation: str
    action: str


class Protocol(ABC):
    """One way of talking a benchmark with a model.

    Attributes:
        name: how a config and a score's fingerprint call it.
        instructions: what the model is told before the first observation: ours, or a benchmark's original.
        tools: the benchmark's tools; a protocol of text describes them in words, if at all.
        source: who wrote the instructions, for a score's fingerprint.
        max_turns: an edition's limit on the model's turns; None leaves the limit to the environment's `max_steps`.
        standalone: whether the messages of each turn are a conversation of their own, in which the past is told.
        asks_thought: whether the instructions ask for a thought beside the action: scripted players then give one.
    """

    name: str
    source: str = "train-agent"
    max_turns: int | None = None
    standalone: bool = False
    asks_thought: bool = False

    def __init__(self, instructions: str, tools: Sequence[Tool] = ()) -> None:
        self.instructions = instructions
        self.tools = tuple(tools)

    @property
    def schemas(self) -> list[dict[str, Any]] | None:
        """The functions offered to the model's chat template, or None where the protocol is plain text."""
        return None

    def open(self, observation: str, info: Info) -> list[Message]:
        """The messages before the model's first turn."""
        return [Message("system", self.instructions), Message("user", observation)]

    def show(
        self, answered: Message, observations: Sequence[str], info: Info, past: Sequence[Exchange] = ()
    ) -> list[Message]:
        """The messages after a turn.

        Args:
            answered: the model's message.
            observations: what came of each of its actions, or the protocol's own feedback.
            info: of the environment's last answer.
            past: all turns of the episode, this one included.
        """
        return [Message("user", "\n".join(observations))]

    @abstractmethod
    def read(self, message: Message, info: Info, earlier: Sequence[Message] = ()) -> Reading:
        """The actions in a model's message.

        Args:
            message: what the model said.
            info: of the environment's last answer; an edition may choose among its admissible commands.
            earlier: the model's messages before this one; an edition may end an episode that repeats itself.
        """

    @abstractmethod
    def write(self, action: str, thought: str = "") -> Message:
        """The message by which a scripted player says `action`: `read(write(a), info).actions == (a,)`."""
