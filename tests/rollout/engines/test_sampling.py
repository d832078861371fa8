"""Drawing tokens: the right distribution, by one number a token."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from rollout.engine import Sampling
from rollout.engines.sampling import draw, uniform
from rollout.errors import ModelError

rules = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 1.7]),
    top_p=st.sampled_from([0.05, 0.5, 0.9, 1.0]),
    top_k=st.sampled_from([0, 1, 3, 50]),
)


def distribution(logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """What transformers would sample from."""
    scores = TemperatureLogitsWarper(sampling.temperature)(None, logits[None])
    if sampling.top_k:
        scores = TopKLogitsWarper(sampling.top_k)(None, scores)
    if sampling.top_p < 1:
        scores = TopPLogitsWarper(sampling.top_p)(None, scores)
    return scores.softmax(-1)[0]


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(rules, st.floats(0, 1, exclude_max=True)), min_size=1, max_size=5), seed=st.integers(0, 99)
)
def test_the_drawn_token_is_where_the_number_falls_in_the_distribution(
    rows: list[tuple[Sampling, float]], seed: int
) -> None:
    logits = torch.randn(len(rows), 40, generator=torch.Generator().manual_seed(seed)) * 3
    tokens, logprobs = draw(logits, [rule for rule, _ in rows], [number for _, number in rows])
    for row, (rule, number) in enumerate(rows):
        if rule.temperature == 0:
            assert tokens[row] == logits[row].argmax()
            assert logprobs[row] == pytest.approx(logits[row].log_softmax(-1)[tokens[row]].item(), abs=1e-5)
            continue
        drawn_from = distribution(logits[row], rule)
        assert logprobs[row] == pytest.approx(drawn_from[tokens[row]].log().item(), abs=1e-5)
        expected = drawn_from.double().cumsum(-1)
        below = expected[tokens[row] - 1] if tokens[row] else 0.0
        assert below - 1e-5 <= number <= expected[tokens[row]] + 1e-5
        assert expected[tokens[row]] > below


@given(seed=st.integers(), index=st.integers(0, 10_000))
def test_a_number_depends_on_the_seed_and_the_index_alone(seed: int, index: int) -> None:
    assert 0 <= uniform(seed, index) < 1
    assert uniform(seed, index) == uniform(seed, index)
    assert uniform(seed, index) != uniform(seed, index + 1)


def test_the_numbers_are_uniform_and_independent_over_seeds_and_indices() -> None:
    numbers = torch.tensor([[uniform(seed, index) for index in range(100)] for seed in range(300)])
    # The means of 30,000, 300 and 100 uniform numbers, six standard errors wide.
    assert abs(numbers.mean() - 0.5) < 6 * (1 / 12 / 30_000) ** 0.5
    assert (numbers.mean(0) - 0.5).abs().max() < 6 * (1 / 12 / 300) ** 0.5
    assert (numbers.mean(1) - 0.5).abs().max() < 6 * (1 / 12 / 100) ** 0.5
    shifted = torch.corrcoef(torch.stack([numbers[:-1].flatten(), numbers[1:].flatten()]))[0, 1]
    assert abs(shifted) < 6 / 30_000**0.5


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -1.0},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"top_p": math.nan},
        {"top_k": -1},
        {"max_new_tokens": 0},
    ],
)
def test_a_sampling_without_meaning_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ModelError, match="there is no such sampling"):
        Sampling(**options)  # type: ignore[arg-type]
