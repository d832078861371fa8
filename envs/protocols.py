"""The protocols that every benchmark can be played by: the action as text, alone, after a thought, in tags, or as a
function call."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from envs.base import Info, Tool
from envs.errors import TaskError
from envs.protocol import Exchange, Message, Protocol, Reading, ToolCall


class PlainProtocol(Protocol):
    """The message is the action and nothing else."""

    name = "plain"

    def read(self, message: Message, info: Info, earlier: Sequence[Message] = ()) -> Reading:
        action = message.content.strip()
        return Reading((action,), valid=bool(action))

    def write(self, action: str, thought: str = "") -> Message:
        return Message("assistant", action)


class ReactProtocol(Protocol):
    """`Thought: ...` and then `Action: ...` (Yao et al. 2022, arXiv:2210.03629). The action is what follows the first
    `Action:`; a message that goes on to invent an observation is cut there and counts as invalid."""

    name = "react"
    _form = (
        "Answer every observation in this form, and write nothing after the action:\n"
        "Thought: what you know and what to do next\n"
        "Action: the action"
    )
    _parts = re.compile(r"\s*(?:Thought:(?P<thought>.*?))?^\s*Action:(?P<action>.*)", re.DOTALL | re.MULTILINE)
    _invented = re.compile(r"^\s*(?:Observation|Thought|Action):", re.MULTILINE)

    def __init__(self, instructions: str, tools: Sequence[Tool] = ()) -> None:
        super().__init__(f"{instructions}\n\n{self._form}", tools)

    def read(self, message: Message, info: Info, earlier: Sequence[Message] = ()) -> Reading:
        found = self._parts.match(message.content)
        if found is None:
            return Reading((message.content.strip(),), valid=False)
        action, *more = self._invented.split(found["action"], maxsplit=1)
        thought = (found["thought"] or "").strip()
        return Reading((action.strip(),), valid=bool(action.strip()) and not more, thought=thought)

    def write(self, action: str, thought: str = "") -> Message:
        return Message("assistant", f"Thought: {thought}\nAction: {action}" if thought else f"Action: {action}")


class ThinkProtocol(Protocol):
    """`<think>...</think><action>...</action>`, the form that verl-agent trains."""

    name = "think"
    _form = (
        "First reason about what you know and what to do next, between <think> and </think>. "
        "Then give one action, between <action> and </action>."
    )
    _action = re.compile(r"<action>(.*?)(?:</action>|\Z)", re.DOTALL)
    _thought = re.compile(r"<think>(.*?)</think>", re.DOTALL)

    def __init__(self, instructions: str, tools: Sequence[Tool] = ()) -> None:
        super().__init__(f"{instructions}\n\n{self._form}", tools)

    def read(self, message: Message, info: Info, earlier: Sequence[Message] = ()) -> Reading:
        actions = self._action.findall(message.content)
        thought = self._thought.search(message.content)
        if not actions:
            return Reading((message.content.strip()[-100:],), valid=False)
        action = actions[0].strip()
        valid = bool(action) and len(actions) == 1 and thought is not None
        return Reading((action,), valid=valid, thought=thought[1].strip() if thought else "")

    def write(self, action: str, thought: str = "") -> Message:
        return Message("assistant", f"<think>{thought}</think><action>{action}</action>")


class ToolProtocol(Protocol):
    """Function calls: those of the message, or `<tool_call>` blocks in its text, as Qwen's templates write them."""

    name = "tool"
    _block = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)
    no_call = "There was no function call in this message. Call one of the functions."
    bad_call = "This is not a call of one of the functions: {}."

    @property
    def schemas(self) -> list[dict[str, Any]] | None:
        return [tool.schema() for tool in self.tools]

    def read(self, message: Message, info: Info, earlier: Sequence[Message] = ()) -> Reading:
        calls = self.calls(message)
        if not calls:
            return Reading((), valid=False, feedback=self.no_call)
        action = self.action(calls[0])
        if action is None:
            return Reading((), valid=False, feedback=self.bad_call.format(calls[0].name or "unreadable JSON"))
        return Reading((action,), valid=len(calls) == 1, thought=self._block.sub("", message.content).strip())

    def show(
        self, answered: Message, observations: Sequence[str], info: Info, past: Sequence[Exchange] = ()
    ) -> list[Message]:
        calls = self.calls(answered)
        if not calls:
            return super().show(answered, observations, info)
        texts = [*observations, *["Not executed: one call at a time."] * len(calls)]
        return [Message("tool", text, tool_call_id=call.id) for call, text in zip(calls, texts, strict=False)]

    def write(self, action: str, thought: str = "") -> Message:
        return Message("assistant", thought, (self._call(action),))

    def calls(self, message: Message) -> tuple[ToolCall, ...]:
        """The calls of a message, or those written in its text."""
        if message.tool_calls:
            return message.tool_calls
        return tuple(_read_block(text, f"call_{i}") for i, text in enumerate(self._block.findall(message.content)))

    def action(self, call: ToolCall) -> str | None:
        """The action text of a call, or None if it is not one of the tools with its argument."""
        tool = next((tool for tool in self.tools if tool.name == call.name), None)
        try:
            arguments = json.loads(call.arguments)
        except (ValueError, RecursionError):
            return None
        if tool is None or not isinstance(arguments, dict) or tool.argument not in arguments:
            return None
        value = arguments[tool.argument]
        if tool.many:
            return tool.action.format(json.dumps(value, ensure_ascii=False))
        return tool.action.format(value) if isinstance(value, str) else None

    def _call(self, action: str) -> ToolCall:
        # The tool with the longest fixed text wins: `answer: {}` before `{}`.
        for tool in sorted(self.tools, key=lambda tool: -len(tool.action)):
            before, _, after = tool.action.partition("{}")
            if action.startswith(before) and action.endswith(after):
                text = action[len(before) : len(action) - len(after)]
                value = json.loads(text) if tool.many else text
                return ToolCall("call_0", tool.name, json.dumps({tool.argument: value}, ensure_ascii=False))
        raise TaskError(f"no tool of this benchmark says {action!r}")


_GENERIC = {cls.name: cls for cls in (PlainProtocol, ReactProtocol, ThinkProtocol, ToolProtocol)}


def make_protocol(name: str, instructions: str, tools: Sequence[Tool], own: Sequence[str] = ()) -> Protocol:
    """A generic protocol by name.

    Args:
        name: plain, react, think or tool.
        instructions: the benchmark's, in which the form of an answer is not yet described.
        tools: the benchmark's.
        own: names of the benchmark's own protocols, for the message where there is none of this name.

    Raises:
        TaskError: if there is none of this name.
    """
    if name in _GENERIC:
        return _GENERIC[name](instructions, tools)
    known = [*_GENERIC, *own]
    near = get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise TaskError(f"unknown protocol {name!r}", remedy=f"{hint}There are: {', '.join(known)}.")


def _read_block(text: str, id: str) -> ToolCall:
    try:
        block = json.loads(text)
    except (ValueError, RecursionError):
        return ToolCall(id, "", text)
    if not isinstance(block, dict) or not isinstance(block.get("name"), str):
        return ToolCall(id, "", text)
    arguments = block.get("arguments")
    return ToolCall(id, block["name"], arguments if isinstance(arguments, str) else json.dumps(arguments))
