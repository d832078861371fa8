"""Divergence is named when it starts, once, and a healthy run is left alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from eval.intervals import wilson
from trainers.divergence import Divergence, Watchdog
from trainers.errors import TrainingError

Curve = Callable[[int], float]


def iterations(count: int = 20, /, **measures: Curve) -> list[dict[str, Any]]:
    """Records of a healthy run, but for the measures that are given as functions of the iteration."""
    healthy: dict[str, Curve] = {
        "kl": lambda i: 0.002 * i,
        "kl_update": lambda i: 0.001,
        "entropy": lambda i: 0.6 - 0.01 * i,
        "success": lambda i: min(0.9, 0.4 + 0.02 * i),
        "return": lambda i: min(0.9, 0.4 + 0.02 * i),
        "tokens_per_turn": lambda i: 5 + 0.05 * i,
        "overlong": lambda i: 0.0,
        "repetition": lambda i: 0.2,
        "signal_share": lambda i: 0.7,
        "loss": lambda i: 0.01,
        "grad_norm": lambda i: 0.5,
    }
    rows = range(1, count + 1)
    return [
        {"kind": "iteration", "iteration": i, **{name: of(i) for name, of in (healthy | measures).items()}}
        for i in rows
    ]


def evaluation(iteration: int, value: float, n: int = 200, name: str = "valid_seen") -> dict[str, Any]:
    low, high = wilson(value, n)
    success = {"value": value, "low": low, "high": high, "n": n}
    return {"kind": "evaluation", "iteration": iteration, "name": name, "success": success}


def seen(records: Iterable[dict[str, Any]]) -> list[Divergence]:
    watchdog = Watchdog()
    return [found for record in records for found in watchdog.observe(record)]


def from_10(before: float, after: float) -> Curve:
    return lambda i: before if i < 10 else after


@pytest.mark.parametrize(
    ("kind", "measures", "told"),
    [
        ("KL explosion", {"kl": from_10(0.01, 2.0)}, "2 nats a token, 0.01 at first"),
        ("KL explosion", {"kl_update": from_10(0.001, 0.2)}, "moves the policy by 0.2 nats a token, 0.001 at first"),
        ("entropy collapse", {"entropy": from_10(0.6, 0.01)}, "0.01 nats a token, 0.6 at first"),
        ("entropy explosion", {"entropy": from_10(0.6, 3.0)}, "3 nats a token, 0.6 at first"),
        ("length explosion", {"tokens_per_turn": from_10(6, 60)}, "60 tokens a turn, 6 at first"),
        ("length explosion", {"overlong": from_10(0.05, 0.5)}, "50% of episodes fill their context, 5% at first"),
        ("repetition", {"repetition": from_10(0.2, 0.7)}, "70% of turns repeat the action before, 20% at first"),
        ("hardly any signal", {"signal_share": from_10(0.7, 0.05)}, "5% of groups"),
    ],
)
def test_it_is_named_once_with_its_numbers_as_soon_as_two_of_three_iterations_show_it(
    kind: str, measures: dict[str, Curve], told: str
) -> None:
    (found,) = seen(iterations(**measures))
    assert (found.kind, found.iteration) == (kind, 11)
    assert told in found.what
    assert "Try " in found.remedy
    assert str(found).startswith(f"iteration 11: {kind}: ")


@pytest.mark.parametrize(
    "measure", ["kl", "kl_update", "entropy", "tokens_per_turn", "overlong", "repetition", "signal_share"]
)
@pytest.mark.parametrize("value", [0.0, 100.0])
def test_one_odd_iteration_is_no_alarm(measure: str, value: float) -> None:
    normal = iterations(1)[0][measure]
    assert seen(iterations(**{measure: lambda i: value if i == 12 else normal})) == []


def test_a_healthy_run_is_left_alone() -> None:
    draw = random.Random(0)
    noisy = {
        "kl": lambda i: abs(0.001 * i + draw.gauss(0, 0.002)),
        "kl_update": lambda i: abs(0.003 + draw.gauss(0, 0.002)),
        "entropy": lambda i: max(0.05, 0.5 - 0.005 * i + draw.gauss(0, 0.03)),
        "success": lambda i: min(1.0, 0.42 + 0.007 * i + draw.gauss(0, 0.06)),
        "return": lambda i: min(1.0, 0.42 + 0.007 * i + draw.gauss(0, 0.06)),
        "tokens_per_turn": lambda i: 5 + draw.gauss(0, 0.5),
        "repetition": lambda i: max(0.0, 0.25 + draw.gauss(0, 0.05)),
        "signal_share": lambda i: min(1.0, max(0.0, 0.75 - 0.005 * i + draw.gauss(0, 0.1))),
    }
    records = iterations(80, **noisy)
    held_out = [evaluation(i, 0.4 + 0.004 * i + draw.gauss(0, 0.02)) for i in range(0, 81, 5)]
    assert seen(sorted(records + held_out, key=lambda record: record["iteration"])) == []


def test_a_run_whose_updates_are_too_large_from_the_beginning_is_named_without_a_normal() -> None:
    (found,) = seen(iterations(kl_update=lambda i: 3.0))
    assert (found.kind, found.iteration) == ("KL explosion", 3)
    assert seen(iterations(kl_update=lambda i: 0.2)) == []


def test_a_model_that_wins_need_not_explore() -> None:
    assert seen(iterations(entropy=from_10(0.6, 0.01), success=from_10(0.5, 0.97))) == []


def test_held_out_success_that_falls_while_the_reward_rises_is_named() -> None:
    records = iterations(30)
    held_out = [evaluation(i, {0: 0.4, 5: 0.5, 10: 0.6, 15: 0.56, 20: 0.45, 25: 0.4}[i]) for i in range(0, 26, 5)]
    (found,) = seen(sorted(records + held_out, key=lambda record: record["iteration"]))
    assert found.kind == "held-out success falls while the reward rises"
    assert found.iteration == 20  # 56% after 60% of 200 tasks may be chance
    assert "45.0% after 60.0%" in found.what


def test_reward_hacking_is_named_against_the_score_before_training() -> None:
    records = [evaluation(0, 0.6), *iterations(10), evaluation(10, 0.4)]
    assert [found.iteration for found in seen(records)] == [10]


def test_held_out_success_that_falls_with_the_reward_is_not_called_hacking() -> None:
    records = [evaluation(0, 0.6), *iterations(10, **{"return": lambda i: 0.6 - 0.03 * i}), evaluation(10, 0.4)]
    assert seen(records) == []


def test_evaluations_are_held_against_those_of_the_same_name() -> None:
    records = [evaluation(0, 0.9, name="easy"), *iterations(10), evaluation(10, 0.3, name="hard")]
    assert seen(records) == []


@pytest.mark.parametrize(("measure", "value"), [("loss", "nan"), ("grad_norm", "inf"), ("grad_norm", "nan")])
def test_a_loss_or_gradient_that_is_no_number_ends_the_run(measure: str, value: str) -> None:
    with pytest.raises(TrainingError, match=rf"iteration 7: the {measure} is {value}.*--model RUN"):
        seen(iterations(**{measure: lambda i: float(value) if i == 7 else 0.1}))


def test_a_gradient_that_overflows_in_fp16_is_left_out_and_no_end_but_a_loss_is() -> None:
    overflow, *_, last = iterations(grad_norm=lambda i: float("inf") if i == 1 else 0.5)
    watchdog = Watchdog(fp16=True)
    assert watchdog.observe(overflow) == []
    with pytest.raises(TrainingError, match=r"the loss is nan.*--no-bf16"):
        watchdog.observe({**last, "loss": float("nan")})


@pytest.mark.parametrize(("easy", "told"), [(True, "Try harder tasks"), (False, "Try easier tasks first")])
def test_what_to_try_without_a_signal_depends_on_why_there_is_none(easy: bool, told: str) -> None:
    groups = {"signal": 0, "all solved": 20 if easy else 1, "none solved": 1 if easy else 20}
    (found,) = seen([{**record, "groups": groups} for record in iterations(signal_share=lambda i: 0.02)])
    assert found.iteration == 3  # no beginning to hold it against is needed
    assert found.remedy.startswith(told)


def test_records_that_lack_measures_are_no_alarm() -> None:
    assert seen({"kind": "iteration", "iteration": i, "kl": None, "loss": None} for i in range(20)) == []
    assert seen([{"kind": "evaluation", "iteration": 1, "success": {}}]) == []


def test_a_resumed_run_that_is_shown_its_past_names_the_same_and_nothing_twice() -> None:
    records = iterations(kl=from_10(0.01, 2.0))
    before, after = Watchdog(), Watchdog()
    for record in records[:10]:
        before.observe(record)
        after.observe(record)
    assert [str(f) for r in records[10:] for f in after.observe(r)] == [
        str(f) for r in records[10:] for f in before.observe(r)
    ]
    assert [found for record in records for found in after.observe(record)] == []
