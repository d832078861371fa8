"""What a token weighs for having been likelier under the trainer than under the engine that drew it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, TemperatureLogitsWarper, TopPLogitsWarper

from rollout.engine import Completion, Sampling
from rollout.engines.hf import HFEngine
from tests import tiny_models
from tests.trainers.grpo_processes import CAP, small, trainer, weights
from tests.trainers.test_grpo import ROWS, by_hand, close, logps, logs, on_mask
from trainers.batch import Row


def sampled(model: PreTrainedModel, sampling: Sampling, count: int = 24) -> list[Row]:
    """Rows that our engine has drawn."""
    draw = np.random.default_rng(0)
    engine = HFEngine(model, tiny_models.tokenizer())
    prompts = [draw.integers(10, 400, 3 + number % 4) for number in range(count)]

    async def play() -> list[Completion]:
        asked = (engine.generate(f"{n}", prompt.tolist(), sampling, n) for n, prompt in enumerate(prompts))
        done = await asyncio.gather(*asked)
        await engine.close()
        return done

    rows = []
    for number, (prompt, done) in enumerate(zip(prompts, asyncio.run(play()), strict=True)):
        mask = np.array([0] * len(prompt) + [1] * len(done.ids))
        logprobs = np.array([0.0] * len(prompt) + list(done.logprobs), dtype=np.float32)
        advantages = (mask * draw.normal()).astype(np.float32)
        ids = np.array([*prompt, *done.ids])
        rows.append(Row(f"t{number}#0", len(prompt), ids, mask, advantages, logprobs, mask - 1, mask - 1))
    return rows


def test_a_token_weighs_by_how_much_likelier_it_is_to_the_trainer_and_no_more_than_the_cap(
    tmp_path: Path,
) -> None:
    model = small()
    weighed, ratios = [], []
    with torch.no_grad():
        for row in ROWS:
            ratio = (logps(model, row) - on_mask(row, "logprobs")).exp()
            advantages = row.advantages.copy()
            advantages[row.mask == 1] *= ratio.clamp(max=CAP).numpy()
            weighed.append(replace(row, advantages=advantages))
            ratios.append(ratio)
    every = torch.cat(ratios)
    assert 0 < (every > CAP).float().mean() < 1
    made = trainer(tmp_path, model, lambda: ROWS, importance_cap=CAP)
    before = weights(model)
    made.train()
    close(weights(model) - before, -0.1 * by_hand(small(), weighed, "dapo"))
    (log,) = logs(made)
    assert log["importance/mean"] == pytest.approx(float(every.clamp(max=CAP).mean()), rel=1e-4)
    assert log["importance/capped"] == pytest.approx(float((every > CAP).float().mean()))


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (0.7, 0.9), (1.5, 0.5)])
def test_it_is_one_for_the_weights_that_sampled_whatever_was_sampled_from(
    temperature: float, top_p: float, tmp_path: Path
) -> None:
    rows = sampled(small(), Sampling(temperature, top_p, max_new_tokens=8))
    made = trainer(tmp_path, small(), lambda: rows, importance_cap=CAP, temperature=temperature, top_p=top_p)
    made.train()
    (log,) = logs(made)
    assert log["importance/mean"] == pytest.approx(1.0, abs=1e-4)
    parts = [part for update in made._dealt for part in update]
    found = sorted(value for part in parts for value in part["advantages"][part["completion_mask"] == 1].tolist())
    expected = sorted(value for row in rows for value in on_mask(row, "advantages").tolist())
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("temperature", "top_p"), [(0.7, 1.0), (0.7, 0.9)])
def test_it_is_of_the_distributions_that_tokens_are_drawn_from(
    temperature: float, top_p: float, tmp_path: Path
) -> None:
    engine, model = small(), small()
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 1.05
    rows = sampled(engine, Sampling(temperature, top_p, max_new_tokens=8))

    def drawn_by(policy: PreTrainedModel, row: Row) -> torch.Tensor:
        with torch.no_grad():
            scores = policy(input_ids=torch.tensor(row.ids)[None]).logits[0, :-1].float()
        scores = TopPLogitsWarper(top_p)(None, TemperatureLogitsWarper(temperature)(None, scores))
        said = scores.softmax(-1).gather(1, torch.tensor(row.ids)[1:, None])[:, 0]
        return said[torch.tensor(row.mask[1:]).bool()]

    ratios = torch.cat([drawn_by(model, row) / drawn_by(engine, row) for row in rows])
    assert (ratios.log().abs() > 0.01).float().mean() > 0.5
    assert top_p == 1 or (ratios == 0).any()
    made = trainer(tmp_path, model, lambda: rows, importance_cap=CAP, temperature=temperature, top_p=top_p)
    made.train()
    (log,) = logs(made)
    assert log["importance/mean"] == pytest.approx(float(ratios.clamp(max=CAP).mean()), rel=1e-3)
    assert log["importance/capped"] == pytest.approx(float((ratios > CAP).float().mean()))
