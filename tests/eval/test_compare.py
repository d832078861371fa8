"""The paired comparison against enumeration and simulation."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.compare import compare, fingerprint_differences
from eval.episode import Episode
from eval.errors import FingerprintError, ResultError
from eval.metrics import summarise
from eval.pairing import paired_difference, sign_flip_test, tasks_needed
from eval.result import Result

Make = Callable[..., Episode]


def result(rows: Iterable[Episode], **fingerprint: object) -> Result:
    kept = tuple(rows)
    return Result("alfworld-seen", fingerprint or {"max_steps": 50}, {"name": "m"}, summarise(kept), kept)


def mcnemar(b: int, c: int) -> float:
    """The textbook's exact test: both tails of a binomial (b + c, 1/2)."""
    m = b + c
    return min(1.0, 2 * sum(math.comb(m, k) for k in range(min(b, c) + 1)) / 2**m)


@pytest.mark.parametrize("b", range(8))
@pytest.mark.parametrize("c", range(8))
def test_with_one_sample_a_task_the_test_is_mcnemars(b: int, c: int) -> None:
    exact, mid = sign_flip_test([Fraction(-1)] * b + [Fraction(1)] * c + [Fraction(0)] * 5)
    assert exact == pytest.approx(mcnemar(b, c))
    if b != c:
        # Mid-p in its own definition: the exact value less the chance of exactly this table.
        assert mid == pytest.approx(mcnemar(b, c) - math.comb(b + c, min(b, c)) / 2 ** (b + c))


@given(st.lists(st.builds(Fraction, st.integers(-6, 6), st.just(6)), min_size=1, max_size=9))
def test_the_sign_flip_test_is_what_trying_every_choice_of_signs_gives(differences: list[Fraction]) -> None:
    observed = abs(sum(differences))
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    assert sign_flip_test(differences)[0] == pytest.approx(sum(total >= observed for total in sums) / len(sums))


def test_no_difference_at_all_is_no_evidence() -> None:
    assert sign_flip_test([Fraction(0)] * 10) == (1.0, 1.0)


def test_differences_of_odd_denominators_are_rounded_and_not_refused() -> None:
    odd = [Fraction(k % 3, n) for k, n in enumerate((29, 31, 37, 41, 43, 47))]
    exact, _ = sign_flip_test(odd)
    sums = [abs(sum(s * d for s, d in zip(signs, odd, strict=True))) for signs in product((1, -1), repeat=6)]
    assert exact == pytest.approx(sum(total >= abs(sum(odd)) for total in sums) / 64, abs=1 / 32)


@given(st.lists(st.integers(-4, 4).map(lambda x: x / 4), min_size=1, max_size=50))
def test_a_difference_has_an_interval_with_width_and_within_minus_1_and_1(differences: list[float]) -> None:
    found = paired_difference(differences, len(differences))
    assert -1 <= found.low < found.high <= 1  # type: ignore[operator]


def test_the_interval_of_a_difference_is_bonett_and_prices() -> None:
    # b=2 lost, c=8 won of n=40: (9-3)/42 = .142857; sqrt(((9+3)/42 - .142857^2) / 42) = .079478; times 1.959964.
    found = paired_difference([-1] * 2 + [1] * 8 + [0] * 30, 40)
    assert found.value == pytest.approx(0.15)
    assert found.low == pytest.approx(0.142857 - 1.959964 * 0.079478, abs=1e-4)
    assert found.high == pytest.approx(0.142857 + 1.959964 * 0.079478, abs=1e-4)


@pytest.mark.parametrize(("tasks", "samples"), [(30, 1), (134, 1), (40, 4)])
def test_the_interval_of_a_difference_covers_the_truth(tasks: int, samples: int) -> None:
    draw, hits, runs, gap = random.Random(2), 0, 1000, 0.1
    for _ in range(runs):
        found = []
        for _ in range(tasks):
            hard = draw.betavariate(2, 2) * 0.9
            a, b = (sum(draw.random() < p for _ in range(samples)) for p in (hard, hard + gap))
            found.append((b - a) / samples)
        interval = paired_difference(found, tasks)
        hits += interval.low <= gap <= interval.high  # type: ignore[operator]
    assert 0.93 < hits / runs < 0.985


