"""The tensors in TRL's own loss: what it takes, and that nothing counts but what the model said."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from rollout import Trajectory
from tests import tiny_models
from tests.trainers.episodes import episode, step
from trainers.batch import Row, collate, make_batch, rows_of, with_null_rows

PER_TOKEN = ("dapo", "cispo")
PER_ROW = ("grpo", "dr_grpo")
PAD = 0


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> GRPOTrainer:
    torch.set_num_threads(1)
    args = GRPOConfig(
        output_dir=str(tmp_path_factory.mktemp("trl")),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=2,
        num_generations=2,
        max_completion_length=64,
        report_to="none",
    )
    made = GRPOTrainer(
        model=tiny_models.model(layers=2),
        processing_class=tiny_models.tokenizer(),
        reward_funcs=lambda completions, **more: [0.0] * len(completions),
        args=args,
        train_dataset=Dataset.from_dict({"prompt": ["go", "look"]}),
    )
    made.current_gradient_accumulation_steps = 1
    made.args.steps_per_generation = 1
    made.model.train()
    return made


def played(seed: int, turns: int, window: int | None) -> Trajectory:
    """An episode of random ids; with a window each prompt is the opening and the last turns, as sampled."""
    draw = random.Random(seed)

    def ids() -> list[int]:
        return [draw.randrange(10, 400) for _ in range(draw.randint(1, 5))]

    opening, past, steps = ids(), [], []
    for _ in range(turns):
        said, shown = ids(), ids()
        kept = [] if window is None else past[max(0, len(past) - window) :]
        prompt = opening + [id for turn in kept for id in turn]
        if window is None and steps:
            prompt = past[-1][len(steps[-1].tokens.completion_ids) :]
        steps.append(step(prompt, said))
        past.append([*said, *shown])
    return episode(f"t{seed}", 0, 1.0, *steps, window=window)


def rows(*several: Trajectory) -> list[Row]:
    advantages = {whole.id: np.cos(np.arange(len(whole.steps))) for whole in several}
    return make_batch(several, advantages).rows


def loss_and_gradient(
    trainer: GRPOTrainer, kind: str, batch: Sequence[Row], **change: torch.Tensor
) -> tuple[float, torch.Tensor]:
    trainer.loss_type = kind
    inputs = {**collate(batch, PAD), **change}
    # Old logprobs about those of a random model, so that ratios differ and some are clipped.
    inputs["old_per_token_logps"] = -6.0 - (inputs["completion_ids"] % 7) / 5
    trainer.model.zero_grad()
    loss = trainer._compute_loss(trainer.model, inputs)
    loss.backward()
    gradient = torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None])
    return loss.item(), gradient.clone()


def same(one: tuple[float, torch.Tensor], other: tuple[float, torch.Tensor], scale: float = 1.0) -> None:
    assert one[0] == pytest.approx(scale * other[0], rel=1e-5, abs=1e-7)
    # In another order sums round otherwise: by the size of what is summed, however little is left of it.
    rounding = 4e-6 * float(other[1].abs().max())
    torch.testing.assert_close(one[1], scale * other[1], rtol=1e-4, atol=scale * rounding)


@pytest.mark.parametrize("kind", [*PER_TOKEN, *PER_ROW])
def test_the_environments_tokens_count_for_nothing(trainer: GRPOTrainer, kind: str) -> None:
    batch = rows(played(1, 4, None), played(2, 2, None))
    before = loss_and_gradient(trainer, kind, batch)
    tensors = collate(batch, PAD)
    outside = tensors["completion_mask"] * tensors["tool_mask"] == 0
    after = loss_and_gradient(trainer, kind, batch, advantages=tensors["advantages"].masked_fill(outside, 1e3))
    assert before[0] != 0
    assert after[0] == before[0]
    assert torch.equal(after[1], before[1])


@pytest.mark.parametrize("kind", [*PER_TOKEN, *PER_ROW])
def test_the_gradient_on_tokens_that_nobody_sampled_is_exactly_zero(
    trainer: GRPOTrainer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = with_null_rows(rows(played(1, 4, None), played(2, 3, 1)), 4, PAD)
    logps = []
    compute = trainer._get_per_token_logps_and_entropies

    def spy(*args: object, **options: object) -> tuple[torch.Tensor, ...]:
        found = compute(*args, **options)
        found[0].retain_grad()
        logps.append(found[0])
        return found

    monkeypatch.setattr(trainer, "_get_per_token_logps_and_entropies", spy)
    loss_and_gradient(trainer, kind, batch)
    tensors = collate(batch, PAD)
    trained = (tensors["completion_mask"] * tensors["tool_mask"]).bool()
    (gradient,) = (of.grad for of in logps)
    assert torch.equal(gradient[~trained], torch.zeros_like(gradient[~trained]))
    assert gradient[trained].abs().sum() > 0


@pytest.mark.parametrize("kind", PER_TOKEN)
def test_null_rows_count_for_nothing(trainer: GRPOTrainer, kind: str) -> None:
    batch = rows(played(1, 4, None), played(2, 2, None), played(3, 3, None))
    padded = with_null_rows(batch, 8, PAD)
    assert len(padded) == 8
    only = loss_and_gradient(trainer, kind, padded[3:])
    assert (only[0], only[1].abs().max()) == (0.0, 0.0)
    same(loss_and_gradient(trainer, kind, padded), loss_and_gradient(trainer, kind, batch))


@pytest.mark.parametrize("kind", PER_ROW)
def test_where_a_loss_is_a_mean_over_rows_null_rows_only_scale_it_by_what_the_batch_says(
    trainer: GRPOTrainer, kind: str
) -> None:
    batch = rows(played(1, 4, None), played(2, 2, None), played(3, 3, None))
    padded = with_null_rows(batch, 8, PAD)
    scale = len(padded) / int(collate(padded, PAD)["num_rows_in_batch"])
    same(loss_and_gradient(trainer, kind, batch), loss_and_gradient(trainer, kind, padded), scale)


@pytest.mark.parametrize("kind", PER_TOKEN)
def test_a_merged_row_teaches_what_a_row_a_turn_teaches(trainer: GRPOTrainer, kind: str) -> None:
    whole = played(5, 5, 9)
    merged = rows(whole)
    values = np.cos(np.arange(5))
    # Each turn alone, as an episode of one turn under a window that keeps nothing.
    parts = [(replace(whole, steps=(turn,)), values[number : number + 1]) for number, turn in enumerate(whole.steps)]
    alone = [row for part, value in parts for row in rows_of(part, value)]
    assert (len(merged), len(alone)) == (1, 5)
    same(loss_and_gradient(trainer, kind, merged), loss_and_gradient(trainer, kind, alone))


def test_the_buffer_of_trl_shuffles_and_splits_the_tensors(trainer: GRPOTrainer) -> None:
    from trl.trainer.utils import shuffle_sequence_dict, split_tensor_dict

    batch = with_null_rows(rows(*(played(seed, 3, None) for seed in range(7))), 4, PAD)
    parts = split_tensor_dict(shuffle_sequence_dict(collate(batch, PAD)), 4)
    assert sum(int(part["tool_mask"].sum()) for part in parts) == int(parts[0]["num_items_in_batch"])
    assert all(int(part["num_rows_in_batch"]) == 7 for part in parts)
