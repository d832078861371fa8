"""A forward pass over rows of unlike lengths, whose keys and values lie in slots.

Continuous batching wants, in one forward, one token of each row that is decoding and hundreds of each row that has just
got an observation. Padding them to a rectangle would waste most of the work, so the tokens of all rows are laid end to
end as one sequence: every linear layer sees exactly the tokens that are new, and only attention, which transformers
lets us supply (`AttentionInterface`), knows about rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from rollout.engines.attention import attention
from rollout.engines.cache import Cache, Chunk, Layout
from rollout.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ATTENTION = "train_agent_slots"
"""The name of our attention among those of transformers."""


def forward(model: PreTrainedModel, cache: Cache, chunks: Sequence[Chunk]) -> Tensor:
    """The logits after each chunk, (R, vocabulary) in float32; keys and values of the chunks are in `cache` after it.

    Args:
        model: a causal language model of transformers.
        chunks: those with one token first; no two of one slot.
    """
    cache.reserve(max(chunk.end for chunk in chunks))
    layout = Layout(cache, chunks, next(model.parameters()).device)
    # Not inference_mode: some rotary embeddings keep buffers of a forward pass, which a trainer could not use.
    with torch.no_grad(), _evaluating(model), _our_attention(model):
        out = model(
            input_ids=layout.ids[None],
            position_ids=layout.positions[None],
            use_cache=False,
            logits_to_keep=layout.last,
            layout=layout,
        )
    return cast(Tensor, out.logits[0].float())


@contextmanager
def _our_attention(model: torch.nn.Module) -> Iterator[None]:
    """Our attention for one forward: a trainer may own the same module and wants its own back."""
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION, attention)
    config = cast(Any, model).config.get_text_config(decoder=True)
    before = config._attn_implementation
    config._attn_implementation = ATTENTION
    try:
        yield
    finally:
        config._attn_implementation = before


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Without dropout, and then as it was."""
    training = model.training
    if training:
        model.train(False)
    try:
        yield
    finally:
        if training:
            model.train()


def certify(model: PreTrainedModel, vocabulary: int) -> int:
    """Compare a few tokens with a plain forward pass. Returns the bytes of cache that a token takes.

    A model may keep state that is not keys and values (Mamba and its like), or weigh its scores in ways of its own
    (soft caps, sinks); serving it through our attention would give wrong tokens in silence.

    Raises:
        ModelError: if the logits differ, or the model refuses our attention.
    """
    ids = [(7 + 13 * i) % vocabulary for i in range(12)]
    cache = Cache(2, len(ids))
    try:
        forward(model, cache, [Chunk(1, 0, ids[:5])])
        forward(model, cache, [Chunk(0, 0, ids[:4]), Chunk(1, 5, ids[5:11])])
        ours = forward(model, cache, [Chunk(1, 11, ids[11:]), Chunk(0, 4, ids[4:])])
        with torch.no_grad(), _evaluating(model):
            plain = model(torch.tensor([ids], device=model.device), use_cache=False).logits[0, -1]
    except (TypeError, RuntimeError, IndexError, AttributeError) as error:
        raise _unfit(model, f"it fails under our attention ({type(error).__name__}: {error})") from error
    tolerance = 1e-3 if plain.dtype == torch.float32 else 0.1
    if (wrong := (ours - plain).abs().max()) > tolerance * max(1.0, float(plain.abs().max())):
        raise _unfit(model, f"through its cache the logits differ by {float(wrong):.3g}")
    return cache.bytes_per_token()


def _unfit(model: PreTrainedModel, why: str) -> ModelError:
    return ModelError(
        f"{type(model).__name__} cannot be served by the hf engine: {why}",
        where=model.config.name_or_path or None,
        remedy="Serve it by vLLM or another server, and use the openai engine.",
    )