def test_the_standard_error_is_that_of_a_paired_bootstrap() -> None:
    draw = random.Random(3)
    differences = [draw.choice((-1, -0.5, 0, 0, 0, 0.5, 1)) for _ in range(80)]
    means = [sum(draw.choices(differences, k=80)) / 80 for _ in range(4000)]
    middle = sum(means) / len(means)
    bootstrap = math.sqrt(sum((x - middle) ** 2 for x in means) / len(means))
    assert paired_difference(differences, 80).stderr == pytest.approx(bootstrap, rel=0.05)


def test_the_tasks_needed_are_those_of_the_formula_worked_by_hand() -> None:
    assert tasks_needed([-1] * 5 + [1] * 15 + [0] * 80) == 155
    assert tasks_needed([-1] * 5 + [1] * 5 + [0] * 80) is None


def test_at_the_tasks_needed_the_test_finds_the_difference_four_times_in_five() -> None:
    n, draw, runs = 155, random.Random(4), 1500
    found = 0
    for _ in range(runs):
        b = c = 0
        for _ in range(n):
            x = draw.random()
            b, c = b + (x < 0.05), c + (0.05 <= x < 0.2)
        mid = mcnemar(b, c) - math.comb(b + c, min(b, c)) / 2 ** (b + c) if b != c else 1.0
        found += mid <= 0.05
    assert found / runs == pytest.approx(0.8, abs=0.035)


def test_flips_are_listed_both_ways_with_links_to_the_episodes(episode: Make) -> None:
    a = result([episode("x", success=True), episode("y", success=False), episode("z", success=False)])
    b = result([episode("x", success=False, link="b.jsonl:7"), episode("y", success=True), episode("z", success=False)])
    found = compare(a, b)
    assert [flip.task for flip in found.gained] == ["y"]
    assert [(flip.task, flip.a.link, flip.b.link) for flip in found.lost] == [
        ("x", "episodes/0000.jsonl:1", "b.jsonl:7")
    ]
    assert (found.a, found.b, found.difference.value) == (pytest.approx(1 / 3), pytest.approx(1 / 3), 0)
    assert found.test == "McNemar, exact"
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["lost"][0]["b_link"] == "b.jsonl:7"


def test_swapping_the_two_turns_the_sign_and_keeps_the_p_value(episode: Make) -> None:
    draw = random.Random(5)
    a, b = (result(episode(f"t{t}", s, draw.random() < p) for t in range(20) for s in range(3)) for p in (0.3, 0.7))
    there, back = compare(a, b), compare(b, a)
    assert there.difference.value == pytest.approx(-back.difference.value)
    assert there.p_value == pytest.approx(back.p_value)
    assert len(there.gained) == len(back.lost)
    assert there.test == "sign flips of tasks, exact"
    assert there.p_mid < there.p_value < 0.05


def test_a_result_against_itself_has_no_difference(episode: Make) -> None:
    same = result(episode(f"t{t}", success=t % 2 == 0) for t in range(10))
    found = compare(same, same)
    assert (found.difference.value, found.p_value, found.tasks_needed) == (0, 1, None)
    assert found.difference.low < 0 < found.difference.high  # type: ignore[operator]
    assert not found.gained + found.lost


def test_tasks_that_only_one_side_scored_are_named_with_the_reason(episode: Make) -> None:
    a = result(
        [episode("x"), episode("y"), episode("z", success=None, failure="env_died"), episode("w", success=False)]
    )
    b = result([episode("x"), episode("z"), episode("w", success=True)])
    found = compare(a, b)
    assert found.only_a == {"y": "absent"}
    assert found.only_b == {"z": "env_died"}
    assert found.difference.tasks == 2
    assert found.difference.value == 0.5
    # Over x, w, y, z: 0, +1, -1 (b lacks y), +1 (a lacks z).
    assert found.difference_missing_as_0 == pytest.approx(1 / 4)


