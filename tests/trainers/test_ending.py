"""How a run has ended, in words and as an exit code."""

from __future__ import annotations

from typing import Any

import pytest

from configs import TrainConfig
from trainers.ending import ending
from trainers.run_state import Standing

CONFIG = TrainConfig(iterations=10, patience=2, max_minutes=5.0)


def records(*successes: float) -> list[dict[str, Any]]:
    """Iterations, of which each one's groups were all solved, none solved, or half of them each."""
    return [
        {
            "kind": "iteration",
            "iteration": number,
            "success": success,
            "groups": {kind: 4 for kind, some in (("all solved", success), ("none solved", 1 - success)) if some},
        }
        for number, success in enumerate(successes, start=1)
    ]


@pytest.mark.parametrize(
    ("standing", "successes", "reason", "said", "code"),
    [
        (Standing(10), [0.5] * 10, "iterations", "Training ended after 10 of 10 iterations.", 0),
        (Standing(10, skipped=1), [0.5] * 10, "iterations", "; 1 had no learning signal and updated nothing.", 0),
        (Standing(3), [0.5] * 3, "max_minutes", "5 minutes have passed", 0),
        (Standing(4, skipped=2, skipped_in_a_row=2), [0.5, 0.9, 1, 1], "no_signal", "every episode of the last 2", 0),
        (Standing(4, skipped=2, skipped_in_a_row=2), [0.5, 0.9, 0, 0], "no_signal", "no episode of the last 2", 0),
        (Standing(4, skipped=2, skipped_in_a_row=2), [0, 0, 0, 0], "no_signal", "begin with --algo sft", 1),
        (Standing(3, skipped=2, skipped_in_a_row=2), [0.5, 0.5, 0.5], "no_signal", "(all solved 8, none solved 8)", 0),
        (Standing(1, skipped=1, skipped_in_a_row=1), [0], "no_signal", "no episode of the last 1", 1),
        (
            Standing(10, skipped=1, skipped_in_a_row=1),
            [0.5] * 9 + [1],
            "iterations",
            "10 of 10 iterations; 1 had no",
            0,
        ),
    ],
)
def test_the_reason_is_named_and_only_a_run_that_never_solved_anything_has_failed(
    standing: Standing, successes: list[float], reason: str, said: str, code: int
) -> None:
    found = ending(CONFIG, standing, records(*successes))
    assert found.reason == reason
    assert said in found.text
    assert found.exit_code == code


def test_a_smoke_run_in_which_nothing_was_updated_has_failed() -> None:
    config = TrainConfig(smoke=True, iterations=2)
    learned = [{**record, "grad_norm": 0.25} for record in records(0.5, 0.5)]
    assert ending(config, Standing(2), learned).exit_code == 0
    assert "norms of the gradients: 0.25, 0.25" in ending(config, Standing(2), learned).text
    assert ending(config, Standing(2), [{**record, "grad_norm": 0.0} for record in learned]).exit_code == 1
    assert ending(config, Standing(2, skipped=2), records(1, 1)).exit_code == 1
