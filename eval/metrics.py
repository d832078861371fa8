"""From episodes to a summary: success, pass@k, steps, form, tokens, and what failed outside the model."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import comb
from typing import Any

from eval.episode import Episode
from eval.intervals import Estimate, macro, mean, rate, ratio


@dataclass(frozen=True, slots=True)
class Summary:
    """The statistics of one scored set of episodes. None stands where nothing was measured.

    Attributes:
        episodes: all of them: scored + failed + cancelled.
        scored: those that say something about the model.
        cancelled: stopped with the run.
        failures: how many failed outside the model, by class.
        success: rate over the scored episodes: failures left out.
        success_failures_as_0: the same with each failure counted as unsolved: the lower bound.
        by_type: success by the benchmark's type of task.
        by_family: success by family of types, such as SELECT, INSERT and UPDATE.
        macro: the plain mean of `by_family`.
        pass_at: by k: the chance that at least one of k samples solves the task (Chen et al. 2021).
        pass_hat: by k: the chance that all k samples do (pass^k, Yao et al. 2024).
        score: mean score.
        steps: mean turns an episode.
        steps_solved: the same over solved episodes.
        invalid: rate of replies out of form, a turn.
        forgiven: rate of replies that were not to the letter of the form but read all the same, a turn.
        inadmissible: rate of inadmissible actions, over turns in which the environment lists what is admissible.
        completion_tokens: sampled tokens an episode.
        completion_tokens_per_turn: the same a turn.
        prompt_tokens: prompt tokens an episode.
        seconds: wall clock an episode.
        stopped: rate of turns in which the environment stopped what the model had it do (`Episode.stopped`).
        unsupported: rate of turns in which the environment met what the benchmark can do and it cannot, over the turns
            of episodes whose environment says so. The score counts them like any other turn.
    """

    episodes: int
    scored: int
    cancelled: int
    failures: dict[str, int]
    success: Estimate | None
    success_failures_as_0: Estimate | None
    by_type: dict[str, Estimate]
    by_family: dict[str, Estimate]
    macro: Estimate | None
    pass_at: dict[int, Estimate]
    pass_hat: dict[int, Estimate]
    score: Estimate | None
    steps: Estimate | None
    steps_solved: Estimate | None
    invalid: Estimate | None
    inadmissible: Estimate | None
    completion_tokens: Estimate | None
    completion_tokens_per_turn: Estimate | None
    prompt_tokens: Estimate | None
    seconds: Estimate | None
    unsupported: Estimate | None = None
    stopped: Estimate | None = None
    forgiven: Estimate | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: each estimate with `value`, `stderr` and `n`, as lm-eval's results have them."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Summary:
        """The inverse of `to_dict`."""
        values: dict[str, Any] = {}
        for key, value in plain.items():
            if key in ("pass_at", "pass_hat"):
                values[key] = {int(k): Estimate.from_dict(item) for k, item in value.items()}
            elif key in ("by_type", "by_family"):
                values[key] = {name: Estimate.from_dict(item) for name, item in value.items()}
            else:
                values[key] = Estimate.from_dict(value) if isinstance(value, dict) and "value" in value else value
        values["failures"] = {str(kind): int(count) for kind, count in plain["failures"].items()}
        return cls(**values)


def summarise(episodes: Iterable[Episode], family: Callable[[str], str] = str) -> Summary:
    """The statistics of a set of episodes.

    Args:
        episodes: each (task, sample) once.
        family: of a type of task; `macro` is the mean over families. DB-Bench v0.2's overall score takes everything
            that is neither INSERT nor UPDATE as SELECT.

    Raises:
        ValueError: if a sample of a task is there twice.
    """
    rows = list(episodes)
    twice = [key for key, count in Counter((row.task, row.sample) for row in rows).items() if count > 1]
    if twice:
        task, sample = twice[0]
        raise ValueError(f"{len(twice)} samples are there more than once, such as sample {sample} of {task}")
    scored = [row for row in rows if row.scored]
    failed = [row for row in rows if row.ending == "error"]
    solved = [row for row in scored if row.success]
    talked = [row for row in scored if row.completion_tokens is not None]
    families = _rates(scored, lambda row: family(row.type))
    return Summary(
        episodes=len(rows),
        scored=len(scored),
        cancelled=len(rows) - len(scored) - len(failed),
        failures=dict(sorted(Counter(row.failure or "unknown" for row in failed).items())),
        success=_success(scored),
        success_failures_as_0=_success(scored + failed),
        by_type=_rates(scored, lambda row: row.type),
        by_family=families,
        macro=macro(list(families.values())) if families else None,
        pass_at=_over_k(scored, pass_at_k),
        pass_hat=_over_k(scored, pass_hat_k),
        score=_score([row for row in scored if row.score is not None]),
        steps=_average(scored, lambda row: row.steps),
        steps_solved=_average(solved, lambda row: row.steps),
        invalid=_per_turn(scored, lambda row: row.invalid, lambda row: row.steps),
        inadmissible=_per_turn(scored, lambda row: row.inadmissible, lambda row: row.judged),
        completion_tokens=_average(talked, lambda row: row.completion_tokens or 0),
        completion_tokens_per_turn=_per_turn(
            talked, lambda row: row.completion_tokens or 0, lambda row: row.steps, bounded=False
        ),
        prompt_tokens=_average(talked, lambda row: row.prompt_tokens or 0),
        seconds=_average(scored, lambda row: row.seconds),
        stopped=_per_turn(scored, lambda row: row.stopped, lambda row: row.steps),
        unsupported=_per_turn(
            [row for row in scored if row.unsupported is not None],
            lambda row: row.unsupported or 0,
            lambda row: row.steps,
        ),
        forgiven=_per_turn(scored, lambda row: row.forgiven, lambda row: row.steps),
    )


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that at least one of k samples drawn without replacement from n, of which c are right, is right:
    1 - C(n-c, k) / C(n, k) (Chen et al. 2021, equation 1). n=5, c=2, k=2: 1 - 3/10 = 0.7."""
    return 1 - comb(n - c, k) / comb(n, k)


