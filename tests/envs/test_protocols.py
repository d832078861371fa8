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


THOUGHT = "I have not looked at desk 1 yet."
REACT = f"Thought: {THOUGHT}\nAction: look"
THINKERS = {
    "with a thought": f"<think>\n{THOUGHT}\n</think>\n\n",
    "empty": "<think>\n\n</think>\n\n",
    "opened by the template": f"{THOUGHT}\nAction: help\n</think>\n\n",
    "twice": f"<think>\n\n</think>\n\n<think>{THOUGHT} <action>help</action></think>\n",
}


@pytest.mark.parametrize("block", THINKERS.values(), ids=THINKERS)
@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("plain", "look"),
        ("react", REACT),
        ("react", "Action: look"),
        ("think", "<action>look</action>"),
        ("tool", '<tool_call>\n{"name": "take_action", "arguments": {"action": "look"}}\n</tool_call>'),
        ("tool", '{"name": "take_action", "parameters": {"action": "look"}}'),
    ],
)
def test_a_leading_think_block_is_read_as_thought(name: str, reply: str, block: str) -> None:
    reading = protocol(name).read(said(block + reply), {})
    assert (reading.actions, reading.valid, reading.forgiven) == (("look",), True, ())
    if THOUGHT in block:
        assert THOUGHT in reading.thought


@pytest.mark.parametrize("name", ["plain", "react", "tool"])
def test_a_reply_that_was_cut_while_thinking_has_no_action(name: str) -> None:
    reading = protocol(name).read(said("<think>\nI could say\nAction: look\nor"), {})
    assert not reading.valid
    assert reading.actions in (("",), ())


@pytest.mark.parametrize(
    ("text", "action", "forgiven"),
    [
        ("ACTION: go to desk 1", "go to desk 1", "label"),
        ("THOUGHT: hm\nACTION: go to desk 1", "go to desk 1", "label"),
        ("**Action:** go to desk 1", "go to desk 1", "label"),
        ("**Thought:** hm\n\n**Action**: go to desk 1", "go to desk 1", "label"),
        ("**Thought: hm**\n**Action: go to desk 1**", "go to desk 1", "label"),
        ("### Action: go to desk 1", "go to desk 1", "label"),
        ("Think: hm\nAct: go to desk 1", "go to desk 1", "label"),
        ("Thought\uff1ahm\nAction\uff1a go to desk 1", "go to desk 1", "label"),
        ("Action: go to desk 1.", "go to desk 1", "period"),
        ("Action: `go to desk 1`", "go to desk 1", "quotes"),
        ('Action: "go to desk 1".', "go to desk 1", "quotes"),
        ("Action: **go to desk 1**", "go to desk 1", "emphasis"),
        ("Action:\n```sql\nSELECT `a`\nFROM `t`;\n```", "SELECT `a`\nFROM `t`;", "code fence"),
        ("I will look at the desk.\nAction: go to desk 1", "go to desk 1", "text before the action"),
        ("Thought: hm. Action: go to desk 1", "go to desk 1", "action within a line"),
    ],
)
def test_a_form_that_is_plain_in_meaning_is_read_and_counted(text: str, action: str, forgiven: str) -> None:
    reading = protocol("react").read(said(text), {})
    assert (reading.actions, reading.valid) == ((action,), True)
    assert forgiven in reading.forgiven
    if "hm" in text:
        assert reading.thought.strip("*.") == "hm"


