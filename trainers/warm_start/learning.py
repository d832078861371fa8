"""The training loop of the warm start: rows of like length in a batch, Muon, a cosine."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainers.warm_start.lessons import Row

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_POOL = 16
"""Batches that are sorted by length together: padding is below 3%, and each batch is still of many tasks."""

_MUON = 5.0
"""Muon's learning rate, in AdamW's."""

_SMOOTH = 25
"""Updates over which loss and accuracy are reported."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands.

    Attributes:
        tokens: seen so far, without padding.
        rows: episodes seen so far.
        loss: mean cross-entropy of the expert's tokens in the last 25 updates, in nats.
        accuracy: the share of these that the model finds the likeliest.
        learning_rate: of the update.
        seconds: since the start.
    """

    tokens: int
    rows: int
    loss: float
    accuracy: float
    learning_rate: float
    seconds: float


def make_model(
    vocabulary: int, end: int, pad: int, *, hidden: int, intermediate: int, layers: int, heads: int, seed: int
) -> PreTrainedModel:
    """A Qwen3 with random weights in float32 and tied embeddings.

    Args:
        vocabulary: number of token ids.
        end: the id that ends a turn.
        pad: the id that pads.
        hidden: width, a multiple of `heads`.
        intermediate: width of the feed-forward layers.
        layers: how many.
        heads: query heads, an even number; half as many key-value heads.
        seed: of the weights.
    """
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=max(1, heads // 2),
        head_dim=hidden // heads,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        eos_token_id=end,
        pad_token_id=pad,
        bos_token_id=None,
    )
    return Qwen3ForCausalLM(config)


def train(
    model: PreTrainedModel,
    rows: Iterable[Row],
    *,
    max_tokens: int,
    batch_tokens: int,
    learning_rate: float,
    warmup_ratio: float,
    weight_decay: float,
    observation_weight: float,
    bf16: bool,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Train until `max_tokens` are seen. Returns where it ended.

    The loss is `weighted_loss`.

    Args:
        model: trained in place.
        rows: as many as are needed.
        max_tokens: without padding.
        batch_tokens: of one update, padding included, at most (a single longer row is a batch).
        learning_rate: the highest.
        warmup_ratio: share of the tokens during which it rises.
        weight_decay: of matrices.
        observation_weight: of a token that the expert did not choose; the expert's have 1.
        bf16: autocast to bfloat16.
        watch: told of every update.
    """
    import torch

    optimizers = _optimizers(model, weight_decay)
    model.train()
    begun, tokens, seen = time.monotonic(), 0, 0
    progress = Progress(0, 0, math.nan, math.nan, 0.0, 0.0)
    last: deque[tuple[float, float]] = deque(maxlen=_SMOOTH)
    for batch in batches(rows, batch_tokens):
        rate = learning_rate * schedule(tokens / max_tokens, warmup_ratio)
        for optimizer, share in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = share * rate
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss, expert_loss, accuracy = weighted_loss(model, batch, observation_weight)
        model.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
        tokens, seen = tokens + sum(len(row.ids) for row in batch), seen + len(batch)
        last.append((expert_loss, accuracy))
        recent = [sum(values) / len(last) for values in zip(*last, strict=True)]
        progress = Progress(tokens, seen, recent[0], recent[1], rate, time.monotonic() - begun)
        watch(progress)
        if tokens >= max_tokens:
            break
    model.eval()  # type: ignore[no-untyped-call]
    return progress


def schedule(done: float, warmup: float) -> float:
    """The learning rate as a share of the highest: a line up, then half a cosine down to a hundredth.

    Args:
        done: share of the training that is over, in [0, 1].
        warmup: share of it during which the rate rises.
    """
    if done < warmup:
        return max(0.01, done / warmup)
    fall = min(1.0, (done - warmup) / max(1e-9, 1 - warmup))
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fall))


def batches(rows: Iterable[Row], batch_tokens: int) -> Iterator[list[Row]]:
    """Batches of rows of like length: at most `batch_tokens` with padding, in an order that does not follow length."""
    pool: list[Row] = []
    held = 0
    for row in rows:
        pool.append(row)
        held += len(row.ids)
        if held >= _POOL * batch_tokens:
            yield from _cut(pool, batch_tokens)
            pool, held = [], 0
    yield from _cut(pool, batch_tokens)


def _cut(pool: Sequence[Row], batch_tokens: int) -> list[list[Row]]:
    found: list[list[Row]] = []
    # The longest first: a batch's first row says how wide it is.
    for row in sorted(pool, key=lambda row: -len(row.ids)):
        if found and len(found[-1][0].ids) * (len(found[-1]) + 1) <= batch_tokens:
            found[-1].append(row)
        else:
            found.append([row])
    # Every third, so that long and short batches take turns without a dice.
    return [*found[::3], *found[1::3], *found[2::3]]


def weighted_loss(
    model: PreTrainedModel, batch: Sequence[Row], observation_weight: float
) -> tuple[torch.Tensor, float, float]:
    """The weighted mean of the tokens' cross-entropies, and mean and accuracy of the expert's tokens alone.

    Args:
        model: with logits of shape `(rows, tokens, vocabulary)`.
        batch: padded on the right to its longest row.
        observation_weight: of a token that the expert did not choose; the expert's have 1, padding 0.
    """
    import torch
    from torch.nn.functional import cross_entropy

    width = max(len(row.ids) for row in batch)

    def padded(values: Iterable[Sequence[int]]) -> torch.Tensor:
        return torch.tensor([[*row, *[0] * (width - len(row))] for row in values])

    ids = padded(row.ids for row in batch)
    chosen = padded(row.chosen for row in batch)[:, 1:].bool()
    real = padded([True] * len(row.ids) for row in batch)[:, 1:].bool()
    # Padding is on the right, so causal attention never looks at it and needs no mask.
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits.float()
    losses = cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    weights = torch.where(chosen, 1.0, observation_weight) * real
    right = (logits.argmax(-1) == ids[:, 1:])[chosen]
    return (losses * weights).sum() / weights.sum(), losses[chosen].mean().item(), right.float().mean().item()


def _optimizers(model: PreTrainedModel, weight_decay: float) -> list[tuple[torch.optim.Optimizer, float]]:
    """Muon for the matrices between embedding and head, with which a model needs half of the tokens that it needs with
    AdamW; AdamW for the rest. With each, the share of the learning rate that it takes: Muon's steps are scaled to
    AdamW's (2502.16982, equation 4), and larger ones are stable."""
    import torch

    embedding = model.get_input_embeddings().weight  # and head: they are tied
    matrices = [weight for weight in model.parameters() if weight.dim() == 2 and weight is not embedding]
    others = [weight for weight in model.parameters() if weight.dim() != 2 or weight is embedding]
    muon = torch.optim.Muon(matrices, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    return [(muon, _MUON), (adamw, 1.0)]