def test_samples_without_a_partner_are_counted_and_still_weigh_in_the_mean_of_their_task(episode: Make) -> None:
    a = result([episode("x", 0, True), episode("x", 1, False), episode("y", 0, True)])
    b = result([episode("x", 0, True), episode("y", 0, True)])
    found = compare(a, b)
    assert found.unpaired == 1
    assert found.difference.value == pytest.approx((0.5 + 0) / 2)


def test_types_are_compared_apart(episode: Make) -> None:
    a = result([episode("x", type="heat", success=False), episode("y", type="cool")])
    b = result([episode("x", type="heat"), episode("y", type="cool")])
    found = compare(a, b)
    assert {name: part.difference.value for name, part in found.by_type.items()} == {"cool": 0, "heat": 1}
    assert (found.by_type["heat"].a, found.by_type["heat"].b) == (0, 1)


def test_different_conditions_are_refused_and_named(episode: Make) -> None:
    a = result([episode("x")], env={"dialect": "2.1.3", "max_steps": 50}, seed=0)
    b = result([episode("x")], env={"dialect": "2.1.1", "max_steps": 50}, seed=0, snap="bleu")
    with pytest.raises(FingerprintError) as refused:
        compare(a, b)
    assert refused.value.differences == {"env.dialect": ("2.1.3", "2.1.1"), "snap": ("(absent)", "bleu")}
    assert "env.dialect: '2.1.3' against '2.1.1'" in str(refused.value)
    assert "--force" in str(refused.value)
    assert compare(a, b, force=True).differences == refused.value.differences


def test_two_models_may_be_compared(episode: Make) -> None:
    a, b = result([episode("x")]), result([episode("x")])
    b.model["name"] = "another"
    assert compare(a, b).differences == {}


def test_a_flat_and_a_nested_fingerprint_are_the_same() -> None:
    assert fingerprint_differences({"env.dialect": "a", "t": 1.0}, {"env": {"dialect": "a"}, "t": 1}) == {}
    assert fingerprint_differences({"stop": ("a",)}, {"stop": ["a"]}) == {}
    assert fingerprint_differences({"snap": True}, {"snap": 1}) == {"snap": (True, 1)}


def test_results_without_a_common_task_are_refused(episode: Make) -> None:
    with pytest.raises(ResultError, match="no scored task in common"):
        compare(result([episode("x")]), result([episode("y")]))


MODEL = {"env": {"max_steps": 50}, "protocol": {"name": "plain", "max_turns": None}, "policy": {"sampling": {"t": 0.0}}}
SCRIPTED = {"env": {"max_steps": 50}, "protocol": {"name": "react", "max_turns": None}, "policy": {"sampling": None}}


def test_a_model_is_compared_with_an_expert_by_the_same_rules(episode: Make) -> None:
    rows = [episode(task="a"), episode(task="b", success=False)]
    assert compare(result(rows, **SCRIPTED), result(rows, **MODEL)).differences == {}
    assert compare(result(rows, **MODEL), result(rows, **SCRIPTED)).differences == {}
    assert compare(result(rows, **SCRIPTED), result(rows, **SCRIPTED)).differences == {}


@pytest.mark.parametrize(
    ("other", "key"),
    [
        ({**SCRIPTED, "env": {"max_steps": 20}}, "env.max_steps"),
        ({**SCRIPTED, "protocol": {"name": "fc", "max_turns": 20}}, "protocol.max_turns"),
        ({**MODEL, "policy": {"sampling": {"t": 1.0}}}, "policy.sampling.t"),
        ({**MODEL, "protocol": {"name": "react", "max_turns": None}}, "protocol.name"),
    ],
)
def test_other_rules_are_refused_whoever_played(other: dict[str, object], key: str, episode: Make) -> None:
    rows = [episode(task="a")]
    with pytest.raises(FingerprintError, match=key):
        compare(result(rows, **MODEL), result(rows, **other))
