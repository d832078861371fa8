"""The loss of episodes called good or bad: as by hand, blind to the environment's tokens."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel
from trl import KTOConfig, KTOTrainer

from envs.errors import DataError
from tests import tiny_models
from tests.trainers.episodes import failed
from tests.trainers.lessons import learned, logprob, played, settings, several, shaken
from trainers.adapters import with_adapter
from trainers.errors import TrainingError
from trainers.kto import EpisodeKTOTrainer, with_mismatched
from trainers.unpaired import Unpaired, unpaired_rows

ROWS = unpaired_rows(several())
BETA = 0.3


def trainer(folder: Path, model: PreTrainedModel, rows: Unpaired = ROWS, **more: Any) -> EpisodeKTOTrainer:
    args = KTOConfig(**settings(folder, beta=BETA, undesirable_weight=2.0, **more))
    return EpisodeKTOTrainer(model, tiny_models.tokenizer(), rows, args)


def small(adapter: bool) -> PreTrainedModel:
    model = tiny_models.model(layers=2)
    return with_adapter(model, r=4, alpha=8) if adapter else model


def whole(row: dict[str, Any], kl: str = "") -> tuple[list[int], list[int]]:
    return row["prompt_ids"] + row[f"{kl}completion_ids"], [0] * len(row["prompt_ids"]) + row[f"{kl}completion_mask"]


@pytest.mark.parametrize("adapter", [False, True])
def test_the_loss_by_hand_after_the_weights_have_moved(tmp_path: Path, adapter: bool) -> None:
    model = small(adapter)
    made = trainer(tmp_path, model)
    rows = list(made.train_dataset)
    was = [[logprob(model, *whole(row, kl)) for kl in ("", "KL_")] for row in rows]
    shaken(model)
    now = [[logprob(model, *whole(row, kl)) for kl in ("", "KL_")] for row in rows]
    for first in range(0, len(rows), 2):
        here = slice(first, first + 2)
        ratios = [
            (after[0] - before[0], after[1] - before[1]) for after, before in zip(now[here], was[here], strict=True)
        ]
        divergence = torch.stack([kl for _, kl in ratios]).mean().clamp(min=0)
        losses = [
            1 - torch.sigmoid(BETA * (ratio - divergence))
            if row["label"]
            else 2 * (1 - torch.sigmoid(BETA * (divergence - ratio)))
            for row, (ratio, _) in zip(rows[here], ratios, strict=True)
        ]
        (batch,), _ = made.get_batch_samples(iter([made.data_collator(rows[here])]), 1, made.args.device)
        loss = made.compute_loss(made.model, batch)
        assert loss.item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-4)


@pytest.mark.parametrize("adapter", [False, True])
def test_no_gradient_comes_from_tokens_that_nobody_sampled(tmp_path: Path, adapter: bool) -> None:
    made = trainer(tmp_path, small(adapter))
    inputs = made.data_collator(list(made.train_dataset))
    assert torch.equal(learned(made, dict(inputs)), inputs["completion_mask"].bool())


def test_both_masks_reach_the_loss_through_the_loader(tmp_path: Path) -> None:
    made = trainer(tmp_path, small(False), max_length=4)
    batches = list(made.get_train_dataloader())
    sampled = sum(sum(row["completion_mask"]) for row in ROWS.rows)
    for name in ("completion_mask", "KL_completion_mask"):
        assert sum(int(batch[name].sum()) for batch in batches) == sampled


def test_training_tells_good_from_bad(tmp_path: Path) -> None:
    made = trainer(tmp_path, small(False), num_train_epochs=6, lr_scheduler_type="constant", learning_rate=3e-3)
    made.train()
    log = [entry["rewards/margins"] for entry in made.state.log_history if "rewards/margins" in entry]
    assert log[0] == pytest.approx(0, abs=1e-4)
    assert log[-1] > 0.1


def test_answers_are_set_behind_prompts_of_other_tasks() -> None:
    rows = [
        {"prompt_ids": [task], "completion_ids": [n], "completion_mask": [1]} for n, task in enumerate([1, 1, 2, 2])
    ]
    found = with_mismatched(rows, 4)
    assert sorted(row["KL_completion_ids"] for row in found) == [[0], [1], [2], [3]]
    assert all(rows[row["KL_completion_ids"][0]]["prompt_ids"] != row["prompt_ids"] for row in found)
    assert [row["KL_completion_ids"] for row in with_mismatched(rows[:3], 2)] == [[1], [0], [0]]


def test_trl_still_has_what_is_overridden(tmp_path: Path) -> None:
    signature = inspect.signature(KTOTrainer._prepare_dataset)
    assert list(signature.parameters) == ["self", "dataset", "processing_class", "args", "dataset_name"]
    made = trainer(tmp_path, small(False))
    made._signature_columns = None
    KTOTrainer._set_signature_columns_if_needed(made)
    theirs, made._signature_columns = made._signature_columns, None
    made._set_signature_columns_if_needed()
    assert set(made._signature_columns) == {*theirs, "completion_mask", "KL_completion_mask"}


def test_one_class_alone_and_one_row_an_update_are_refused(tmp_path: Path) -> None:
    bad = unpaired_rows([played("a", 0, 0.0, 1), played("b", 0, 0.0, 2), failed("c")])
    with pytest.raises(DataError, match=r"no good episode among 2 rows\. .*1 failed outside the model"):
        trainer(tmp_path, small(False), bad)
    with pytest.raises(DataError, match="no bad episode among 1 rows"):
        trainer(tmp_path, small(False), unpaired_rows([played("a", 0, 1.0, 1)]))
    with pytest.raises(TrainingError, match="train_batch_size to 2"):
        trainer(tmp_path, small(False), per_device_train_batch_size=1)
    trainer(tmp_path, small(False), per_device_train_batch_size=1, gradient_accumulation_steps=2)
