"""Means, rates and intervals against brute force."""

from __future__ import annotations

import math
import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.intervals import Estimate, macro, mean, rate, ratio, t_quantile, wilson, z_quantile


@pytest.mark.parametrize(("n", "solved"), [(10, 0), (10, 8), (10, 10), (134, 97), (3, 1)])
def test_wilson_is_the_set_of_rates_that_a_score_test_does_not_reject(n: int, solved: int) -> None:
    z = z_quantile()
    kept = [
        p / 10**5
        for p in range(1, 10**5)
        if abs(solved / n - p / 10**5) <= z * math.sqrt(p / 10**5 * (1 - p / 10**5) / n)
    ]
    low, high = wilson(solved / n, n)
    assert low == pytest.approx(kept[0], abs=2e-5)
    assert high == pytest.approx(kept[-1], abs=2e-5)


def test_wilson_covers_the_truth_about_as_often_as_it_says() -> None:
    # Every outcome of 50 tasks is enumerated, so this is the coverage itself and not a simulation of it.
    n, rates = 50, [p / 200 for p in range(10, 191)]
    intervals = [wilson(k / n, n) for k in range(n + 1)]
    covered = [
        sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k, (low, high) in enumerate(intervals) if low <= p <= high)
        for p in rates
    ]
    assert sum(covered) / len(covered) == pytest.approx(0.95, abs=0.005)
    assert min(covered) > 0.91


# Student's table, two-sided 5%: any textbook.
@pytest.mark.parametrize(
    ("freedom", "table"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (10, 2.228), (30, 2.042), (120, 1.980)],
)
def test_the_t_quantiles_are_those_of_the_table(freedom: int, table: float) -> None:
    assert t_quantile(freedom) == pytest.approx(table, abs=5e-4)


def test_the_t_quantile_falls_to_the_normal_one_without_a_jump() -> None:
    quantiles = [t_quantile(freedom) for freedom in (5, 50, 500, 5_000, 20_000, 20_001)]
    assert quantiles == sorted(quantiles, reverse=True)
    assert quantiles[-2] == pytest.approx(quantiles[-1], abs=1.5e-4)


def test_one_sample_a_task_gives_the_plain_wilson_interval_and_the_stderr_of_lm_eval() -> None:
    # 3 of 4: sd with n-1 is sqrt(4 * 3/16 / 3) = 0.5, over sqrt(4) 0.25.
    found = rate([1, 1, 1, 0], 4)
    assert (found.value, found.stderr) == (0.75, pytest.approx(0.25))
    assert (found.low, found.high) == wilson(0.75, 4)


def clustered_by_hand(samples: list[list[int]]) -> float:
    """Miller 2024, as printed: a sum over every pair of samples of a task, then C / (C - 1)."""
    flat = [x for task in samples for x in task]
    middle = sum(flat) / len(flat)
    pairs = sum((x - middle) * (y - middle) for task in samples for x, y in product(task, task))
    return math.sqrt(pairs * len(samples) / (len(samples) - 1)) / len(flat)


@given(
    st.integers(1, 5).flatmap(
        lambda k: st.lists(st.lists(st.integers(0, 1), min_size=k, max_size=k), min_size=2, max_size=9)
    )
)
def test_the_standard_error_is_the_clustered_one(samples: list[list[int]]) -> None:
    found = rate([sum(task) / len(task) for task in samples], sum(map(len, samples)))
    assert found.stderr == pytest.approx(clustered_by_hand(samples), abs=1e-7)


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 8)), min_size=1, max_size=30))
def test_a_rate_lies_within_its_interval_and_the_interval_within_0_and_1(counts: list[tuple[int, int]]) -> None:
    found = rate([min(c, n) / n for c, n in counts], sum(n for _, n in counts))
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1
    assert found.low < found.high


def test_eight_samples_of_one_task_say_less_than_eight_tasks() -> None:
    alike = rate([1.0, 0.0] * 10, 160)
    apart = rate([1.0, 0.0] * 80, 160)
    single = rate([1.0, 0.0] * 10, 20)
    assert apart.high - apart.low < alike.high - alike.low  # type: ignore[operator]
    assert alike.high - alike.low == pytest.approx(single.high - single.low, abs=0.02)  # type: ignore[operator]


def test_where_all_samples_agree_each_task_counts_once() -> None:
    found = rate([1.0] * 20, 80)
    assert found.high == 1
    assert found.stderr == 0
    assert wilson(1, 18)[0] < found.low < wilson(1, 20)[0]  # type: ignore[operator]


def test_one_task_says_nothing_about_the_others() -> None:
    found = rate([0.5], 8)
    assert found.stderr is None
    assert found.high - found.low > 0.85  # type: ignore[operator]
    assert mean([3.0], 8).low is None
    assert ratio([3], [8]).stderr is None


