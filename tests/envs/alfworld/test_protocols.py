"""The editions of others, rule by rule."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs import DataError, Tool
from envs.alfworld.protocols import AgentBenchFC, AgentBenchV02, VerlAgent
from envs.alfworld.snapping import bleu, snap
from envs.protocol import Exchange, Message, ToolCall

INFO = {"admissible_commands": ["go to desk 1", "go to desk 2", "help", "look", "take pen 1 from desk 1"]}
ACT = Tool("take_action", "Take an action.", "action", "{}")


def said(text: str) -> Message:
    return Message("assistant", text)


def called(arguments: str) -> Message:
    return Message("assistant", "", (ToolCall("c1", "take_action", arguments),))


def test_bleu_by_hand() -> None:
    # "go to desk" against "go to desk 1": 3/3, 2/2, 1/1 match; no 4-gram: ln 3 / (2 * 5); brevity exp(1 - 4/3).
    by_hand = math.exp(1 - 4 / 3) * math.exp(0.25 * math.log(math.log(3) / 10))
    assert bleu(["go", "to", "desk", "1"], ["go", "to", "desk"]) == pytest.approx(by_hand)
    assert bleu(["look"], ["help"]) == 0
    assert bleu(["look"], []) == 0


words = st.lists(st.sampled_from(["go", "to", "desk", "1", "2", "take", "from"]), max_size=9)


@given(words.filter(bool), words.filter(bool))
def test_bleu_is_nltk_s(reference: list[str], hypothesis: list[str]) -> None:
    scorer = pytest.importorskip("nltk.translate.bleu_score", reason="NLTK is not installed")
    smoothing = scorer.SmoothingFunction().method4
    assert bleu(reference, hypothesis) == pytest.approx(
        scorer.sentence_bleu([reference], hypothesis, smoothing_function=smoothing)
    )


@pytest.mark.parametrize(
    ("action", "played"),
    [
        ("look", "look"),
        (" LOOK \nand more", "look"),
        ("go to the desk 2", "go to desk 2"),
        ("take pen from desk 1", "take pen 1 from desk 1"),
        ("dance", "dance"),
        ("", ""),
    ],
)
def test_an_action_is_snapped_to_the_nearest_command(action: str, played: str) -> None:
    assert snap(action, INFO["admissible_commands"]) == played


def test_v02_reads_what_follows_action_and_ends_without_it() -> None:
    protocol = AgentBenchV02()
    assert protocol.read(said("THOUGHT: hm\n ACTION: go to the desk 1\n"), INFO).actions == ("go to desk 1",)
    reading = protocol.read(said("go to desk 1"), INFO)
    assert (reading.actions, reading.end, reading.valid) == ((), True, False)
    assert protocol.read(protocol.write("look", "hm"), INFO).actions == ("look",)


def test_three_equal_turns_in_a_row_end_the_episode_from_the_fourth_on() -> None:
    protocol = AgentBenchV02()
    same = said("ACTION: look")
    assert not protocol.read(same, INFO, [same, same]).end
    assert protocol.read(same, INFO, [said("ACTION: help"), same, same]).end
    assert not protocol.read(same, INFO, [same, same, said("ACTION: help")]).end
    tools = AgentBenchFC([ACT])
    call = called('{"action": "look"}')
    assert tools.read(call, INFO, [call, call, call]).end
    assert not tools.read(call, INFO, [said("no call"), call, call]).end


@pytest.mark.parametrize(
    ("message", "feedback"),
    [
        (said("look"), "No executable tool calls found"),
        (called("{bad"), "No valid tool calls found"),
        (called("{}"), "No valid tool calls found"),
        (called('{"action": 3}'), "No valid tool calls found"),
    ],
)
def test_fc_tells_of_a_bad_call_and_goes_on(message: Message, feedback: str) -> None:
    protocol = AgentBenchFC([ACT])
    reading = protocol.read(message, INFO)
    assert feedback in reading.feedback
    assert (reading.actions, reading.end) == ((), False)
    assert [shown.role for shown in protocol.show(message, [reading.feedback], INFO)] == ["user"]


def test_fc_takes_the_first_argument_whatever_its_name() -> None:
    protocol = AgentBenchFC([ACT])
    message = called(json.dumps({"command": "go to the desk 1"}))
    assert protocol.read(message, INFO).actions == ("go to desk 1",)
    (shown,) = protocol.show(message, ["You arrive at loc 7. On the desk 1, you see nothing."], INFO)
    assert shown.content.startswith("On the desk 1, you see nothing. AVAILABLE ACTIONS: go to desk 1\n")
    assert (shown.role, shown.tool_call_id) == ("tool", "c1")


@pytest.mark.parametrize(
    ("text", "action", "valid"),
    [
        ("<think>hm</think><action> Look </action>", "look", True),
        ("<action>look</action>", "look", False),
        ("<think>嗯</think><action>look</action>", "look", False),
        ("I would like to go to the desk number 1 now", "ke to go to the desk number 1 now"[-30:], False),
    ],
)
def test_verl_agent_reads_between_tags(text: str, action: str, valid: bool) -> None:
    reading = VerlAgent().read(said(text), INFO)
    assert (reading.actions, reading.valid) == ((action,), valid)


@pytest.mark.parametrize("text", ["**Action:** look", "action: look", "Action: look", "<think>\nhm\n</think>\n\nlook"])
def test_v02_forgives_nothing(text: str) -> None:
    reading = AgentBenchV02().read(said(text), INFO)
    assert (reading.actions, reading.end, reading.valid) == ((), True, False)


def test_fc_reads_calls_where_a_template_puts_them_and_nowhere_else() -> None:
    call = '{"name": "take_action", "parameters": {"action": "look"}}'
    assert AgentBenchFC([ACT]).read(said(call), INFO).actions == ("look",)
    assert AgentBenchFC([ACT]).read(said(f"I look.\n```json\n{call}\n```"), INFO).actions == ()


@pytest.mark.parametrize(
    "text", ["<think>hm</think><action>`look`</action>", "<think>hm</think><action>look.</action>"]
)
def test_verl_agent_forgives_nothing(text: str) -> None:
    reading = VerlAgent().read(said(text), INFO)
    assert reading.actions[0] not in INFO["admissible_commands"]
    assert reading.forgiven == ()


def test_verl_agent_tells_the_last_two_turns() -> None:
    first = "-= Welcome =-\n\nYou are in a room.\n\nYour task is to: look at pen 1.\n"
    past = [Exchange(first, "look"), Exchange("B", "go to desk 1"), Exchange("C", "help")]
    (message,) = VerlAgent().show(said(""), ["D"], INFO, past)
    assert "Your task is to: look at pen 1.\n" in message.content
    assert "[Observation 2: 'B', Action 2: 'go to desk 1']\n[Observation 3: 'C', Action 3: 'help']" in message.content
    assert "Observation 1" not in message.content
    assert "'help'\n" not in message.content.partition("possible now")[2]


def test_the_original_text_is_read_from_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTBENCH_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"task\.py: cannot be read .*Let AGENTBENCH_HOME name a checkout, or unset it"):
        AgentBenchV02()
    file = tmp_path / "src/server/tasks/alfworld/task.py"
    file.parent.mkdir(parents=True)
    file.write_text("class A:\n    @staticmethod\n    def get_task_instruction():\n        return 'Theirs.'\n")
    assert AgentBenchV02().instructions == "Theirs."
    assert AgentBenchV02().source == "AgentBench v0.2"
    file.write_text("x = 1\n")
    with pytest.raises(DataError, match="holds no text 'get_task_instruction'"):
        AgentBenchV02()
