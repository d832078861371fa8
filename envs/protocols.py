"""The protocols that every benchmark can be played by: the action as text, alone, after a thought, in tags, or as a
function call.

They take a leading think block for a thought, and read a reply that is not to the letter where its meaning is plain;
`Reading.forgiven` says what was forgiven (see `envs.replies`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from envs.base import Info, Tool
from envs.calls import Written, written_calls
from envs.errors import TaskError
from envs.protocol import Exchange, Message, Protocol, Reading, ToolCall
from envs.replies import label, plain_action, split_thinking


class PlainProtocol(Protocol):
    """The message is the action and nothing else."""

    name = "plain"

    def read(self, message: Message, info: Info, earlier: Sequence[Message] = ()) -> Reading:
        thought, said = split_thinking(message.content)
        action = plain_action(said, info.get("admissible_commands"))
        return Reading((action.text,), valid=bool(action.text), thought=thought, forgiven=action.forgiven)

    def write(self, action: str, thought: str = "") -> Message:
        return Message("assistant", action)


class ReactProtocol(Protocol):
    """`Thought: ...` and then `Action: ...` (Yao et al. 2022, arXiv:2210.03629). The action is what follows the first
    `Action:`; a message that goes on to invent an observation is cut there and counts as invalid."""

    name = "react"
    asks_thought = True
    _form = (
        "Answer every observation in this form, and write nothing after the action:\n"
        "Thought: what you know and what to do next\n"
        "Action: the action"
    )
    _parts = re.compile(r"\s*(?:Thought:(?P<thought>.*?))?^[ \t]*Action:(?P<action>.*)", re.DOTALL | re.MULTILINE)
    _action = label("action", "act")
    _action_within = re.compile(r"(?<!\w)Action\s*[:\uff1a]", re.IGNORECASE)
    _thought = label("thought", "thoughts", "think")
    _invented = label("observation", "thought", "action")

    def __init__(self, instructions: str, tools: Sequence[Tool] = ()) -> None:
        super().__init__(f"{instructions}\n\n{self._form}", tools)

    def read(self, message: Message, info: Info, earlier: Sequence[Message] = ()) -> Reading:
        thinking, said = split_thinking(message.content)
        parts = self._split(said)
        if parts is None:
            return Reading((said.strip(),), valid=False, thought=thinking)
        thought, written, forgiven = parts
        written, *more = self._invented.split(written, maxsplit=1)
        if forgiven and written.count("**") == 1:  # the label's bold ends behind the action
            written = written.replace("**", "")
        action = plain_action(written, info.get("admissible_commands"))
        return Reading(
            (action.text,),
            valid=bool(action.text) and not more,
            thought="\n".join(filter(None, (thinking, thought))),
            forgiven=(*forgiven, *action.forgiven),
        )

    def write(self, action: str, thought: str = "") -> Message:
        return Message("assistant", f"Thought: {thought}\nAction: {action}" if thought else f"Action: {action}")

    def _split(self, said: str) -> tuple[str, str, tuple[str, ...]] | None:
        """Thought, action and what was forgiven to tell them apart; None if there is no action."""
        if found := self._parts.match(said):
            return (found["thought"] or "").strip(), found["action"], ()
        if start := self._action.search(said):
            before, action = said[: start.start()], said[start.end() :]
            exact = start[0].strip() == "Action:" and not self._thought.match(before.lstrip())
            forgiven = "text before the action" if exact else "label"
        elif places := [*self._action_within.finditer(said)]:
            before, action = said[: places[-1].start()], said[places[-1].end() :]
            forgiven = "action within a line"
        else:
            return None
        before = before.strip().rstrip("*").rstrip()
        if thought := self._thought.match(before):
            before = before[thought.end() :]
        return before.strip(), action, (forgiven,)


class ThinkProtocol(Protocol):
    """`<think>...</think><action>...</action>`, the form that verl-agent trains."""

    name = "think"
    asks_thought = True
    _form = (
        "First reason about what you know and what to do next, between <think> and </think>. "
        "Then give one action, between <action> and </action>."
    )
    _action = re.compile(r"<action>(.*?)(?:</action>|\Z)", re.DOTALL)
    _any_action = re.compile(r"<\s*action\s*>(.*?)(?:<\s*/\s*action\s*>|\Z)", re.DOTALL | re.IGNORECASE)
    _thought = re.compile(r"<think>(.*?)</think>", re.DOTALL)

    def __init__(self, instructions: str, tools: Sequence[Tool] = ()) -> None:
        super().__init__(f"{instructions}\n\n{self._form}", tools)

    def read(self, message: Message, info: Info, earlier: Sequence[Message] = ()) -> Reading:
        thought, said = self._split(message.content)
        exact, actions = self._action.findall(said), self._any_action.findall(said)
        if not actions:
            return Reading((message.content.strip()[-100:],), valid=False, thought=thought or "")
        action = plain_action(actions[0], info.get("admissible_commands"))
        return Reading(
            (action.text,),
            valid=bool(action.text) and len(actions) == 1 and thought is not None,
            thought=thought or "",
            forgiven=(*(("label",) if actions != exact else ()), *action.forgiven),
        )

    def write(self, action: str, thought: str = "") -> Message:
        return Message("assistant", f"<think>{thought}</think><action>{action}</action>")

    def _split(self, text: str) -> tuple[str | None, str]:
        """The thought, None without one, and the rest; all of the text where a thought does not end."""
        if "</think>" not in text:
            return None, text
        thought, said = split_thinking(text)
        if said != text:
            return thought, said
        found = self._thought.search(text)  # after a sentence
        return (found[1].strip(), self._thought.sub("", text)) if found else (None, text)


class ToolProtocol(Protocol):
    """Function calls: those of the message, or those written in its text (see `envs.calls` for the forms).

    Attributes:
        forgiving: whether calls are read where no chat template puts them, and arguments without quotes around them;
            the editions of benchmarks are to the letter.
    """

    name = "tool"
    forgiving = True
    no_call = "There was no function call in this message. Call one of the functions."
    bad_call = "This is not a call of one of the functions: {}."

    @property
    def schemas(self) -> list[dict[str, Any]] | None:
        return [tool.schema() for tool in self.tools]

    def read(self, message: Message, info: Info, earlier: Sequence[Message] = ()) -> Reading:
        calls = self.calls(message)
        if not calls:
            return Reading((), valid=False, feedback=self.no_call)
        written = self.action(calls[0])
        if written is None:
            return Reading((), valid=False, feedback=self.bad_call.format(calls[0].name or "unreadable JSON"))
        thinking, said = split_thinking(message.content)
        found = Written((), said) if message.tool_calls else written_calls(said)
        action = plain_action(written, info.get("admissible_commands"))
        return Reading(
            (action.text,),
            valid=len(calls) == 1,
            thought="\n".join(filter(None, (thinking, found.beside))),
            forgiven=(*(("place of the call",) if found.forgiven else ()), *action.forgiven),
        )

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
        found = written_calls(split_thinking(message.content)[1])
        return found.calls if self.forgiving or not found.forgiven else ()

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
