"""The statistics of paired differences: one number a task, B minus A."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from statistics import NormalDist

import numpy as np

from eval.intervals import CONFIDENCE, Estimate, z_quantile

GRID = 1_000
"""The finest step on which differences are laid for the exact test."""


def paired_difference(differences: Sequence[float], n: int) -> Estimate:
    """The mean difference with its interval.

    The standard error is that of the paired, clustered difference (Miller 2024): the standard deviation of
    the tasks' differences over sqrt(C). The interval is Bonett and Price's adjusted Wald interval for paired
    proportions (2012), which adds one task that B wins and one that it loses:

        m' +- z * sqrt(v' / (C + 2)),  m' and v' the mean and population variance of the C + 2 differences

    so it is not empty where no task differs, and with several samples a task it is the same on the tasks' means.

    Args:
        differences: one a task, each in [-1, 1].
        n: pairs of episodes behind them.
    """
    tasks = len(differences)
    value = math.fsum(differences) / tasks
    stderr = None
    if tasks > 1:
        stderr = math.sqrt(math.fsum((d - value) ** 2 for d in differences) / (tasks - 1) / tasks)
    size = tasks + 2
    centre = math.fsum(differences) / size
    variance = (math.fsum(d * d for d in differences) + 2) / size - centre**2
    reach = z_quantile(CONFIDENCE) * math.sqrt(variance / size)
    return Estimate(value, stderr, max(-1.0, centre - reach), min(1.0, centre + reach), n, tasks, "bonett-price")


def sign_flip_test(differences: Sequence[Fraction]) -> tuple[float, float]:
    """Two-sided p-values, exact and mid-p, of the hypothesis that A and B could change places in any task.

    The distribution of the sum under all 2^C choices of signs is computed by convolution, not drawn. With one sample a
    task the differences are -1, 0 and 1, and this is McNemar's exact test: P(|2X - m| >= |b - c|), X binomial (m, 1/2)
    for m = b + c tasks that flipped. b=1, c=6: 2 (C(7,0) + C(7,1)) / 2^7 = 16/128 = 0.125.

    The exact p-value never rejects more often than its level; mid-p counts half of the sums that tie with the observed
    one, is closer to the level, and is recommended for McNemar's test by Fagerland, Lydersen and Laake (2013).

    Args:
        differences: one a task. Where their common denominator is above `GRID`, they are rounded to 1 / GRID.
    """
    unit = min(math.lcm(*(d.denominator for d in differences)), GRID) if differences else 1
    sizes = [round(abs(d) * unit) for d in differences if d]
    observed = abs(sum(round(d * unit) for d in differences))
    total = sum(sizes)
    chance = np.zeros(2 * total + 1)
    chance[total] = 1.0
    for size in sizes:
        chance = (np.roll(chance, size) + np.roll(chance, -size)) / 2
    sums = np.abs(np.arange(-total, total + 1))
    exact = float(chance[sums >= observed].sum())
    tied = float(chance[sums == observed].sum())
    # Where nothing differs there is no evidence at all, and half of a certainty would look like some.
    return min(1.0, exact), min(1.0, exact - tied / 2) if sizes else 1.0


def tasks_needed(differences: Sequence[float], power: float = 0.8, confidence: float = CONFIDENCE) -> int | None:
    """How many tasks a difference of this size would need to be found with this power; None where there is none.

    Connor 1987 for paired proportions, with the tasks' own spread for what he writes as discordance:

        ((z_{1-alpha/2} sqrt(mean d^2) + z_power sqrt(mean d^2 - (mean d)^2)) / mean d)^2

    5% of tasks lost and 15% won: mean d = 0.1, mean d^2 = 0.2: ((1.960 * 0.4472 + 0.842 * 0.4359) / 0.1)^2 = 154.2, so
    155. An approximation for large samples; the exact test wants a few more.
    """
    size = len(differences)
    value = math.fsum(differences) / size
    square = math.fsum(d * d for d in differences) / size
    if abs(value) < 1e-12:
        return None
    spread = math.sqrt(max(0.0, square - value**2))
    root = (z_quantile(confidence) * math.sqrt(square) + NormalDist().inv_cdf(power) * spread) / value
    return math.ceil(root**2)
