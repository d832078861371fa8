"""Token ids as strings, with a real byte-level tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.view import token_strings

tokenizers = pytest.importorskip("tokenizers")


class ByteLevel:
    """The tokenizers library behind the two methods of a `transformers` tokenizer."""

    def __init__(self) -> None:
        self.inner = tokenizers.Tokenizer(tokenizers.models.BPE())
        self.inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        self.inner.decoder = tokenizers.decoders.ByteLevel()
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=320, initial_alphabet=alphabet, special_tokens=["<|im_end|>"], show_progress=False
        )
        self.inner.train_from_iterator(["go to the fridge, take the mug from the fridge"] * 4, trainer)

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        return str(self.inner.decode(list(token_ids), skip_special_tokens=skip_special_tokens))

    def convert_ids_to_tokens(self, ids: int) -> str | None:
        return self.inner.id_to_token(ids)  # type: ignore[no-any-return]


TOKENIZER = ByteLevel()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd"), max_size=30))
def test_the_strings_together_are_the_decoded_text(text: str) -> None:
    ids = TOKENIZER.inner.encode(text).ids
    strings = token_strings(TOKENIZER)(ids)
    assert len(strings) == len(ids)
    assert "".join(strings) == text


def test_a_character_of_several_tokens_is_shown_at_its_last() -> None:
    ids = TOKENIZER.inner.encode("🥔").ids
    assert len(ids) == 4
    assert token_strings(TOKENIZER)(ids) == ["", "", "", "🥔"]


def test_a_broken_character_is_shown_as_broken() -> None:
    ids = TOKENIZER.inner.encode("🥔").ids
    assert token_strings(TOKENIZER)([*ids[:2], *TOKENIZER.inner.encode("go").ids])[0] == "\ufffd"


def test_special_tokens_are_shown() -> None:
    assert token_strings(TOKENIZER)([TOKENIZER.inner.token_to_id("<|im_end|>")]) == ["<|im_end|>"]