@pytest.mark.parametrize(
    "action",
    [
        "SELECT `a` FROM `t` WHERE `b` = 'x'",
        "SELECT * FROM t",
        "SELECT COUNT(*), a.* FROM t",
        "SELECT 'a' AS `x`, 'b'",
        'answer: ["`a`"]',
        "answer: []",
        "Yes.",
        "2.5",
        "go to desk 1...",
        "",
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_quotes_stars_and_periods_of_the_action_itself_are_kept(name: str, action: str) -> None:
    if name == "tool" and not action:
        return
    reading = protocol(name).read(protocol(name).write(action), {})
    assert (reading.actions, reading.forgiven) == ((action,), ())


@pytest.mark.parametrize("name", NAMES)
def test_what_the_environment_lists_is_played_as_it_stands_and_decides_on_capitals(name: str) -> None:
    commands = ["say hello.", '"quoted"', "look"]
    for action in commands:
        reading = protocol(name).read(protocol(name).write(action), {"admissible_commands": commands})
        assert (reading.actions, reading.forgiven) == ((action,), ())
    reading = protocol(name).read(protocol(name).write("Look."), {"admissible_commands": [*commands, "look."]})
    assert (reading.actions, reading.forgiven) == (("look.",), ("capitals",))


def test_a_reply_that_invents_an_observation_is_invalid_in_any_capitals() -> None:
    for invented in ("OBSERVATION: a", "**Observation:** a", "action: help"):
        reading = protocol("react").read(said(f"Action: look\n{invented}"), {})
        assert (reading.actions, reading.valid) == (("look",), False)


CALLS = {
    "llama 3.1": '{"name": "take_action", "parameters": {"action": "look"}}',
    "llama 3.1 with a type": '{"type": "function", "name": "take_action", "parameters": {"action": "look"}}',
    "openai": '{"type": "function", "function": {"name": "take_action", "arguments": {"action": "look"}}}',
    "python tag": '<|python_tag|>{"name": "take_action", "parameters": {"action": "look"}}<|eom_id|>',
    "python tag, as code": '<|python_tag|>take_action.call(action="look")',
    "llama, custom": '<function=take_action>{"action": "look"}</function>',
    "hermes": '<tool_call>{"name": "take_action", "arguments": {"action": "look"}}</tool_call>',
    "qwen coder": "<tool_call>\n<function=take_action>\n<parameter=action>\nlook\n</parameter></function></tool_call>",
    "mistral": '[TOOL_CALLS] [{"name": "take_action", "arguments": {"action": "look"}}]',
    "mistral, later": '[TOOL_CALLS]take_action[ARGS]{"action": "look"}',
}


@pytest.mark.parametrize("text", CALLS.values(), ids=CALLS)
def test_a_call_is_read_as_models_write_it(text: str) -> None:
    reading = protocol("tool").read(said(text), {})
    assert (reading.actions, reading.valid, reading.forgiven) == (("look",), True, ())
    (answer,) = protocol("tool").show(said(text), ["You see a desk 1."], {})
    assert (answer.role, answer.tool_call_id) == ("tool", "call_0")


def test_a_call_after_a_sentence_or_in_a_fence_is_read_and_counted() -> None:
    call = CALLS["llama 3.1"]
    for text, thought in ((f"I look.\n{call}", "I look."), (f"I look.\n```json\n{call}\n```", "I look.")):
        reading = protocol("tool").read(said(text), {})
        assert (reading.actions, reading.valid, reading.thought) == (("look",), True, thought)
        assert reading.forgiven == ("place of the call",)


def test_several_calls_of_llama_are_several() -> None:
    text = "; ".join([CALLS["llama 3.1"]] * 3)
    reading = protocol("tool").read(said(text), {})
    assert (reading.actions, reading.valid) == (("look",), False)
    assert len(protocol("tool").show(said(text), ["ok"], {})) == 3


@given(text=st.text(alphabet="<>/|[]{}:\"';,. \nThougActin_cl=()`*", max_size=80))
def test_markup_in_any_order_is_read_without_an_error(text: str) -> None:
    for name in NAMES:
        for more in ("", "</think>", "<|python_tag|>", "[TOOL_CALLS]", "<tool_call>", "Action:"):
            reading = protocol(name).read(said(more + text), {"admissible_commands": ["look"]})
            assert reading.actions or reading.feedback


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
