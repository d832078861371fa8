"""What every engine in this process knows of token ids: which end a completion, and which prompts can be served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rollout.engine import ContextOverflow, EngineError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|endoftext|>")
"""Tokens that end a turn in the common chat templates; a tokenizer often declares only one of them."""


def stop_tokens(declared: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that end a completion: the generation config's, the tokenizer's, and the usual ends of a turn.

    Args:
        declared: the generation config's `eos_token_id`: a number, several, or None.
        tokenizer: the model's.
    """
    found = set(declared) if isinstance(declared, (list, tuple)) else {declared}
    vocabulary = tokenizer.get_added_vocab()
    found |= {tokenizer.eos_token_id} | {vocabulary.get(token) for token in TURN_ENDS}
    return frozenset(found - {None})


def check_prompt(ids: Sequence[int], vocabulary: int, max_length: int) -> None:
    """See to it that a prompt can be served.

    Raises:
        ContextOverflow: if it leaves no room for a token.
        EngineError: if it is empty, or of numbers that are no token ids.
    """
    if len(ids) >= max_length:
        raise ContextOverflow(f"a prompt of {len(ids)} tokens leaves no room within {max_length}")
    if not ids or min(ids) < 0 or max(ids) >= vocabulary:
        raise EngineError(f"a prompt must be of token ids from 0 to {vocabulary - 1}, and not empty")
