"""Protocols read what models say, in form or out of it, and write what experts do."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs import TaskError, Tool
from envs.protocol import Message, Protocol, ToolCall
from envs.protocols import make_protocol

ACT = Tool("take_action", "Does it.", "action", "{}")
ANSWER = Tool("commit", "Ends it.", "answers", "answer: {}", many=True)
NAMES = ("plain", "react", "think", "tool")


def protocol(name: str) -> Protocol:
    return make_protocol(name, "You are in a house.", [ACT, ANSWER])


def said(text: str) -> Message:
    return Message("assistant", text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("action", ["go to fridge 1", 'answer: ["a", "ü"]', "SELECT 1\nFROM `t`"])
def test_what_a_protocol_writes_it_reads(name: str, action: str) -> None:
    message = protocol(name).write(action, thought="The fridge may hold it.")
    reading = protocol(name).read(message, {})
    assert reading.actions == (action,)
    assert reading.valid


@pytest.mark.parametrize("name", NAMES)
@given(text=st.text())
def test_whatever_is_said_is_read_without_an_error(name: str, text: str) -> None:
    reading = protocol(name).read(said(text), {})
    assert all(isinstance(action, str) for action in reading.actions)
    assert reading.actions or reading.feedback


@pytest.mark.parametrize(
    ("name", "text", "action", "valid"),
    [
        ("plain", "  look \n", "look", True),
        ("plain", "", "", False),
        ("react", "Thought: hm\nAction: look", "look", True),
        ("react", "Action: look", "look", True),
        ("react", "Thought: a\nb\nAction: SELECT 1\nFROM t", "SELECT 1\nFROM t", True),
        ("react", "Thought: hm\nAction: look\nObservation: nothing", "look", False),
        ("react", "Action: look\nThought: no\nAction: help", "look", False),
        ("react", "I would look.", "I would look.", False),
        ("react", "Thought: hm\nAction:", "", False),
        ("think", "<think>hm</think><action>look</action>", "look", True),
        ("think", "<think>hm</think>\n<action> look ", "look", True),
        ("think", "<action>look</action>", "look", False),
        ("think", "<think></think><action>look</action><action>help</action>", "look", False),
        ("think", "look", "look", False),
    ],
)
def test_a_text_is_read_by_its_form(name: str, text: str, action: str, valid: bool) -> None:
    reading = protocol(name).read(said(text), {})
    assert (reading.actions, reading.valid) == ((action,), valid)


def test_a_tool_call_is_read_from_the_message_or_from_its_text() -> None:
    arguments = json.dumps({"action": "look"})
    written = said('I look.\n<tool_call>\n{"name": "take_action", "arguments": {"action": "look"}}\n</tool_call>')
    for message in (Message("assistant", "", (ToolCall("x", "take_action", arguments),)), written):
        assert protocol("tool").read(message, {}).actions == ("look",)
    assert protocol("tool").read(written, {}).thought == "I look."


@pytest.mark.parametrize(
    "text",
    [
        "no call",
        "<tool_call>{bad json</tool_call>",
        '<tool_call>{"name": "fly", "arguments": {"action": "look"}}</tool_call>',
        '<tool_call>{"name": "take_action", "arguments": {"act": "look"}}</tool_call>',
        '<tool_call>{"name": "take_action", "arguments": {"action": 3}}</tool_call>',
        '<tool_call>{"name": "take_action", "arguments": []}</tool_call>',
        "<tool_call>" + "[" * 100_000 + "</tool_call>",
    ],
)
def test_a_bad_tool_call_goes_nowhere_and_is_told_so(text: str) -> None:
    reading = protocol("tool").read(said(text), {})
    assert reading.actions == ()
    assert not reading.valid
    assert "functions" in reading.feedback


def test_every_tool_call_is_answered_but_only_the_first_is_executed() -> None:
    calls = tuple(ToolCall(f"id{i}", "take_action", '{"action": "look"}') for i in range(2))
    message = Message("assistant", "", calls)
    reading = protocol("tool").read(message, {})
    assert (reading.actions, reading.valid) == (("look",), False)
    answers = protocol("tool").show(message, ["You see a fridge 1."], {})
    assert [answer.tool_call_id for answer in answers] == ["id0", "id1"]
    assert answers[0].content == "You see a fridge 1."


def test_messages_survive_openai_s_form() -> None:
    message = Message("assistant", "hm", (ToolCall("a", "f", '{"x": 1}'),))
    assert Message.from_dict(message.to_dict()) == message
    answer = Message("tool", "done", tool_call_id="a")
    assert Message.from_dict(answer.to_dict()) == answer


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(TaskError, match="Did you mean 'react'"):
        protocol("raect")
