"""Two results on the same tasks: the paired difference, what flipped, and whether it could be chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from eval.episode import Episode
from eval.errors import FingerprintError, ResultError
from eval.intervals import Estimate
from eval.metrics import by_task
from eval.pairing import paired_difference, sign_flip_test, tasks_needed
from eval.result import Result, find_result

ABSENT = "(absent)"


@dataclass(frozen=True, slots=True)
class Flip:
    """A sample of a task that one solved and the other did not."""

    task: str
    type: str
    sample: int
    a: Episode
    b: Episode


@dataclass(frozen=True, slots=True)
class Contrast:
    """B against A over a set of tasks that both have a scored episode of.

    Attributes:
        a: success of A on these tasks.
        b: success of B on them.
        difference: B minus A, tasks weighing the same; positive where B is better.
    """

    a: float
    b: float
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Comparison(Contrast):
    """B against A over all tasks that both have a scored episode of.

    Attributes:
        by_type: the same by type of task.
        p_value: of the exact sign-flip test; with one sample a task, McNemar's exact test.
        p_mid: its mid-p value.
        test: the name of the test.
        gained: samples that B solved and A did not.
        lost: samples that A solved and B did not.
        unpaired: scored samples of common tasks that the other side has no sample of the same number for.
        only_a: tasks scored in A only, and why B has none: "absent", or how its episodes ended.
        only_b: likewise for B.
        difference_missing_as_0: the difference over the tasks of either, a task without a scored episode counting as
            unsolved.
        tasks_needed: how many tasks a difference of this size needs for 80% power; None where there is no difference.
        differences: dotted keys of the fingerprints that differ, with both values: not empty only where forced.
    """

    by_type: dict[str, Contrast]
    p_value: float
    p_mid: float
    test: str
    gained: tuple[Flip, ...]
    lost: tuple[Flip, ...]
    unpaired: int
    only_a: dict[str, str]
    only_b: dict[str, str]
    difference_missing_as_0: float
    tasks_needed: int | None
    differences: dict[str, tuple[Any, Any]]

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it. Flips are given by ids and links."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        plain["difference"] = asdict(self.difference)
        plain["by_type"] = {name: asdict(contrast) for name, contrast in self.by_type.items()}
        for side in ("gained", "lost"):
            plain[side] = [_flip(flip) for flip in getattr(self, side)]
        plain["differences"] = {key: list(pair) for key, pair in self.differences.items()}
        return plain


def compare(a: Result | str | Path, b: Result | str | Path, *, force: bool = False) -> Comparison:
    """Compare two results, paired by task.

    Args:
        a: the baseline: a result, a result file, or the folder of a run that has one.
        b: what is held against it.
        force: compare although they were not scored under the same conditions. How a model samples is such a
            condition, but not against a scripted policy (expert, random), which samples nothing.

    Raises:
        FingerprintError: if the fingerprints differ and `force` is not set.
        ResultError: if they have no scored task in common, or there is no result at a path.
    """
    a, b = (side if isinstance(side, Result) else find_result(Path(side)) for side in (a, b))
    differing = fingerprint_differences(*_rules(a.fingerprint, b.fingerprint))
    if differing and not force:
        raise FingerprintError(differing)
    of_a, of_b = (by_task(row for row in side.episodes if row.scored) for side in (a, b))
    common = [task for task in of_a if task in of_b]
    if not common:
        raise ResultError(
            f"the two results have no scored task in common: {len(of_a)} and {len(of_b)} tasks",
            remedy="Give two results on the same tasks.",
        )
    types: dict[str, list[str]] = {}
    for task in common:
        types.setdefault(of_a[task][0].type, []).append(task)
    overall = _contrast(common, of_a, of_b)
    steps = [_share(of_b[task]) - _share(of_a[task]) for task in common]
    p_value, p_mid = sign_flip_test(steps)
    gained, lost, unpaired = _flips(of_a, of_b, common)
    single = all(len(side[task]) == 1 for side in (of_a, of_b) for task in common)
    return Comparison(
        a=overall.a,
        b=overall.b,
        difference=overall.difference,
        by_type={name: _contrast(types[name], of_a, of_b) for name in sorted(types)},
        p_value=p_value,
        p_mid=p_mid,
        test="McNemar, exact" if single else "sign flips of tasks, exact",
        gained=gained,
        lost=lost,
        unpaired=unpaired,
        only_a=_missing(of_a, of_b, b.episodes),
        only_b=_missing(of_b, of_a, a.episodes),
        difference_missing_as_0=_missing_as_0(of_a, of_b),
        tasks_needed=tasks_needed(list(map(float, steps))),
        differences=differing,
    )


def fingerprint_differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The dotted keys in which two fingerprints differ, with both values; `(absent)` where one has no such key."""
    flat_a, flat_b = dict(_flat(a)), dict(_flat(b))
    pairs = {key: (flat_a.get(key, ABSENT), flat_b.get(key, ABSENT)) for key in sorted({*flat_a, *flat_b})}
    return {key: pair for key, pair in pairs.items() if not _same(*pair)}


