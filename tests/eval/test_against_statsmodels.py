"""The statistics against scipy and statsmodels, where they happen to be installed."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from eval.intervals import rate, t_quantile, wilson
from eval.pairing import paired_difference, sign_flip_test, tasks_needed

stats: Any = pytest.importorskip("scipy.stats")
proportion: Any = pytest.importorskip("statsmodels.stats.proportion")
tables: Any = pytest.importorskip("statsmodels.stats.contingency_tables")
linear: Any = pytest.importorskip("statsmodels.api")


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 29, 133, 299, 5000])
def test_t_quantiles_are_scipys(freedom: int) -> None:
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


@pytest.mark.parametrize(("solved", "n"), [(0, 10), (1, 10), (97, 134), (140, 140), (150, 300)])
def test_wilson_is_statsmodels(solved: int, n: int) -> None:
    assert wilson(solved / n, n) == pytest.approx(proportion.proportion_confint(solved, n, method="wilson"))


@pytest.mark.parametrize(("b", "c"), [(0, 0), (0, 5), (3, 3), (4, 15), (30, 12)])
def test_mcnemar_is_statsmodels(b: int, c: int) -> None:
    exact, _ = sign_flip_test([Fraction(-1)] * b + [Fraction(1)] * c)
    assert exact == pytest.approx(tables.mcnemar([[50, b], [c, 50]], exact=True).pvalue)


def test_the_sign_flip_test_is_scipys_exact_permutation_test() -> None:
    quarters = [3, -1, 2, 0, 4, 1, -2, 2, 1, 3]
    found = stats.permutation_test(
        ([q / 4 for q in quarters],), sum, permutation_type="samples", n_resamples=10**6, alternative="two-sided"
    )
    assert sign_flip_test([Fraction(q, 4) for q in quarters])[0] == pytest.approx(found.pvalue)


def test_the_clustered_standard_error_is_that_of_a_regression_on_a_constant() -> None:
    samples = [[1, 1, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 0]]
    flat = [x for task in samples for x in task]
    groups = [task for task, values in enumerate(samples) for _ in values]
    # "use_correction" multiplies by C/(C-1) * (N-1)/(N-1): ours exactly.
    fit = linear.OLS(flat, [1.0] * len(flat)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True}
    )
    assert rate([sum(task) / 4 for task in samples], 24).stderr == pytest.approx(fit.bse[0])


def test_the_paired_standard_error_is_that_of_a_paired_t_test() -> None:
    a, b = [0.25, 0.5, 0, 1, 0.75, 0.25], [0.5, 0.5, 0.25, 1, 1, 0.75]
    found = stats.ttest_rel(b, a)
    ours = paired_difference([y - x for x, y in zip(a, b, strict=True)], 24)
    assert ours.stderr == pytest.approx(ours.value / found.statistic)


def test_the_tasks_needed_are_near_those_of_a_paired_t_test() -> None:
    power: Any = pytest.importorskip("statsmodels.stats.power")
    differences = [-1] * 5 + [1] * 15 + [0] * 80
    spread = (0.2 - 0.1**2) ** 0.5
    expected = power.TTestPower().solve_power(effect_size=0.1 / spread, alpha=0.05, power=0.8)
    assert tasks_needed(differences) == pytest.approx(expected, rel=0.05)
