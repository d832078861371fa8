"""The summary of episodes, checked by enumeration."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import combinations

import pytest

from eval.episode import Episode
from eval.metrics import Summary, pass_at_k, pass_hat_k, summarise
from rollout.trajectory import Failure, Trajectory

Make = Callable[..., Episode]


@pytest.mark.parametrize("n", range(1, 9))
def test_pass_at_k_and_pass_hat_k_are_what_counting_every_subset_gives(n: int) -> None:
    for c in range(n + 1):
        samples = [1] * c + [0] * (n - c)
        for k in range(1, n + 1):
            subsets = list(combinations(samples, k))
            assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))
            assert pass_hat_k(n, c, k) == pytest.approx(sum(map(all, subsets)) / len(subsets))


def test_pass_at_1_and_pass_hat_1_are_the_success_rate(episode: Make) -> None:
    found = summarise(episode(f"t{t}", s, (t * s) % 3 == 0) for t in range(7) for s in range(4))
    assert found.success is not None
    assert found.pass_at[1].value == pytest.approx(found.success.value)
    assert found.pass_hat[1].value == pytest.approx(found.success.value)
    assert list(found.pass_at) == [1, 2, 4]
    assert found.pass_at[4].value == pytest.approx(sum(any((t * s) % 3 == 0 for s in range(4)) for t in range(7)) / 7)
    assert found.pass_hat[4].value == pytest.approx(sum(all((t * s) % 3 == 0 for s in range(4)) for t in range(7)) / 7)


def test_a_task_with_too_few_samples_is_left_out_of_pass_at_k_and_the_count_says_so(episode: Make) -> None:
    found = summarise([episode("a", 0), episode("a", 1), episode("a", 2), episode("b", 0), episode("b", 1, None)])
    assert {k: estimate.tasks for k, estimate in found.pass_at.items()} == {1: 2, 2: 1, 3: 1}


def test_a_failure_outside_the_model_is_left_out_and_bounded_from_below(episode: Make) -> None:
    rows = [episode("a"), episode("b"), episode("c", success=False), episode("d", success=None)]
    rows += [
        episode("e", success=None, failure="engine_error"),
        episode("f", success=None, ending="cancelled", failure=None),
    ]
    found = summarise(rows)
    assert found.success is not None
    assert found.success_failures_as_0 is not None
    assert found.success.value == pytest.approx(2 / 3)
    assert found.success_failures_as_0.value == pytest.approx(2 / 5)
    assert found.failures == {"engine_error": 1, "env_timeout": 1}
    assert found.episodes == found.scored + sum(found.failures.values()) + found.cancelled == 6


def test_dbbench_v02_is_the_mean_of_its_three_families(episode: Make) -> None:
    # 100 INSERT at 0.9, 100 UPDATE at 0.5, and 20 SELECT of three types at 0.4: 0.6, and not 152 / 220.
    kinds = ["INSERT"] * 100 + ["UPDATE"] * 100 + ["other"] * 10 + ["counting"] * 5 + ["ranking"] * 5
    solved = [i < 90 for i in range(100)] + [i < 50 for i in range(100)] + [i < 8 for i in range(20)]
    rows = [episode(f"t{i}", type=kind, success=good) for i, (kind, good) in enumerate(zip(kinds, solved, strict=True))]
    found = summarise(rows, lambda kind: kind if kind in ("INSERT", "UPDATE") else "SELECT")
    assert found.macro is not None
    assert found.success is not None
    assert found.macro.value == pytest.approx((0.9 + 0.5 + 0.4) / 3)
    assert found.success.value == pytest.approx(148 / 220)
    assert list(found.by_family) == ["INSERT", "SELECT", "UPDATE"]
    assert list(found.by_type) == ["INSERT", "UPDATE", "counting", "other", "ranking"]
    assert sum(part.n for part in found.by_type.values()) == found.scored


def test_rates_per_turn_weigh_turns_and_count_only_what_could_be_judged(episode: Make) -> None:
    rows = [
        episode("a", steps=4, invalid=1, inadmissible=2, judged=4, completion_tokens=40),
        episode("b", steps=16, invalid=0, inadmissible=0, judged=0, completion_tokens=20),
    ]
    found = summarise(rows)
    assert found.invalid is not None
    assert found.inadmissible is not None
    assert found.completion_tokens is not None
    assert found.completion_tokens_per_turn is not None
    assert found.invalid.value == pytest.approx(1 / 20)
    assert (found.inadmissible.value, found.inadmissible.n) == (pytest.approx(0.5), 4)
    assert found.completion_tokens.value == pytest.approx(30)
    assert found.completion_tokens_per_turn.value == pytest.approx(3)


def test_turns_that_the_environment_cannot_play_as_the_benchmark_are_counted_apart(episode: Make) -> None:
    rows = [episode("a", steps=4, unsupported=1), episode("b", steps=6, unsupported=0), episode("c", steps=90)]
    found = summarise(rows)
    assert found.unsupported is not None
    assert (found.unsupported.value, found.unsupported.n) == (pytest.approx(0.1), 10)
    assert summarise([episode("a")]).unsupported is None


def test_steps_of_solved_episodes_are_kept_apart(episode: Make) -> None:
    found = summarise([episode("a", steps=6), episode("b", steps=8), episode("c", success=False, steps=50)])
    assert found.steps is not None
    assert found.steps_solved is not None
    assert found.steps.value == pytest.approx(64 / 3)
    assert (found.steps_solved.value, found.steps_solved.n) == (7, 2)


def test_a_run_in_which_everything_failed_has_a_summary_without_rates(episode: Make) -> None:
    found = summarise([episode("a", success=None), episode("b", success=None)])
    assert found.success is None
    assert found.macro is None
    assert found.pass_at == {}
    assert found.success_failures_as_0 is not None
    assert found.success_failures_as_0.value == 0
    assert summarise([]).episodes == 0


def test_a_scripted_policy_has_no_token_counts(episode: Make) -> None:
    found = summarise([episode("a", completion_tokens=None, prompt_tokens=None)])
    assert found.completion_tokens is None
    assert found.prompt_tokens is None


def test_the_same_sample_twice_is_refused(episode: Make) -> None:
    with pytest.raises(ValueError, match="sample 0 of a"):
        summarise([episode("a"), episode("a")])


def test_the_order_of_the_episodes_does_not_matter(episode: Make) -> None:
    rows = [episode(f"t{t}", s, (t + s) % 3 == 0, seconds=t + s / 7) for t in range(9) for s in range(3)]
    shuffled = random.Random(0).sample(rows, len(rows))
    assert summarise(shuffled).to_dict()["success"] == summarise(rows).to_dict()["success"]
    assert summarise(shuffled).by_type == summarise(rows).by_type


def test_a_summary_survives_json(episode: Make) -> None:
    rows = [episode(f"t{t}", s, t % 2 == 0, type="ab"[t % 2]) for t in range(5) for s in range(3)]
    found = summarise([*rows, episode("z", success=None)])
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert Summary.from_dict(plain) == found
    assert {"value", "stderr", "n"} <= plain["success"].keys()


def test_a_row_counts_what_a_trajectory_holds(player: object) -> None:
    played: Trajectory = player.play(3, steps=5)  # type: ignore[attr-defined]
    row = Episode.of(played, "episodes/0000.jsonl:4")
    assert row.steps == row.judged == 5
    assert row.completion_tokens == sum(len(step.tokens.completion_ids) for step in played.steps if step.tokens)
    assert row.invalid == sum(not step.valid for step in played.steps)
    assert (row.task, row.success, row.link) == (played.task, played.success, "episodes/0000.jsonl:4")
    assert Episode.from_dict(json.loads(json.dumps(row.to_dict()))) == row


def test_a_row_of_a_failed_episode_keeps_its_class_and_has_no_score() -> None:
    failed = Trajectory("a#0", "a", "heat", "train", ending="error", failure=Failure("env_died", "signal 9"))
    row = Episode.of(failed)
    assert (row.failure, row.score, row.success, row.scored) == ("env_died", None, None, False)


@pytest.mark.parametrize("broken", [{"success": None, "score": 1.0}, {"success": True, "score": float("nan")}])
def test_an_episode_without_a_verdict_or_with_a_score_that_is_no_number_is_refused(
    broken: dict[str, float | None],
) -> None:
    with pytest.raises(ValueError, match="a#0"):
        Episode.of(Trajectory("a#0", "a", "heat", "train", ending="terminated", **broken))  # type: ignore[arg-type]