def _rules(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fingerprints; without what says how a model samples and answers, where one of the policies is scripted: an
    expert's actions do not depend on the form in which they are written. A limit on turns counts all the same."""
    policies = [side["policy"] for side in (a, b) if isinstance(side.get("policy"), Mapping)]
    if len(policies) < 2 or all(policy.get("sampling") for policy in policies):
        return dict(a), dict(b)
    return _of_any_policy(a), _of_any_policy(b)


def _of_any_policy(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in fingerprint.items() if key != "policy"}
    if isinstance(protocol := kept.get("protocol"), Mapping):
        kept["protocol"] = {"max_turns": protocol.get("max_turns")}
    return kept


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", list(value) if isinstance(value, tuple) else value


def _same(a: Any, b: Any) -> bool:
    # True == 1 in Python, but an option that is on is not an option that is 1.
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


Tasks = dict[str, list[Episode]]


def _share(rows: list[Episode]) -> Fraction:
    return Fraction(sum(row.success is True for row in rows), len(rows) or 1)


def _contrast(tasks: list[str], of_a: Tasks, of_b: Tasks) -> Contrast:
    shares = [(_share(of_a[task]), _share(of_b[task])) for task in tasks]
    pairs = sum(min(len(of_a[task]), len(of_b[task])) for task in tasks)
    return Contrast(
        a=float(sum(a for a, _ in shares) / len(tasks)),
        b=float(sum(b for _, b in shares) / len(tasks)),
        difference=paired_difference([float(b - a) for a, b in shares], pairs),
    )


def _missing_as_0(of_a: Tasks, of_b: Tasks) -> float:
    gaps = [_share(of_b.get(task, [])) - _share(of_a.get(task, [])) for task in {**of_a, **of_b}]
    return float(sum(gaps) / len(gaps))


def _flips(of_a: Tasks, of_b: Tasks, common: list[str]) -> tuple[tuple[Flip, ...], tuple[Flip, ...], int]:
    gained: list[Flip] = []
    lost: list[Flip] = []
    unpaired = 0
    for task in common:
        samples_a, samples_b = ({row.sample: row for row in side[task]} for side in (of_a, of_b))
        unpaired += len(samples_a.keys() ^ samples_b.keys())
        for sample in sorted(samples_a.keys() & samples_b.keys()):
            one, other = samples_a[sample], samples_b[sample]
            if one.success != other.success:
                (gained if other.success else lost).append(Flip(task, one.type, sample, one, other))
    return tuple(gained), tuple(lost), unpaired


def _missing(have: Tasks, lack: Tasks, rows: Iterable[Episode]) -> dict[str, str]:
    endings: dict[str, set[str]] = {}
    for row in rows:
        endings.setdefault(row.task, set()).add(row.failure or row.ending)
    return {task: ", ".join(sorted(endings.get(task, {"absent"}))) for task in have if task not in lack}


def _flip(flip: Flip) -> dict[str, Any]:
    ids = {f"{side}_{key}": getattr(getattr(flip, side), key) for side in "ab" for key in ("id", "link")}
    return {"task": flip.task, "type": flip.type, "sample": flip.sample, **ids}
