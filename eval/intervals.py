"""Means and rates with their uncertainty. Tasks are what is drawn at random, so tasks are what is counted.

Every function takes one number a task: the mean of the task's samples. Tasks weigh the same, however many of their
samples were scored. With equally many samples a task, the standard error of the mean of these numbers is the clustered
standard error of Miller 2024 ("Adding Error Bars to Evals"), clusters being tasks, times the small-sample
correction sqrt(C / (C - 1)) for C tasks:

    Miller:  1/n * sqrt(sum over tasks of (sum of its samples' deviations)^2)

With one sample a task it is the sample standard deviation over sqrt(n), the `stderr` of lm-eval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its uncertainty.

    Attributes:
        value: the estimate.
        stderr: its standard error over tasks; None where one task says nothing about others.
        low: lower end of the 95% interval; None where one task, or no spread at all, gives none.
        high: upper end.
        n: what it was measured on: episodes, or turns where it is a rate per turn.
        tasks: how many tasks these belong to.
        method: how the interval was made.
    """

    value: float
    stderr: float | None
    low: float | None
    high: float | None
    n: int
    tasks: int
    method: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Estimate:
        """The inverse of `to_dict`."""
        return cls(**plain)


def rate(values: Sequence[float], n: int) -> Estimate:
    """A proportion, from each task's proportion in [0, 1].

    One sample a task: Wilson's score interval. Several: Wilson's interval on the effective number of samples (Korn and
    Graubard 1998; recommended for clustered proportions by Dean and Pagano 2015),

        n_eff = n * v_srs / v_clustered * (t_{n-1} / t_{C-1})^2,    v_srs = p (1 - p) / (n - 1)

    which is never more than n, stays within [0, 1], and reduces to n where every task has one sample. Where all samples
    agree the variance cannot be seen and each task counts once.

    Args:
        values: one a task.
        n: samples of all tasks together, at least one a task.
    """
    tasks, value, stderr = len(values), _mean(values), _stderr(values)
    low, high = wilson(value, float(n) if n == tasks else _effective(value, stderr, n, tasks))
    method = "wilson" if n == tasks else "wilson, effective n over tasks"
    return Estimate(value, stderr, low, high, n, tasks, method)


def mean(values: Sequence[float], n: int, *, least: float = -math.inf, most: float = math.inf) -> Estimate:
    """A mean, from each task's mean: Student's t over tasks, cut off where the numbers themselves end.

    Args:
        values: one a task.
        n: samples of all tasks together.
        least: what no value can be below, such as 0 for a number of turns.
        most: what no value can be above.
    """
    tasks, value, stderr = len(values), _mean(values), _stderr(values)
    if not stderr:  # one task, or no two that differ: there is no spread to tell an interval by
        return Estimate(value, stderr, None, None, n, tasks, "none")
    reach = t_quantile(tasks - 1) * stderr
    return Estimate(value, stderr, max(least, value - reach), min(most, value + reach), n, tasks, "t over tasks")


def ratio(parts: Sequence[float], wholes: Sequence[float], *, bounded: bool = True) -> Estimate:
    """A rate per turn, such as invalid replies a turn: the sum of the parts over the sum of the wholes.

    The standard error is that of a ratio of totals over tasks, by linearisation (Cochran 1977, "Sampling Techniques"):

        sqrt(C / (C - 1) * sum (part - ratio * whole)^2) / sum whole

    Args:
        parts: one a task.
        wholes: one a task, at least one of them above 0; parts and wholes are not negative.
        bounded: whether the ratio lies in [0, 1]; then the interval is Wilson's on the effective number of turns.
    """
    tasks, total = len(wholes), sum(wholes)
    value = sum(parts) / total
    if tasks < 2:
        return Estimate(value, None, None, None, int(total), tasks, "none")
    squares = sum((part - value * whole) ** 2 for part, whole in zip(parts, wholes, strict=True))
    stderr = math.sqrt(tasks / (tasks - 1) * squares) / total
    if bounded:
        low, high = wilson(value, _effective(value, stderr, int(total), tasks))
        return Estimate(value, stderr, low, high, int(total), tasks, "wilson, effective n over tasks")
    reach = t_quantile(tasks - 1) * stderr
    return Estimate(value, stderr, max(0.0, value - reach), value + reach, int(total), tasks, "t over tasks, ratio")


def macro(parts: Sequence[Estimate]) -> Estimate:
    """The plain mean of rates of disjoint sets of tasks, each weighing the same.

    The interval recovers variances from the parts' own limits (MOVER, Zou and Donner 2008), so that it stays within
    [0, 1] and is not empty at the ends: low = m - sqrt(sum (p - low_p)^2) / K, and likewise above.
    """
    size = len(parts)
    value = math.fsum(part.value for part in parts) / size
    errors = [part.stderr for part in parts]
    stderr = None if None in errors else math.sqrt(sum(e * e for e in errors if e is not None)) / size
    below = math.sqrt(sum((part.value - (part.low or 0.0)) ** 2 for part in parts)) / size
    above = math.sqrt(sum(((1.0 if part.high is None else part.high) - part.value) ** 2 for part in parts)) / size
    n, tasks = sum(part.n for part in parts), sum(part.tasks for part in parts)
    return Estimate(value, stderr, value - below, value + above, n, tasks, "mover")


def wilson(value: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval (Wilson 1927) for a proportion `value` of `n` draws: the rates that a score test of
    this size does not reject. 8 of 10: 0.490 to 0.943; 0 of 10: 0 to 0.278."""
    z2 = z_quantile(confidence) ** 2
    centre = (value + z2 / (2 * n)) / (1 + z2 / n)
    reach = math.sqrt(z2 * (value * (1 - value) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # At 0 and 1 the limit is the value itself, which rounding would miss by 1e-17.
    return (0.0 if value == 0 else max(0.0, centre - reach)), (1.0 if value == 1 else min(1.0, centre + reach))


def z_quantile(confidence: float = CONFIDENCE) -> float:
    """The two-sided normal quantile: 1.96 at 0.95."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


@cache
def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Student's two-sided quantile for whole degrees of freedom: 12.706 for 1 and 2.228 for 10 at 0.95.

    By bisection of the closed forms of Abramowitz and Stegun (26.7.3 and 26.7.4) in the angle whose tangent is
    t / sqrt(freedom).
    """
    if freedom > 20_000:  # less than 1e-4 from the normal's
        return z_quantile(confidence)
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _inside(middle, freedom) < confidence else (low, middle)
    return math.tan(low) * math.sqrt(freedom)


def _inside(angle: float, freedom: int) -> float:
    """P(|T| <= sqrt(freedom) * tan(angle))."""
    cosine = math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0 if freedom == 1 else term
    for k in range(2 + odd, freedom - 1, 2):
        term *= (k - 1) / k * cosine * cosine
        total += term
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total


def _effective(value: float, stderr: float | None, n: int, tasks: int) -> float:
    """How many independent draws say as much about a proportion as these n, which come in tasks (see `rate`)."""
    if stderr is None:
        return 1.0
    spread = value * (1 - value)
    if spread < 1e-12:
        effective = float(tasks)
    else:
        # n * v_srs / v_clustered; C / (C - 1) in place of n / (n - 1) makes singletons come out as n.
        effective = min(float(n), spread * tasks / (tasks - 1) / stderr**2) if stderr > 0 else float(n)
    return effective * (t_quantile(n - 1) / t_quantile(tasks - 1)) ** 2 if n > 1 else effective


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _stderr(values: Sequence[float]) -> float | None:
    size = len(values)
    if size < 2:
        return None
    middle = _mean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (size - 1) / size)
