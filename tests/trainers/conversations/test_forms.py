"""A row is read as a conversation, whatever its data set calls roles and keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from envs.errors import DataError
from envs.protocol import Message, ToolCall
from trainers.conversations.forms import read_conversation

CALL = {"name": "take_action", "arguments": '{"action": "look"}'}


def read(row: Any) -> Any:
    return read_conversation(row, "data.jsonl:7")


def test_sharegpt_and_messages_are_the_same_conversation() -> None:
    share = {
        "conversations": [
            {"from": "human", "loss": None, "value": "Play."},
            {"from": "gpt", "loss": False, "value": "OK."},
            {"from": "human", "loss": None, "value": "You see a desk 1."},
            {"from": "gpt", "loss": True, "value": "Act: look"},
        ],
        "item_id": "pick/trial_T20190909_000000_000001",
    }
    said = [("user", "Play."), ("Agent", "OK."), ("user", "You see a desk 1."), ("assistant", "Act: look")]
    ours = {"messages": [{"role": role, "content": text} for role, text in said], "metadata": {"id": share["item_id"]}}
    ours["messages"][1]["weight"] = 0
    a, b = read(share), read(ours)
    assert a.messages == b.messages
    assert a.learned == b.learned == (True, False, True, True)
    assert a.task == b.task == share["item_id"]
    assert [message.role for message in a.messages] == ["user", "assistant", "user", "assistant"]


def test_calls_and_their_results_keep_together() -> None:
    tools = [{"name": "take_action", "parameters": {"type": "object"}}]
    openai = {
        "tools": json.dumps(tools),
        "messages": [
            {"role": "user", "content": "Go."},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "x", "type": "function", "function": CALL}]},
            {"role": "tool", "content": "You see.", "tool_call_id": "x"},
        ],
    }
    share = {
        "tools": tools,
        "conversations": [
            {"from": "human", "value": "Go."},
            {"from": "function_call", "value": json.dumps({**CALL, "arguments": {"action": "look"}})},
            {"from": "observation", "value": "You see."},
        ],
    }
    for row, id in ((openai, "x"), (share, "call00000")):
        found = read(row)
        assert found.messages[1] == Message("assistant", "", (ToolCall(id, "take_action", '{"action": "look"}'),))
        assert found.messages[2] == Message("tool", "You see.", tool_call_id=id)
        assert found.tools == ({"type": "function", "function": tools[0]},)


def test_an_observation_without_a_call_is_the_user_s() -> None:
    found = read(
        {
            "conversations": [
                {"from": "human", "value": "a"},
                {"from": "gpt", "value": "look"},
                {"from": "observation", "value": "b"},
            ]
        }
    )
    assert found.messages[2] == Message("user", "b")


def test_a_system_text_beside_the_messages_comes_first_and_one_among_them_is_the_user_s() -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]
    assert read({"system": "S", "messages": turns}).messages == (
        *(Message("system", "S"), Message("user", "a"), Message("user", "b")),
    )


def test_thoughts_in_a_key_of_their_own_and_text_in_parts_are_kept() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    said = {"role": "assistant", "content": "look", "reasoning_content": "hm"}
    found = read({"messages": [{"role": "user", "content": parts}, said]})
    assert [message.content for message in found.messages] == ["ab", "<think>\nhm\n</think>\n\nlook"]


@pytest.mark.parametrize(
    ("about", "split"),
    [
        ({"item_id": "valid_unseen/pick/trial_T1"}, "valid_unseen"),
        ({"game_file": "/d/json_2.1.1/valid_seen/pick/trial_T1/game.tw-pddl"}, "valid_seen"),
        ({"id": "standard-0033"}, "standard"),
        ({"id": "train/pick/trial_T1"}, ""),
        ({"id": 7, "split": "test"}, "test"),
        ({"trajectory": "valid_seen-tiny-0#3"}, "valid_seen"),
        ({"id": "g1-valid-counting-d1-t1-0"}, "valid"),
        ({"id": "latest"}, ""),
        ({"id": "sql-dev-guide-test-7"}, ""),
    ],
)
def test_ids_that_name_an_evaluation_split_are_seen(about: dict[str, Any], split: str) -> None:
    assert read({**about, "messages": [{"role": "user", "content": "a"}]}).split == split


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([], "the row is an empty list, not an object"),
        ({"text": "a", "label": 1}, "no key messages or conversations; the keys are: text, label"),
        ({"messages": "a"}, "messages is text, not a list of messages"),
        ({"messages": []}, "messages is an empty list, not a list of messages"),
        ({"messages": ["a"]}, r"messages\[0\] is text, not an object with role and content"),
        ({"messages": [{"content": "a"}]}, r"messages\[0\] has no key role or from; its keys are: content"),
        ({"conversations": [{"from": "narrator", "value": "a"}]}, r"conversations\[0\].from is 'narrator'.*agent"),
        ({"messages": [{"role": "user", "text": "a"}]}, r"messages\[0\] has no key content or value; .*role, text"),
        ({"messages": [{"role": "user", "content": 3}]}, r"messages\[0\].content is 3, not text"),
        ({"messages": [{"role": "gpt", "content": "a", "loss": "no"}]}, r"messages\[0\].loss is 'no', not true"),
        (
            {"messages": [{"role": "gpt", "content": "", "tool_calls": [{}]}]},
            r"messages\[0\].tool_calls\[0\] has no function",
        ),
        (
            {"conversations": [{"from": "function_call", "value": "look"}]},
            r"conversations\[0\] is no function call that can",
        ),
        ({"messages": [{"role": "user", "content": "a"}], "tools": "{"}, "tools is text that is not JSON"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_key(row: Any, said: str) -> None:
    with pytest.raises(DataError, match=f"^data.jsonl:7: {said}"):
        read(row)
