"""How far an update moves the policy is measured, changes no update, and rings the alarm."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from tests.trainers.episodes import cancelled, episode, step
from tests.trainers.grpo_processes import made_rows, small, trainer, weights
from tests.trainers.lessons import shaken
from tests.trainers.test_grpo import ROWS
from trainers import grpo
from trainers.divergence import Divergence, Watchdog
from trainers.movement import SAMPLE, Movement, sample_rows
from trainers.online import _mean


def apart(later: PreTrainedModel, earlier: PreTrainedModel, temperature: float = 1.0) -> float:
    """Schulman's third estimator by plain forward passes."""
    found = []
    for row in ROWS:
        ids = torch.tensor(row.ids)[None]
        with torch.no_grad():
            said = [model(input_ids=ids).logits[0, :-1] / temperature for model in (later, earlier)]
        now, before = (one.log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0] for one in said)
        found.append((now - before)[torch.tensor(row.mask[1:]).bool()])
    ratio = torch.cat(found)
    return float((ratio.exp() - 1 - ratio).mean())


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_it_is_the_divergence_of_the_later_policy_from_the_earlier(temperature: float) -> None:
    model = small()
    movement = Movement(model, ROWS, temperature)
    assert movement.kl() == pytest.approx(0.0, abs=1e-9)
    shaken(model)
    assert movement.kl() == pytest.approx(apart(model, small(), temperature), rel=1e-3)
    assert movement.kl() > 0.001


def test_a_few_rows_speak_for_all_and_of_none_nothing_is_said() -> None:
    model = small()
    many = Movement(model, made_rows(3 * SAMPLE))
    few = Movement(model, made_rows(3 * SAMPLE)[:SAMPLE])
    shaken(model)
    assert many.kl() == few.kl()
    assert Movement(model, []).kl() is None


def test_rows_are_taken_from_all_over_the_episodes() -> None:
    episodes = [episode("t", n, 0.0, step([1, 2], [3 + n, 7])) for n in range(4 * SAMPLE)]
    rows = sample_rows([*episodes, cancelled("t", 99)])
    assert [row.episode for row in rows[:2]] == ["t#0", "t#4"]
    assert len(rows) == SAMPLE
    assert sample_rows([]) == []


def test_an_iteration_without_a_kl_term_logs_it(tmp_path: Path) -> None:
    model, before = small(), small()
    made = trainer(tmp_path, model, lambda: ROWS, steps_per_generation=2, num_iterations=2, max_steps=4)
    assert made.beta == 0.0
    made.train()
    found = [log["kl_update"] for log in made.state.log_history if "kl_update" in log]
    assert found == [pytest.approx(apart(model, before), rel=1e-3)]
    assert found[0] > 0


class _Unmeasured:
    def __init__(self, *args: Any) -> None: ...

    def kl(self) -> None: ...


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_measuring_changes_no_update(dropout: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained() -> torch.Tensor:
        model = small(attention_dropout=dropout)
        rows = iter(made_rows(5, seed=number) for number in range(3))
        trainer(tmp_path, model, lambda: next(rows), max_steps=3).train()
        return weights(model)

    measured = trained()
    monkeypatch.setattr(grpo, "Movement", _Unmeasured)
    assert torch.equal(measured, trained())


def test_a_run_without_a_kl_term_whose_rate_is_too_high_rings_the_alarm(tmp_path: Path) -> None:
    def named(rate: float) -> list[Divergence]:
        made = trainer(tmp_path, copy.deepcopy(small()), lambda: ROWS, max_steps=10, learning_rate=rate)
        made.train()
        logs = [log for log in made.state.log_history if "entropy" in log]
        records = [{"kind": "iteration", "iteration": n, **_mean([log])} for n, log in enumerate(logs, start=1)]
        watchdog = Watchdog()
        return [found for record in records for found in watchdog.observe(record)]

    assert named(0.001) == []
    assert "KL explosion" in [found.kind for found in named(3.0)]
