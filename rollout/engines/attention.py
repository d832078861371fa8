"""Attention from each row's new tokens to its slot.

On a CPU each row attends by itself, straight from its slot: decoding is bound by reading keys and values from memory,
and a padded batch would read, copy and mask more of it. On an accelerator launches are what costs, so rows are padded
to two rectangles: those with one token, and the others.
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from rollout.engines.cache import Chunk, Layout

_FOREIGN = ("softcap", "s_aux", "position_bias")
"""What some models add to their scores (Gemma 2, gpt-oss, T5's kin) and we do not."""


def attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    layout: Layout | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of all rows, in the form that transformers asks for.

    Args:
        query: (1, heads, N, head size); `key` and `value` with the key-value heads.
        layout: of this forward, handed down by the model.

    Returns:
        (1, N, heads, head size), and no weights.

    Raises:
        TypeError: if the model hands down no layout, or asks for scores that are not plain products.
    """
    if layout is None:
        raise TypeError(f"{type(module).__name__} is not given the keyword arguments of the model's forward")
    if foreign := [name for name in _FOREIGN if kwargs.get(name) is not None]:
        raise TypeError(f"{type(module).__name__} asks for {foreign[0]}")
    keys, values = layout.cache.write(cast(int, module.layer_idx), key, value, layout)
    by = by_row if query.device.type == "cpu" else by_rectangle
    return by(query, keys, values, layout, scaling, sliding_window)[None], None


def by_row(
    query: Tensor, keys: Tensor, values: Tensor, layout: Layout, scaling: float | None, window: int | None
) -> Tensor:
    """Each row by itself, from views of its slot. Returns (N, heads, head size)."""
    heads, kv_heads = query.shape[1], keys.shape[1]
    # The query heads that share a key-value head become its queries: no copy of keys and values for them.
    repeats = heads // kv_heads

    def masks() -> list[Tensor | None]:
        return [_mask(chunk, window, repeats, query) for chunk in layout.chunks]

    outputs = []
    if simple := _leading_simple(layout, window, query):
        outputs.append(_decode(query[0, :, :simple].transpose(0, 1), keys, values, layout, scaling))
    per_row: list[Tensor | None] = layout.cached(("rows", window, repeats), masks)
    rows = list(zip(layout.chunks, layout.spans, per_row, strict=True))
    for chunk, (begin, end), mask in rows[simple:]:
        slot, upto = chunk.slot, chunk.end
        out = scaled_dot_product_attention(
            query[:, :, begin:end].reshape(1, kv_heads, repeats * (end - begin), -1),
            keys[slot : slot + 1, :, :upto],
            values[slot : slot + 1, :, :upto],
            attn_mask=mask,
            scale=scaling,
        )
        outputs.append(out.reshape(heads, end - begin, -1).transpose(0, 1))
    return torch.cat(outputs)


def _leading_simple(layout: Layout, window: int | None, query: Tensor) -> int:
    """How many rows, from the first, add one token that sees its whole row, in float32."""
    if query.dtype != torch.float32:
        return 0
    seen = (len(chunk.ids) == 1 and (window is None or chunk.end <= window) for chunk in layout.chunks)
    return next((place for place, simple in enumerate(seen) if not simple), len(layout.chunks))


def _decode(query: Tensor, keys: Tensor, values: Tensor, layout: Layout, scaling: float | None) -> Tensor:
    """One token a row, (R, heads, head size) in and out, by plain products.

    For two or four queries the fused kernel takes 1.7 times as long as these three calls, and this is where the time
    goes when decoding small models.
    """
    rows, heads, size = query.shape
    scaled = query * (size**-0.5 if scaling is None else scaling)
    grouped = scaled.reshape(rows, keys.shape[1], -1, size).unbind(0)
    all_keys, all_values = keys.unbind(0), values.unbind(0)
    outputs = []
    for row, chunk in zip(grouped, layout.chunks, strict=False):
        scores = torch.bmm(row, all_keys[chunk.slot].narrow(1, 0, chunk.end).mT)
        outputs.append(torch.bmm(torch.softmax(scores, -1), all_values[chunk.slot].narrow(1, 0, chunk.end)))
    return torch.stack(outputs).view(rows, heads, -1)


def _mask(chunk: Chunk, window: int | None, repeats: int, like: Tensor) -> Tensor | None:
    """(repeats x tokens, length), added to the scores; None where a lone last token sees everything."""
    if len(chunk.ids) == 1 and (window is None or chunk.end <= window):
        return None
    query = torch.arange(chunk.start, chunk.end, device=like.device)[:, None]
    return _additive(query, chunk.end, window, like).repeat(repeats, 1)


def _additive(query: Tensor, length: int, window: int | None, like: Tensor) -> Tensor:
    """0 where a query's position (..., 1) may look at a key's position, else minus infinity: (..., length)."""
    key = torch.arange(length, device=like.device)
    hidden = key > query
    if window is not None:
        hidden |= key <= query - window
    # Adding floats is twice as fast as a mask of booleans, which the kernel would turn into them in each layer.
    return torch.zeros(hidden.shape, dtype=like.dtype, device=like.device).masked_fill_(hidden, float("-inf"))


def by_rectangle(
    query: Tensor, keys: Tensor, values: Tensor, layout: Layout, scaling: float | None, window: int | None
) -> Tensor:
    """Rows with one token in one padded batch, the others in another. Returns (N, heads, head size)."""
    heads, kv_heads = query.shape[1], keys.shape[1]
    repeats = heads // kv_heads
    single = sum(len(chunk.ids) == 1 for chunk in layout.chunks)
    outputs = []
    for begin, end in ((0, single), (single, len(layout.chunks))):
        if begin == end:
            continue
        rectangle = layout.cached(("rectangle", begin), partial(Rectangle, layout, begin, end))
        mask = layout.cached(("mask", begin, window, repeats), partial(rectangle.mask, window, repeats, query))
        grouped = query[0][:, rectangle.tokens].transpose(0, 1).reshape(end - begin, kv_heads, -1, query.shape[3])
        near = slice(0, rectangle.length)
        out = scaled_dot_product_attention(
            grouped, keys[rectangle.slots, :, near], values[rectangle.slots, :, near], attn_mask=mask, scale=scaling
        )
        out = out.reshape(end - begin, heads, rectangle.tokens.shape[1], -1).transpose(1, 2)
        outputs.append(out[rectangle.real])
    return torch.cat(outputs)


class Rectangle:
    """The rows `begin` to `end` of a layout, padded to the longest chunk: each by repeating its last token.

    Attributes:
        tokens: (rows, width), places among the N tokens.
        real: (rows, width), False where padded.
        slots: (rows,).
        length: of the longest row's keys.
    """

    def __init__(self, layout: Layout, begin: int, end: int) -> None:
        device = layout.ids.device
        spans = torch.tensor(layout.spans[begin:end], device=device)
        width = max(len(chunk.ids) for chunk in layout.chunks[begin:end])
        places = spans[:, :1] + torch.arange(width, device=device)
        self.real = places < spans[:, 1:]
        self.tokens = torch.minimum(places, spans[:, 1:] - 1)
        self.slots = torch.tensor([chunk.slot for chunk in layout.chunks[begin:end]], device=device)
        self.length = max(chunk.end for chunk in layout.chunks[begin:end])
        self._positions = layout.positions[self.tokens]

    def mask(self, window: int | None, repeats: int, like: Tensor) -> Tensor:
        """(rows, 1, repeats x width, length), added to the scores."""
        mask = _additive(self._positions[:, :, None], self.length, window, like)
        return mask.repeat(1, repeats, 1)[:, None]