def pass_hat_k(n: int, c: int, k: int) -> float:
    """The chance that all of k such samples are right: C(c, k) / C(n, k) (Yao et al. 2024, tau-bench).
    n=5, c=2, k=2: 1/10."""
    return comb(c, k) / comb(n, k)


def by_task(rows: Iterable[Episode]) -> dict[str, list[Episode]]:
    """The episodes of each task, in the order of the samples."""
    tasks: dict[str, list[Episode]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.sample):
        tasks[row.task].append(row)
    return tasks


def _success(rows: Sequence[Episode]) -> Estimate | None:
    # A failure outside the model has no verdict: where it is counted at all, it counts as unsolved.
    values = [sum(row.success is True for row in group) / len(group) for group in by_task(rows).values()]
    return rate(values, len(rows)) if rows else None


def _rates(rows: Sequence[Episode], key: Callable[[Episode], str]) -> dict[str, Estimate]:
    groups: dict[str, list[Episode]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return {name: found for name in sorted(groups) if (found := _success(groups[name])) is not None}


def _over_k(rows: Sequence[Episode], formula: Callable[[int, int, int], float]) -> dict[int, Estimate]:
    counts = [(len(group), sum(row.success is True for row in group)) for group in by_task(rows).values()]
    most = max((n for n, _ in counts), default=0)
    powers = {1 << bit for bit in range(most.bit_length())} | {most} if most else set()
    found = {}
    for k in sorted(powers):
        # A task with fewer than k samples has no unbiased estimate; `tasks` says how many had one.
        enough = [(n, c) for n, c in counts if n >= k]
        found[k] = rate([formula(n, c, k) for n, c in enough], sum(n for n, _ in enough))
    return found


def _average(rows: Sequence[Episode], value: Callable[[Episode], float]) -> Estimate | None:
    if not rows:
        return None
    return mean([sum(map(value, group)) / len(group) for group in by_task(rows).values()], len(rows), least=0.0)


def _score(rows: Sequence[Episode]) -> Estimate | None:
    """The mean score. Where every one lies in [0, 1], as verdicts do, its interval does too."""
    if not rows:
        return None
    scores = [row.score or 0.0 for row in rows]
    bounds = (0.0, 1.0) if min(scores) >= 0 and max(scores) <= 1 else (-math.inf, math.inf)
    groups = by_task(rows).values()
    means = [sum(row.score or 0.0 for row in group) / len(group) for group in groups]
    return mean(means, len(rows), least=bounds[0], most=bounds[1])


def _per_turn(
    rows: Sequence[Episode],
    part: Callable[[Episode], float],
    whole: Callable[[Episode], float],
    *,
    bounded: bool = True,
) -> Estimate | None:
    groups = by_task(rows).values()
    wholes = [sum(map(whole, group)) for group in groups]
    if not sum(wholes):
        return None
    return ratio([sum(map(part, group)) for group in groups], wholes, bounded=bounded)


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return value.to_dict()
    return {str(key): _plain(item) for key, item in value.items()} if isinstance(value, dict) else value
