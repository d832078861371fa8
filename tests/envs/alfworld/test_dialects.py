"""A game is played by our rules only if its domain and its grammar are known to the letter."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from envs.alfworld.dialects import DIALECTS, FINGERPRINTS, ForeignGameError, fingerprint, recognise, split_task
from envs.alfworld.domain import DOMAIN, grammar


def test_our_own_texts_are_recognised() -> None:
    print_ = fingerprint(DOMAIN, grammar("look at the fingerprint"))
    assert FINGERPRINTS.get(print_) == "generated", f"domain.py has changed: its fingerprint is now {print_}"


def test_every_dialect_is_reached_by_a_fingerprint() -> None:
    assert set(FINGERPRINTS.values()) == set(DIALECTS)


def test_the_wheels_own_texts_are_recognised() -> None:
    spec = find_spec("alfworld")
    if spec is None or spec.origin is None:
        pytest.skip("alfworld is not installed (the `alfworld` extra)")
    data = Path(spec.origin).parent / "data"
    wheel = recognise((data / "alfred.pddl").read_text(), (data / "alfred.twl2").read_text())
    assert wheel.name == "wheel"


def test_the_task_and_the_layout_of_the_domain_do_not_count() -> None:
    first = fingerprint(DOMAIN, grammar("put a mug in desk"))
    assert first == fingerprint(
        "; a comment\n" + DOMAIN.upper().replace("\n", "\r\n  "), grammar("put two mug in desk")
    )


@pytest.mark.parametrize("phrase", ["nothing special", "In it, you see", "go to {r}", ", and "])
def test_any_other_wording_is_another_dialect(phrase: str) -> None:
    changed = grammar("put a mug in desk").replace(phrase, phrase + " ")
    assert changed != grammar("put a mug in desk")
    with pytest.raises(ForeignGameError, match="fingerprint"):
        recognise(DOMAIN, changed)


def test_the_task_sentence_is_cut_out_and_its_escapes_are_read() -> None:
    sentence, rest = split_task('{"task": [{"rhs": "Your task is to: eat the cr\\u00e8me."}]}')
    assert sentence == "Your task is to: eat the crème."
    assert rest == '{"task": [{"rhs": ""}]}'
