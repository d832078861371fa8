"""Template and environment told apart in a prompt."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from eval.view.sources import EARLIER, ENVIRONMENT, TEMPLATE, runs


def pieces(text: str) -> list[str]:
    return re.findall(r"<\|\w+\|>| ?\w+|[^\w]", text)


def test_contents_are_the_environments_and_the_rest_is_the_templates() -> None:
    prompt = "<|start|>system\nBe brief.<|end|>\n<|start|>user\nYou see a mug.<|end|>\n<|start|>assistant\n"
    found = runs(pieces(prompt), [(ENVIRONMENT, "Be brief."), (ENVIRONMENT, "You see a mug.")])
    assert [(run.source, run.text) for run in found] == [
        (TEMPLATE, "<|start|>system\n"),
        (ENVIRONMENT, "Be brief."),
        (TEMPLATE, "<|end|>\n<|start|>user\n"),
        (ENVIRONMENT, "You see a mug."),
        (TEMPLATE, "<|end|>\n<|start|>assistant\n"),
    ]


def test_a_template_that_strips_contents_is_recognised() -> None:
    found = runs(pieces("<|start|>user\nYou win.<|end|>"), [(ENVIRONMENT, "\n  You win. \n")])
    assert [run.text for run in found if run.source == ENVIRONMENT] == ["You win."]


def test_a_content_that_stands_twice_is_found_where_it_was_said_last() -> None:
    prompt = "<|start|>system\nAnswer Ok or No.<|end|><|start|>user\nOk<|end|>"
    found = runs(pieces(prompt), [(ENVIRONMENT, "Ok")])
    assert [run.text for run in found] == ["<|start|>system\nAnswer Ok or No.<|end|><|start|>user\n", "Ok", "<|end|>"]


def test_a_content_that_a_window_has_dropped_changes_nothing() -> None:
    found = runs(pieces("<|start|>user\nlook<|end|>"), [(ENVIRONMENT, "gone"), (EARLIER, "go"), (ENVIRONMENT, "look")])
    assert [(run.source, run.text) for run in found][1] == (ENVIRONMENT, "look")
    assert EARLIER not in {run.source for run in found}


def test_earlier_replies_of_a_window_are_kept_apart() -> None:
    prompt = "<|s|>user\nA<|e|><|s|>assistant\ngo<|e|><|s|>user\nB<|e|><|s|>assistant\n"
    found = runs(pieces(prompt), [(ENVIRONMENT, "A"), (EARLIER, "go"), (ENVIRONMENT, "B")])
    assert [(run.source, run.text) for run in found if run.source] == [(1, "A"), (2, "go"), (1, "B")]


def test_a_token_that_shares_a_content_and_the_template_is_the_environments() -> None:
    found = runs(["<s>", "You wi", "n.</s>"], [(ENVIRONMENT, "You win.")])
    assert [(run.source, run.tokens) for run in found] == [(TEMPLATE, 1), (ENVIRONMENT, 2)]


def test_a_token_without_characters_belongs_to_what_it_stands_in() -> None:
    found = runs(["<s>", "caf", "", "é", "</s>"], [(ENVIRONMENT, "café")])
    assert [(run.source, run.tokens) for run in found] == [(TEMPLATE, 1), (ENVIRONMENT, 3), (TEMPLATE, 1)]


texts = st.text(alphabet="ab <|>\n", max_size=8)


@given(st.lists(texts, max_size=12), st.lists(st.tuples(st.sampled_from([1, 2]), texts), max_size=5))
def test_no_token_and_no_character_is_lost(strings: list[str], contents: list[tuple[int, str]]) -> None:
    found = runs(strings, contents)
    assert "".join(run.text for run in found) == "".join(strings)
    assert sum(run.tokens for run in found) == len(strings)
    assert all(one.source != other.source for one, other in pairwise(found))


@given(st.lists(st.text(alphabet="abc ", min_size=1, max_size=8).map(str.strip).filter(bool), min_size=1, max_size=5))
def test_every_content_laid_out_by_a_template_is_found(contents: list[str]) -> None:
    prompt = "".join(f"<|s|>\n{content}<|e|>\n" for content in contents)
    found = runs(pieces(prompt), [(ENVIRONMENT, content) for content in contents])
    assert [run.text for run in found if run.source == ENVIRONMENT] == contents
