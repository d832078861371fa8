"""The preference loss of episodes: as by hand, blind to the environment's tokens, against the model as it came."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel
from trl import DPOConfig, DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from envs.errors import DataError
from tests import tiny_models
from tests.trainers.lessons import learned, logprob, settings, several, shaken
from trainers.adapters import with_adapter
from trainers.dpo import EpisodeDPOTrainer, EpisodePairCollator
from trainers.pairs import Pairs, preference_pairs

PAIRS = preference_pairs(several())
BETA = 0.3


def trainer(folder: Path, model: PreTrainedModel, pairs: Pairs = PAIRS, **more: Any) -> EpisodeDPOTrainer:
    return EpisodeDPOTrainer(model, tiny_models.tokenizer(), pairs, DPOConfig(**settings(folder, beta=BETA, **more)))


def small(adapter: bool) -> PreTrainedModel:
    model = tiny_models.model(layers=2)
    return with_adapter(model, r=4, alpha=8) if adapter else model


def sides(row: dict[str, Any]) -> list[tuple[list[int], list[int]]]:
    return [
        (row["prompt_ids"] + row[f"{side}_ids"], [0] * len(row["prompt_ids"]) + row[f"{side}_mask"])
        for side in ("chosen", "rejected")
    ]


def test_trls_collator_counts_the_environments_tokens_and_ours_does_not() -> None:
    theirs = DataCollatorForPreference(0)(PAIRS.rows)
    ours = EpisodePairCollator(0)(PAIRS.rows)
    masks = [mask for side in (0, 1) for mask in (sides(row)[side][1] for row in PAIRS.rows)]
    assert ours["completion_mask"].tolist() == [mask + [0] * (ours["input_ids"].shape[1] - len(mask)) for mask in masks]
    assert theirs["completion_mask"].sum() > ours["completion_mask"].sum()
    assert all(torch.equal(theirs[name], ours[name]) for name in ("input_ids", "attention_mask"))


@pytest.mark.parametrize("adapter", [False, True])
def test_the_loss_by_hand_after_the_weights_have_moved(tmp_path: Path, adapter: bool) -> None:
    model = small(adapter)
    if adapter:
        shaken(model)  # an adapter that has learned something: it is part of the reference
    before = [[logprob(model, *side) for side in sides(row)] for row in PAIRS.rows]
    made = trainer(tmp_path, model)
    assert made.ref_model is None
    shaken(model)
    after = [[logprob(model, *side) for side in sides(row)] for row in PAIRS.rows]
    gaps = [(now[0] - was[0]) - (now[1] - was[1]) for now, was in zip(after, before, strict=True)]
    expected = -torch.stack([torch.nn.functional.logsigmoid(BETA * gap) for gap in gaps]).mean()
    rows = list(made.train_dataset)
    loss = made.compute_loss(made.model, made.data_collator(rows))
    assert abs(expected.item() - math.log(2)) > 0.01
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("adapter", [False, True])
def test_no_gradient_comes_from_tokens_that_nobody_sampled(tmp_path: Path, adapter: bool) -> None:
    made = trainer(tmp_path, small(adapter))
    inputs = made.data_collator(list(made.train_dataset))
    assert torch.equal(learned(made, inputs), inputs["completion_mask"].bool())


@pytest.mark.parametrize("adapter", [False, True])
def test_the_first_loss_is_log_two_and_training_widens_the_margin(tmp_path: Path, adapter: bool) -> None:
    made = trainer(tmp_path, small(adapter), num_train_epochs=6, lr_scheduler_type="constant", learning_rate=3e-3)
    frozen = {name: weight.clone() for name, weight in made.model.named_parameters() if not weight.requires_grad}
    made.train()
    log = [entry for entry in made.state.log_history if "loss" in entry]
    assert log[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert log[-1]["rewards/margins"] > log[0]["rewards/margins"] + 0.1
    assert all(torch.equal(weight, frozen.get(name, weight)) for name, weight in made.model.named_parameters())


def test_the_masks_reach_the_loss_through_the_loader_and_nothing_is_cut(tmp_path: Path) -> None:
    made = trainer(tmp_path, small(False), max_length=4)
    batches = list(made.get_train_dataloader())
    expected = sum(sum(row["chosen_mask"] + row["rejected_mask"]) for row in PAIRS.rows)
    assert sum(int(batch["completion_mask"].sum()) for batch in batches) == expected
    assert all({"ref_chosen_logps", "ref_rejected_logps"} <= set(batch) for batch in batches)


def test_trl_still_has_what_is_overridden(tmp_path: Path) -> None:
    signature = inspect.signature(DPOTrainer._prepare_dataset)
    assert list(signature.parameters) == ["self", "dataset", "processing_class", "args", "dataset_name"]
    made = trainer(tmp_path, small(False))
    ours, made._signature_columns = made._signature_columns or [], None
    DPOTrainer._set_signature_columns_if_needed(made)
    theirs, made._signature_columns = made._signature_columns, None
    made._set_signature_columns_if_needed()
    assert ours in ([], made._signature_columns)
    assert set(made._signature_columns) - set(theirs) == {"chosen_mask", "rejected_mask"}
    assert set(theirs) <= set(made._signature_columns)


def test_no_pairs_are_an_error_that_says_why(tmp_path: Path) -> None:
    nothing = Pairs(left_out=Counter({"no partner of another score": 8}))
    with pytest.raises(DataError, match=r"no pair of episodes\. .*8 no partner of another score"):
        trainer(tmp_path, small(False), nothing)
