"""Rows that are filled up on the right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from envs.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def padding_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """What fills up rows, the end of a turn where there is no token for it: it is never trained.

    Raises:
        DataError: if the tokenizer has neither.
    """
    found = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    if found is None:
        raise DataError(
            "the tokenizer has no token to pad with and none that ends a turn",
            where=tokenizer.name_or_path or None,
            remedy="Set eos_token and pad_token in its tokenizer_config.json.",
        )
    return int(found)


@contextmanager
def causal_alone(model: Any) -> Iterator[None]:
    """Inside, the model is called without its attention mask: no token looks at what is right of it, padding included,
    so the mask only keeps attention from its fast causal kernels (about a third of the time of an update on a CPU).

    Not so for a mixture of experts that balances its load by the mask.

    Args:
        model: called with rows padded on the right only.
    """

    def drop(module: Any, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if options.get("output_router_logits"):
            return args, options
        return args, {**options, "attention_mask": None}

    hook = model.register_forward_pre_hook(drop, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()
