"""Rows are learned as they are, whole and in batches of like length, and only where they are labelled."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from trl import SFTConfig

from envs.errors import DataError
from tests import tiny_models
from tests.trainers.lessons import learned, logprob, settings, several
from trainers.errors import TrainingError
from trainers.sft import EpisodeSFTTrainer
from trainers.supervised import IGNORED, SupervisedRows, supervised_rows

ROWS = supervised_rows(several(), successes_only=False)


def trainer(folder: Path, rows: SupervisedRows = ROWS, **more: object) -> EpisodeSFTTrainer:
    args = SFTConfig(**settings(folder, **more))
    return EpisodeSFTTrainer(tiny_models.model(layers=2), tiny_models.tokenizer(), rows, args)


def test_every_row_comes_whole_though_trl_would_cut_it(tmp_path: Path) -> None:
    made = trainer(tmp_path, max_length=4)
    batches = list(made.get_train_dataloader())
    assert max(map(len, (row["input_ids"] for row in ROWS.rows))) > 4
    assert sum(int(batch["attention_mask"].sum()) for batch in batches) == ROWS.batch.tokens
    assert sum(int((batch["labels"] != IGNORED).sum()) for batch in batches) == ROWS.batch.trained_tokens


def test_the_loss_by_hand_and_no_gradient_on_tokens_that_nobody_sampled(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    inputs = made.data_collator(ROWS.rows)
    rows = [(row["input_ids"], [int(label != IGNORED) for label in row["labels"]]) for row in ROWS.rows]
    total = sum(logprob(made.model, *row) for row in rows)
    loss = made.compute_loss(made.model, dict(inputs))
    assert loss.item() == pytest.approx(-total.item() / ROWS.batch.trained_tokens, rel=1e-5)
    assert torch.equal(learned(made, dict(inputs)), inputs["labels"] != IGNORED)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    made = trainer(tmp_path, num_train_epochs=8, lr_scheduler_type="constant")
    made.train()
    losses = [entry["loss"] for entry in made.state.log_history if "loss" in entry]
    assert len(losses) == 24
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])


def test_no_rows_and_packing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no episode to imitate\. .*3 not a success"):
        trainer(tmp_path, SupervisedRows([], Counter({"not a success": 3})))
    with pytest.raises(TrainingError, match="packed"):
        trainer(tmp_path, packing=True)
