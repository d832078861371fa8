"""Rows padded on the right need a token to fill up with, and no attention mask."""

from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from envs.errors import DataError
from tests import tiny_models
from trainers.padding import causal_alone, padding_token


def test_the_padding_token_may_be_the_end_but_there_must_be_one() -> None:
    words = tiny_models.tokenizer()
    assert padding_token(words) == words.pad_token_id
    bare = PreTrainedTokenizerFast(tokenizer_object=words._tokenizer, eos_token="<|im_end|>")
    assert padding_token(bare) == words.eos_token_id
    with pytest.raises(DataError, match=r"tokenizer_config\.json"):
        padding_token(PreTrainedTokenizerFast(tokenizer_object=words._tokenizer))


def test_without_the_mask_right_padded_rows_give_the_same_and_left_padded_ones_would_not() -> None:
    model = tiny_models.model(layers=2)
    right, left = torch.tensor([[10, 20, 30, 0, 0]]), torch.tensor([[0, 0, 10, 20, 30]])
    with torch.no_grad():
        alone = model(input_ids=right[:, :3]).logits
        with causal_alone(model):
            found = model(input_ids=right, attention_mask=(right > 0).long()).logits[:, :3]
            wrong = model(input_ids=left, attention_mask=(left > 0).long()).logits[:, 2:]
        after = model(input_ids=left, attention_mask=(left > 0).long()).logits[:, 2:]
    torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(after, alone, rtol=1e-4, atol=1e-4)
    assert (wrong - alone).abs().max() > 0.01