@pytest.mark.parametrize(("alpha", "beta", "tasks", "samples"), [(0.5, 0.5, 30, 4), (4, 2, 30, 4), (1, 3, 134, 3)])
def test_the_clustered_interval_covers_the_truth(alpha: float, beta: float, tasks: int, samples: int) -> None:
    # Tasks differ in difficulty (a beta distribution), samples of a task are alike: what an average benchmark does.
    draw, truth, hits, runs = random.Random(0), alpha / (alpha + beta), 0, 600
    for _ in range(runs):
        hard = [draw.betavariate(alpha, beta) for _ in range(tasks)]
        found = rate([sum(draw.random() < p for _ in range(samples)) / samples for p in hard], tasks * samples)
        hits += found.low <= truth <= found.high  # type: ignore[operator]
    assert 0.925 < hits / runs < 0.975  # 0.95 +- 2.8 standard errors of the simulation


def test_a_ratio_is_the_total_and_its_error_that_of_a_jackknife() -> None:
    parts, wholes = [1, 0, 4, 2, 0, 3, 1, 0, 0, 2], [10, 8, 12, 20, 5, 11, 9, 30, 7, 14]
    found = ratio(parts, wholes)
    assert found.value == pytest.approx(13 / 126)
    left = [(13 - p) / (126 - w) for p, w in zip(parts, wholes, strict=True)]
    middle = sum(left) / 10
    jackknife = math.sqrt(0.9 * sum((x - middle) ** 2 for x in left))
    assert found.stderr == pytest.approx(jackknife, rel=0.15)
    assert found.n == 126


def test_a_rate_per_turn_of_0_is_not_known_to_be_0() -> None:
    found = ratio([0] * 20, [10] * 20)
    assert (found.value, found.low) == (0, 0)
    assert wilson(0, 200)[1] < wilson(0, 20)[1] < found.high < 0.2  # type: ignore[operator]


def test_a_mean_without_spread_has_no_interval() -> None:
    found = mean([50.0] * 20, 20)
    assert (found.value, found.stderr, found.low, found.high) == (50, 0, None, None)


def test_the_interval_of_a_rate_per_turn_covers_the_truth() -> None:
    draw, hits, runs = random.Random(6), 0, 1000
    for _ in range(runs):
        turns = [draw.randint(3, 30) for _ in range(60)]
        parts = [sum(draw.random() < p for _ in range(n)) for n in turns for p in [draw.betavariate(1, 19)]]
        found = ratio(parts, turns)
        hits += found.low <= 0.05 <= found.high  # type: ignore[operator]
    assert 0.93 < hits / runs < 0.97


def test_a_ratio_of_equal_wholes_has_the_error_of_a_mean() -> None:
    found = ratio([1, 0, 3, 2], [4, 4, 4, 4])
    assert found.stderr == pytest.approx(rate([0.25, 0, 0.75, 0.5], 16).stderr)


def test_the_macro_mean_weighs_small_and_large_parts_the_same() -> None:
    parts = [rate([1] * 9 + [0], 10), rate([0, 1], 2)]
    found = macro(parts)
    assert found.value == pytest.approx((0.9 + 0.5) / 2)
    # sqrt(0.1^2 + 0.5^2) / 2: the parts' standard errors are sqrt(.09 / 9) and sqrt(.25 / 1).
    assert found.stderr == pytest.approx(math.sqrt(0.1**2 + 0.5**2) / 2)
    assert found.low < found.value < found.high  # type: ignore[operator]


def test_the_macro_mean_of_one_part_is_that_part() -> None:
    part = rate([1] * 9 + [0], 10)
    found = macro([part])
    assert (found.low, found.high) == (pytest.approx(part.low), pytest.approx(part.high))


def test_the_macro_interval_covers_the_truth() -> None:
    draw, sizes, truths, hits, runs = random.Random(1), (35, 13, 27), (0.9, 0.5, 0.97), 0, 1000
    for _ in range(runs):
        found = macro(
            [rate([float(draw.random() < p) for _ in range(n)], n) for n, p in zip(sizes, truths, strict=True)]
        )
        hits += found.low <= sum(truths) / 3 <= found.high  # type: ignore[operator]
    assert 0.93 < hits / runs < 0.98


@given(st.builds(Estimate, *[st.floats(0, 1)] * 4, st.integers(1), st.integers(1), st.text()))
def test_an_estimate_survives_json(found: Estimate) -> None:
    assert Estimate.from_dict(found.to_dict()) == found


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_the_interval_of_a_mean_ends_where_its_numbers_do(values: list[float]) -> None:
    found = mean(values, len(values), least=0.0, most=1.0)
    assert found.low is None or 0.0 <= found.low <= found.value + 1e-9
    assert found.high is None or found.value - 1e-9 <= found.high <= 1.0


def test_tokens_a_turn_are_not_negative() -> None:
    found = ratio([0.0, 0.0, 900.0], [1.0, 1.0, 1.0], bounded=False)
    assert found.low == 0.0
