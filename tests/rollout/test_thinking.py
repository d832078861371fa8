"""Hybrid thinkers, and templates without a system role: episodes as the model sees them, token by token."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import tiny_models
from transformers import PreTrainedTokenizerFast

from envs.protocol import Message
from eval.episode import Episode
from rollout import Completion, ModelPolicy, Sampling, Trajectory, collect
from rollout.errors import ModelError
from rollout.rendering import Renderer, renderers
from tests.rollout.corridor import Corridor
from trainers.supervised import IGNORED, supervised_rows

QWEN = """
{%- if messages[0].role == 'system' %}{{ '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{% endif %}
{%- for m in messages if m.role != 'system' %}
{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}
{%- if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"""
ALWAYS = QWEN.partition("{%- if enable_thinking")[0] + "{{ '<think>\n' }}{% endif %}"
GEMMA = """{{ bos_token }}
{%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for m in messages %}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}
{{- '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + m.content | trim + '<end_of_turn>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"""
LLAMA = """{{ bos_token }}{{ '<|start_header_id|>system<|end_header_id|>\n\n' }}
{%- if messages[0].role == 'system' %}{{ messages[0].content }}{% endif %}
{%- for tool in tools or [] %}{{ '\n' + tool | tojson }}{% endfor %}{{ '<|eot_id|>' }}
{%- for m in messages if m.role != 'system' %}
{{- '<|start_header_id|>' + ('ipython' if m.role == 'tool' else m.role) + '<|end_header_id|>\n\n' }}
{%- if m.tool_calls %}
{%- if m.tool_calls | length != 1 %}{{ raise_exception('One call at a time') }}{% endif %}
{%- set call = m.tool_calls[0].function %}
{{- '{"name": "' + call.name + '", "parameters": ' + call.arguments | tojson + '}' }}
{%- else %}{{ m.content }}{% endif %}{{ '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"""

THINKING = "<think>\nThe goal is to the right.\n</think>\n\n"
REACT = "Thought: on\nAction: right"


class Says:
    """An engine that says the same at every turn."""

    capacity, max_length, version = 4, 4096, 0

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = tuple(ids)

    async def generate(self, episode: str, prompt_ids: Sequence[int], sampling: Sampling, seed: int) -> Completion:
        return Completion(self.ids, (-1.0,) * len(self.ids), "stop")

    async def release(self, episode: str) -> None: ...

    async def close(self) -> None: ...


def with_template(template: str) -> PreTrainedTokenizerFast:
    words = copy.deepcopy(tiny_models.tokenizer())
    words.chat_template = template
    markup = set(re.findall(r"<\|\w+\|>|<\w+_of_turn>", template)) - {"<|im_start|>", "<|im_end|>"}
    words.add_special_tokens({"bos_token": "<bos>", "additional_special_tokens": sorted(markup)})
    return words


def played(
    words: PreTrainedTokenizerFast, said: str, folder: Path, protocol: str = "react", thinks: bool | None = None
) -> list[Trajectory]:
    """Episodes in which the model says the same until it is there."""
    (end,) = Renderer(words).stop_ids
    engine = Says([*words.encode(said, add_special_tokens=False), end])
    policy = ModelPolicy(engine, renderers(words, thinks), Sampling(), name="says", enable_thinking=thinks)
    return list(collect(Corridor(), policy, output=folder, protocol=protocol).trajectories)


@pytest.mark.parametrize(
    ("template", "said", "thinks"),
    [
        (QWEN, THINKING + REACT, None),
        (QWEN, THINKING + REACT, True),
        (QWEN, REACT, False),
        (QWEN, "<think>\n\n</think>\n\n" + REACT, False),
        (ALWAYS, THINKING.removeprefix("<think>\n") + REACT, None),
        (tiny_models.template("qwen3_training"), THINKING + REACT, None),
        (tiny_models.template("qwen3_training"), REACT, False),
    ],
)
def test_a_thinker_s_turns_are_valid_and_its_tokens_stay_as_sampled(
    template: str, said: str, thinks: bool | None, tmp_path: Path
) -> None:
    words = with_template(template)
    for one in played(words, said, tmp_path, thinks=thinks):
        assert one.success
        assert all(step.valid and not step.forgiven and step.actions == ("right",) for step in one.steps)
        prompts = list(one.prompts())
        for (before, after), step in zip(pairwise(prompts), one.steps, strict=False):
            assert step.tokens is not None
            assert after[: len(before) + len(step.tokens.completion_ids)] == (*before, *step.tokens.completion_ids)
        opened = words.decode(prompts[-1]).endswith("<think>\n\n</think>\n\n")
        assert opened is (thinks is False)
        assert one.lineage["policy"].get("enable_thinking") is thinks
        (row,) = supervised_rows([one]).rows
        learned = [label for label in row["labels"] if label != IGNORED]
        assert learned == [id for step in one.steps if step.tokens for id in step.tokens.completion_ids]


def test_an_unknown_enable_thinking_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    words = with_template(LLAMA)
    renderers(words, True)
    assert "no enable_thinking" in caplog.text
    shown = [Message("user", "ok")]
    assert Renderer(words, enable_thinking=True).open(shown) == Renderer(words).open(shown)


@pytest.mark.parametrize("template", [GEMMA, tiny_models.template("gemma")])
def test_a_template_without_a_system_role_gets_its_text_in_the_first_user_turn(template: str, tmp_path: Path) -> None:
    words = with_template(template)
    for one in played(words, REACT, tmp_path):
        assert one.success
        first, *_ = one.prompts()
        assert one.steps[0].messages[0].role == "system"
        text = words.decode(first)
        assert one.steps[0].messages[0].content in text
        assert text.count("<start_of_turn>user") == 1


def test_consecutive_messages_of_the_user_are_one_where_roles_must_alternate() -> None:
    words = with_template(GEMMA)
    said = Renderer(words).open([Message("system", "A."), Message("user", "B."), Message("user", "C.")])
    assert words.decode(said) == "<bos><start_of_turn>user\nA.\n\nB.\n\nC.<end_of_turn>\n<start_of_turn>model\n"
    apart = Renderer(with_template(QWEN)).open([Message("user", "B."), Message("user", "C.")])
    assert with_template(QWEN).decode(apart).count("user") == 2


def test_a_system_text_that_a_template_drops_is_folded_too() -> None:
    words = with_template(QWEN.replace("messages[0].content", "''"))
    assert "Play." in words.decode(Renderer(words).open([Message("system", "Play."), Message("user", "B.")]))


def test_calls_are_played_on_a_template_like_llama_s(tmp_path: Path) -> None:
    call = '{"name": "walk", "parameters": {"direction": "right"}}'
    for said in (call, f"<|python_tag|>{call}"):
        for one in played(with_template(LLAMA), said, tmp_path / str(len(said)), "tool"):
            assert one.success
            assert all(step.valid for step in one.steps)


def test_a_template_without_functions_is_refused_before_anything_is_played(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"refuses messages of .*Choose another protocol"):
        played(with_template(GEMMA), "x", tmp_path, "tool")
    assert not list(tmp_path.glob("episodes/*"))


def test_what_was_forgiven_is_counted_beside_the_score(tmp_path: Path) -> None:
    for one in played(with_template(QWEN), "**Action:** `right`", tmp_path):
        assert one.success
        assert {step.forgiven for step in one.steps} == {("label", "quotes")}
        row = Episode.of(one)
        assert (row.forgiven, row.invalid) == (len(one.steps), 0)
