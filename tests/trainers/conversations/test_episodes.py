"""Conversations are learned from by exact masks, in the model's own chat template, and what is odd is reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from envs import DataError, TaskError
from envs.protocols import make_protocol
from rollout import collect
from rollout.errors import ModelError
from rollout.export import export
from rollout.rendering import Renderer
from tests import tiny_models
from tests.rollout.corridor import Corridor
from trainers.conversations.episodes import conversations_of, report, with_model_tokens
from trainers.rounds import episodes_of
from trainers.supervised import IGNORED, supervised_rows, with_tokens

TALK = make_protocol("react", "Play.", Corridor.tools)


def saved(folder: Path, *rows: dict[str, Any]) -> Path:
    file = folder / "data.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def talk(*texts: str, **more: Any) -> dict[str, Any]:
    return {"conversations": [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)], **more}


@pytest.mark.parametrize("template", ["qwen2_5_training", "qwen3_training"])
def test_the_assistant_s_turns_are_learned_and_nothing_else(template: str, tmp_path: Path) -> None:
    words = tiny_models.tokenizer(template)
    row = talk("Play.", "OK.", "You see a desk 1.", "Action: look", "A mug 1.", "Action: go")
    row["conversations"][1]["loss"] = False
    (found,) = supervised_rows(
        with_model_tokens(conversations_of(saved(tmp_path, row)), words), flawless_turns_only=True
    ).rows
    learned = [id for id, label in zip(found["input_ids"], found["labels"], strict=True) if label != IGNORED]
    assert words.decode(learned) == "Action: look<|im_end|>Action: go<|im_end|>"
    whole = words.decode(found["input_ids"])
    assert whole.count("<|im_start|>assistant") == 3
    assert "OK.<|im_end|>" in whole


def test_calls_are_rendered_by_the_template_with_the_functions_of_their_row(tmp_path: Path) -> None:
    words = tiny_models.tokenizer("qwen2_5_training")
    tool = {"type": "function", "function": {"name": "walk", "description": "Walks.", "parameters": {}}}
    call = {"type": "function", "function": {"name": "walk", "arguments": {"direction": "right"}}}
    turns = [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "You are at place 1."},
        {"role": "assistant", "content": "Done."},
    ]
    made = conversations_of(saved(tmp_path, {"messages": turns, "tools": [tool]}, talk("a", "b")))
    with_tools, without = supervised_rows(with_model_tokens(made, words)).rows
    learned = words.decode([id for id in with_tools["labels"] if id != IGNORED])
    assert learned.count("<|im_end|>") == 2
    assert '<tool_call>\n{"name": "walk", "arguments": {"direction": "right"}}\n</tool_call>' in learned
    assert "place 1" not in learned
    assert "Walks." in words.decode(with_tools["input_ids"])
    assert "Walks." not in words.decode(without["input_ids"])


@pytest.mark.parametrize("protocol", ["react", "tool"])
def test_what_our_export_writes_is_learned_as_the_episodes_themselves(protocol: str, tmp_path: Path) -> None:
    words = tiny_models.tokenizer("qwen2_5_training")
    shown = collect(Corridor(), "expert", output=tmp_path / "run", protocol=protocol).trajectories
    export(tmp_path / "run", "sft", tmp_path / "data.jsonl")
    again = conversations_of(tmp_path / "data.jsonl")
    renderer = Renderer(words, Corridor().protocol(protocol).schemas)
    ours = [with_tokens(one, words, renderer) for one in shown]
    assert supervised_rows(with_model_tokens(again, words)).rows == supervised_rows(ours).rows
    assert [one.task for one in again] == [one.task for one in shown]


def test_consecutive_replies_are_one_and_conversations_without_a_prompt_are_left_out(tmp_path: Path) -> None:
    turns = [{"role": role, "content": text} for role, text in (("user", "a"), ("agent", "b"), ("agent", "c"))]
    made = conversations_of(saved(tmp_path, {"messages": turns}, {"messages": turns[1:]}))
    assert [[step.reply.content for step in one.steps] for one in made] == [["b\nc"], []]
    assert any("1 conversations have no reply" in line for line in report(made, TALK))
    with pytest.raises(DataError, match="no reply of an assistant"):
        conversations_of(saved(tmp_path, {"messages": turns[1:]}))


def test_what_is_odd_in_public_sets_is_reported(tmp_path: Path) -> None:
    rows = [
        talk("a", "Think: hm\nAct: look", "Nothing happens.", "Action: look))", "b", "Action: f(g(1))"),
        talk("a", *["Action: look", "x"] * 3, success=False),
        {"messages": [{"role": "user", "content": "a"}, {"role": "agent", "content": "I would look."}]},
    ]
    made = conversations_of(saved(tmp_path, *rows))
    lines = report(made, TALK)
    for said in (
        "3 conversations with 7 replies",
        "'agent' (1)",
        "1 turns end in a stray '))'",
        "1 replies say Think: or Act:",
        "1 replies are out of the form of --protocol react",
        "1 replies are not to the letter of --protocol react",
        "1 observations are 'Nothing happens'",
        "1 conversations say the same three times in a row",
        "1 conversations were no success; they are left out",
    ):
        assert any(said in line for line in lines), (said, lines)
    assert [step.valid for step in made[0].steps] == [True, False, True]
    found = supervised_rows(with_model_tokens(made, tiny_models.tokenizer()), flawless_turns_only=True)
    assert (len(found.rows), found.left_out) == (2, {"not a success": 1})


@pytest.mark.parametrize("id", ["valid_seen/pick/trial_T1", "standard-0001"])
def test_tasks_by_which_models_are_scored_are_refused(id: str, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="1 of 2 tasks to train on are of"):
        conversations_of(saved(tmp_path, talk("a", "b", id="mine"), talk("a", "b", id=id)))
    with pytest.raises(TaskError, match="also evaluated; the first is mine"):
        conversations_of(saved(tmp_path, talk("a", "b", id="mine")), held_out=["mine"])


def test_conversations_are_for_sft_alone(tmp_path: Path) -> None:
    file = saved(tmp_path, talk("a", "b"))
    assert len(episodes_of(file, "ALFWorld-v1", "react")) == 1
    with pytest.raises(DataError, match=r"these are no episodes of ours\. Use --algo sft, or name a run's folder"):
        episodes_of(file, "ALFWorld-v1", "react", algo="dpo")


def test_what_a_template_cannot_render_names_the_row(tmp_path: Path) -> None:
    words = tiny_models.tokenizer("qwen2_5_training")
    words = type(words)(tokenizer_object=words.backend_tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    words.chat_template = tiny_models.template("gemma")
    tool = {"name": "walk", "description": "Walks.", "parameters": {}}
    made = conversations_of(saved(tmp_path, talk("a", "b"), talk("a", "b", tools=[tool])))
    with pytest.raises(ModelError, match=r"data\.jsonl:2: the chat template"):
        with_model_tokens(made, words)
