"""Drawing tokens from logits: many rows at once, each by its own rules and its own seed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rollout.engine import Sampling

MASK = (1 << 64) - 1


def uniform(seed: int, index: int) -> float:
    """The number in [0, 1) for the `index`-th token of a request: a function of the two and of nothing else.

    It is the finalizer of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"),
    once over the seed and once more over seed and index.
    """
    return (_mix(_mix(seed & MASK) + index * 0x9E3779B97F4A7C15) >> 11) * 2.0**-53


def _mix(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def draw(logits: Tensor, samplings: Sequence[Sampling], uniforms: Sequence[float]) -> tuple[list[int], list[float]]:
    """One token a row, and the natural log of the probability by which it was drawn.

    Sampling inverts the cumulative distribution at one number a row, so a row's token does not depend on the rows
    beside it. Temperature is applied first, then top-k, then top-p, as transformers does. A greedy row's probability is
    that of temperature 1 over the whole vocabulary.

    Args:
        logits: (R, V), float32.
        samplings, uniforms: R each.

    Raises:
        FloatingPointError: if logits are NaN.
    """
    device = logits.device
    logprobs = log_probabilities(logits, samplings)
    greedy = [sampling.temperature == 0 for sampling in samplings]
    if all(greedy):
        chosen = logits.argmax(dim=-1)
    else:
        # In float64: the sum over 150,000 tokens would else be wrong by more than the rare ones are likely.
        cumulative = logprobs.exp().cumsum(dim=-1, dtype=torch.float64)
        target = torch.tensor(uniforms, dtype=torch.float64, device=device)[:, None] * cumulative[:, -1:]
        chosen = torch.searchsorted(cumulative, target, right=True)[:, 0].clamp_(max=logits.shape[1] - 1)
        if any(greedy):
            chosen = torch.where(torch.tensor(greedy, device=device), logits.argmax(dim=-1), chosen)
    drawn: list[float] = logprobs.gather(1, chosen[:, None])[:, 0].tolist()
    if any(math.isnan(logprob) for logprob in drawn):
        raise FloatingPointError("the logits are not numbers: the model has diverged")
    return chosen.tolist(), drawn


def log_probabilities(logits: Tensor, samplings: Sequence[Sampling]) -> Tensor:
    """(R, V), float32: the natural log of the distributions that rows are drawn from, after temperature, top-k and
    top-p, normalised; minus infinity for what cannot be drawn. Greedy rows as at temperature 1, without truncation.

    Args:
        logits: (R, V), float32.
        samplings: R.
    """
    temperatures = [sampling.temperature or 1.0 for sampling in samplings]
    if any(temperature != 1.0 for temperature in temperatures):
        logits = logits / torch.tensor(temperatures, device=logits.device)[:, None]
    logprobs = torch.log_softmax(logits, dim=-1)
    cut = [row for row, s in enumerate(samplings) if s.temperature > 0 and (s.top_k > 0 or s.top_p < 1)]
    if cut:
        kept = _truncated(logprobs[cut].exp(), [samplings[row] for row in cut])
        logprobs[cut] = torch.log_softmax(logprobs[cut].masked_fill(kept == 0, -math.inf), dim=-1)
    return logprobs


def _truncated(probabilities: Tensor, samplings: Sequence[Sampling]) -> Tensor:
    """Zero outside the top-k, and then outside the nucleus of what is left; not normalised."""
    device, size = probabilities.device, probabilities.shape[1]
    ordered, order = probabilities.sort(dim=-1, descending=True)
    top_k = torch.tensor([s.top_k or size for s in samplings], device=device)[:, None]
    ordered = ordered.masked_fill(torch.arange(size, device=device) >= top_k, 0.0)
    ordered = ordered / ordered.sum(dim=-1, keepdim=True)
    top_p = torch.tensor([s.top_p for s in samplings], device=device)[:, None]
    # A token is in the nucleus if those before it do not fill it: the most likely one always is.
    ordered = ordered.masked_fill(ordered.cumsum(dim=-1) - ordered >= top_p, 0.0)
    return torch.zeros_like(probabilities).scatter_(1, order, ordered)
