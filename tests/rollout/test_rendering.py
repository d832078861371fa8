"""The renderer: prompts that grow by exactly what was sampled and what the template puts in between."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import tiny_models
import trl
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from envs.protocol import Message, ToolCall
from rollout.errors import ModelError
from rollout.loading import keep_history
from rollout.rendering import Renderer

TEMPLATES = sorted(path.stem for path in (Path(trl.__file__).parent / "chat_templates").glob("*.jinja"))
SCHEMAS = [
    {
        "type": "function",
        "function": {
            "name": "step",
            "description": "Acts.",
            "parameters": {
                "type": "object",
                "properties": {"action": {"type": "string", "description": "What to do."}},
                "required": ["action"],
            },
        },
    }
]
# Those that take images want content in blocks, and those that drop every thought cannot keep one in the history.
REFUSED = {
    *("deepseek_r1_distill", "deepseekv3", "deepseekv3_training", "glm4moe", "glm4moe_training"),
    *("idefics3", "idefics3_training", "llava_next", "llava_next_training", "smolvlm", "smolvlm_training"),
    *("lfm2_2_5", "lfm2_2_5_v2", "lfm2_2_5_vl"),
    *(f"nemotron_3_{kind}{end}" for kind in ("5_lightning", "nano", "super", "ultra") for end in ("", "_training")),
    *("qwen3", "qwen3_5_nothink", "qwen3_5_think", "qwen3_6"),
}


def with_template(name: str) -> PreTrainedTokenizerFast:
    """The tiny tokenizer with a template, and the template's markup as special tokens."""
    tokenizer = copy.deepcopy(tiny_models.tokenizer())
    tokenizer.chat_template = tiny_models.template(name)
    markup = set(re.findall(r"<[|｜]?[^<>\s'\"/]{2,40}[|｜]>|<\w+_of_turn>", tokenizer.chat_template))
    tokenizer.add_special_tokens({"bos_token": "<bos>", "additional_special_tokens": sorted(markup)})
    return tokenizer


words = st.text(alphabet="abcdefg hij.,\n", min_size=1, max_size=20).map(lambda text: f"w{text}w")


@pytest.mark.parametrize("name", sorted(set(TEMPLATES) - REFUSED))
@settings(max_examples=15, deadline=None)
@given(said=st.lists(st.tuples(words, words), min_size=1, max_size=4))
def test_what_is_appended_makes_the_conversation_as_the_template_renders_it(
    name: str, said: list[tuple[str, str]]
) -> None:
    tokenizer = with_template(name)
    renderer = Renderer(tokenizer)
    conversation = [Message("user", "Begin.")]
    ids = renderer.open(conversation)
    for reply, answer in said:
        # What the model would sample to say this, as the template shows it in a history.
        conversation += [Message("assistant", reply), Message("user", answer)]
        whole = renderer.open(conversation)
        between = renderer.extend((), [Message("user", answer)])
        assert whole[-len(between) :] == between
        sampled = whole[len(ids) : -len(between)] + between[:1]
        extension = renderer.extend(sampled, [Message("user", answer)])
        if whole[: len(ids)] == ids:  # unless the start of a reply shows more than its history: "<think>\n"
            ids = [*ids, *sampled, *(extension if sampled[-1] in renderer.stop_ids else between[1:])]
            assert ids == whole
        ids = whole


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_template_that_rewrites_history_is_refused_with_a_remedy(name: str) -> None:
    with pytest.raises(ModelError, match=r"chat template (rewrites history|refuses)"):
        Renderer(with_template(name))


def test_stock_qwen3_becomes_acceptable_by_the_training_variant() -> None:
    tokenizer = with_template("qwen3")
    with pytest.raises(ModelError, match="load_model"):
        Renderer(tokenizer)
    keep_history(tokenizer)
    assert Renderer(tokenizer).stop_ids == {tokenizer.convert_tokens_to_ids("<|im_end|>")}


def test_a_turn_that_was_cut_is_ended_by_the_template(tokenizer: PreTrainedTokenizerFast) -> None:
    renderer = Renderer(tokenizer)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    spoken = tokenizer.encode("go to shelf 1")
    whole, cut = (renderer.extend(sampled, [Message("user", "ok")]) for sampled in ([*spoken, end], spoken))
    assert cut == [end, *whole]
    assert tokenizer.decode(cut) == "<|im_end|>\n<|im_start|>user\nok<|im_end|>\n<|im_start|>assistant\n"
    # Another token that ends a text is not the end of a turn.
    assert renderer.extend([*spoken, tokenizer.pad_token_id], [Message("user", "ok")]) == cut


def test_the_text_of_a_completion_has_no_stop_token(tokenizer: PreTrainedTokenizerFast) -> None:
    renderer = Renderer(tokenizer)
    ids = tokenizer.encode("<think>\nhm\n</think>\n\ngo<|im_end|>")
    assert renderer.decode(ids) == "<think>\nhm\n</think>\n\ngo"
    assert renderer.decode(ids[:-1]) == renderer.decode(ids)
    assert renderer.decode(()) == ""


def test_thinking_can_be_switched_off(tokenizer: PreTrainedTokenizerFast) -> None:
    renderer = Renderer(tokenizer, enable_thinking=False)
    shown = [Message("user", "ok")]
    assert tokenizer.decode(renderer.open(shown)).endswith("assistant\n<think>\n\n</think>\n\n")
    assert tokenizer.decode(renderer.extend((), shown)).endswith("assistant\n<think>\n\n</think>\n\n")


@pytest.mark.parametrize("name", ["qwen3_training", "qwen2_5", "qwen3_instruct_2507", "llama3_1", "qwen3_6_training"])
def test_consecutive_results_of_functions_are_appended_as_the_template_renders_them(name: str) -> None:
    tokenizer = with_template(name)
    renderer = Renderer(tokenizer, SCHEMAS)
    calls = tuple(ToolCall(f"call0000{i}", "step", '{"action": "look"}') for i in range(2))
    results = [Message("tool", f"You see {i}.", tool_call_id=call.id) for i, call in enumerate(calls)]
    if name == "llama3_1":  # one call at a time
        calls, results = calls[:1], results[:1]
    opening = [Message("system", "Play."), Message("user", "Begin.")]
    start = renderer.open(opening)
    whole = renderer.open([*opening, Message("assistant", "", calls), *results])
    between = renderer.extend((), results)
    assert whole[: len(start)] == start
    assert whole[-len(between) :] == between
    assert between[0] in renderer.stop_ids
    said = tokenizer.decode(whole[len(start) : -len(between)])
    assert said.count('"look"') + said.count("\nlook\n") == len(calls)
    assert "You see" not in said


def test_badly_written_arguments_stay_the_text_they_were(tokenizer: PreTrainedTokenizerFast) -> None:
    renderer = Renderer(tokenizer, SCHEMAS)
    call = ToolCall("call00000", "step", '{"action": loo')
    ids = renderer.open([Message("user", "Begin."), Message("assistant", "", (call,))])
    assert '{"action": loo' in tokenizer.decode(ids)


def test_a_template_without_functions_is_refused_for_a_protocol_that_needs_them() -> None:
    with pytest.raises(ModelError, match="function calls"):
        Renderer(with_template("phi3"), SCHEMAS)
    with pytest.raises(ModelError, match="refuses messages of user, assistant, tool"):
        Renderer(with_template("gemma"), SCHEMAS)


def test_a_tokenizer_without_a_template_is_refused_with_a_remedy(tokenizer: PreTrainedTokenizerFast) -> None:
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = None
    with pytest.raises(ModelError, match=r"no chat template.*instruct model"):
        Renderer(bare)
