"""How many rows go through the model at once is a matter of memory: the update stays the same."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel, Trainer
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

from rollout import Trajectory
from tests import tiny_models
from tests.trainers.lessons import played, settings, shaken
from trainers.adapters import with_adapter
from trainers.dpo import EpisodeDPOTrainer
from trainers.errors import TrainingError
from trainers.kto import EpisodeKTOTrainer
from trainers.pairs import preference_pairs
from trainers.sft import EpisodeSFTTrainer
from trainers.supervised import supervised_rows
from trainers.unpaired import unpaired_rows
from trainers.updates import SHARE, WholeUpdates

WORDS = tiny_models.tokenizer()
UPDATE = 4
Make = Callable[[PreTrainedModel, dict[str, Any]], Any]


def several(tasks: int = 11) -> list[Trajectory]:
    """Episodes of many lengths, two a task, of which one is solved: 11 pairs or 22 rows, so that updates of 4 leave a
    rest."""
    return [
        played(f"{'x' * (number % 3)}{number}", sample, float(sample), 3 * number + sample)
        for number in range(tasks)
        for sample in (0, 1)
    ]


def sft(model: PreTrainedModel, values: dict[str, Any]) -> Any:
    return EpisodeSFTTrainer(model, WORDS, supervised_rows(several()), SFTConfig(**values))


def dpo(model: PreTrainedModel, values: dict[str, Any]) -> Any:
    return EpisodeDPOTrainer(model, WORDS, preference_pairs(several()), DPOConfig(**values, beta=0.3))


def kto(model: PreTrainedModel, values: dict[str, Any]) -> Any:
    rows = unpaired_rows(several())
    return EpisodeKTOTrainer(model, WORDS, rows, KTOConfig(**values, beta=0.3, undesirable_weight=2.0))


def small(adapter: bool = False) -> PreTrainedModel:
    model = tiny_models.model(layers=1, width=32)
    torch.manual_seed(1)
    return with_adapter(model, r=4, alpha=8) if adapter else model


def trained(make: Make, folder: Path, rows: int, *, adapter: bool = False, update: int = UPDATE) -> Any:
    """A trainer after two epochs of plain gradient descent, `rows` rows a forward pass and `update` an update."""
    model = small(adapter)
    values = settings(
        folder,
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=update // rows,
        num_train_epochs=2,
        optim="sgd",
        learning_rate=0.05,
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
    )
    made = make(model, values)
    shaken(model)  # away from the reference, where KTO's point of reference is not 0
    made.begun = weights(model)
    made.train()
    return made


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in model.parameters() if weight.requires_grad]).clone()


@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize("make", [sft, dpo, kto])
def test_training_ends_at_the_same_weights_for_every_size_of_a_forward_pass(
    make: Make, adapter: bool, tmp_path: Path
) -> None:
    whole = trained(make, tmp_path, UPDATE, adapter=adapter)
    moved = weights(whole.model) - whole.begun
    for rows in (1, 2):
        parts = trained(make, tmp_path, rows, adapter=adapter)
        assert parts.state.global_step == whole.state.global_step
        error = (weights(parts.model) - parts.begun - moved).norm() / moved.norm()
        assert error < 1e-4
        losses = [[log["loss"] for log in one.state.log_history if "loss" in log] for one in (whole, parts)]
        assert losses[1] == pytest.approx(losses[0], rel=1e-3, abs=1e-5)


def test_the_rows_of_an_update_share_their_point_of_reference(tmp_path: Path) -> None:
    made = trained(kto, tmp_path, 1)
    parts, _ = made.get_batch_samples(iter(made.get_train_dataloader()), UPDATE, made.args.device)
    rows = list(made.train_dataset)[:UPDATE]
    with torch.no_grad():
        apart = []
        for row in rows:
            ids = torch.tensor([row["prompt_ids"] + row["KL_completion_ids"]])
            mask = torch.tensor([0] * len(row["prompt_ids"]) + row["KL_completion_mask"])[1:]
            logps = made.model(input_ids=ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
            apart.append(float((logps * mask).sum()) - row["ref_KL_logps"])
    expected = max(0.0, sum(apart) / UPDATE)
    assert expected > 0.01
    assert [float(-part["ref_KL_logps"]) for part in parts] == pytest.approx([expected] * UPDATE, rel=1e-3)
    assert all(row["KL_completion_ids"] in [other["completion_ids"] for other in rows] for row in rows)


def test_a_row_counts_the_same_in_a_pass_of_few_and_of_many(tmp_path: Path) -> None:
    made = dpo(small(), settings(tmp_path, per_device_train_batch_size=4, gradient_accumulation_steps=3))
    parts, _ = made.get_batch_samples(iter(made.get_train_dataloader()), 3, made.args.device)
    counts = [len(part["input_ids"]) // 2 for part in parts]
    assert counts == [4, 4, 3]
    assert [part[SHARE] / len(parts) for part in parts] == pytest.approx([4 / 11, 4 / 11, 3 / 11])


@pytest.mark.parametrize(
    ("make", "setting", "said"),
    [
        (dpo, {"loss_type": ["aot"]}, "'aot' depends on how a batch is cut: it sorts the rows"),
        (dpo, {"loss_type": ["sigmoid", "sft"]}, "'sft' depends on how a batch is cut: it averages over the tokens"),
        (sft, {"router_aux_loss_coef": 0.1}, "router_aux_loss_coef depends on how a batch is cut"),
    ],
)
def test_what_depends_on_the_cut_is_refused(make: Make, setting: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=said):
        make(small(), settings(tmp_path, **setting))


class TestTRL:
    """What 1.16 and transformers do and the trainers rely on."""

    def test_has_the_methods_that_are_overridden(self) -> None:
        names = ["self", "epoch_iterator", "num_batches", "device"]
        for kind in (Trainer, DPOTrainer, KTOTrainer, SFTTrainer, WholeUpdates):
            assert list(inspect.signature(kind.get_batch_samples).parameters) == names
        assert list(inspect.signature(KTOTrainer._compute_kl_logps).parameters) == ["self", "model", "batch"]
        for kind in (DPOTrainer, KTOTrainer, SFTTrainer):
            assert list(inspect.signature(kind.compute_loss).parameters)[1:3] == ["model", "inputs"]
            assert "_get_train_sampler" in dir(kind)

    def test_takes_the_mean_over_the_forward_passes_of_an_update(self) -> None:
        """Why a pass is scaled by its share; SFT divides by the tokens of the update by itself."""
        assert DPOTrainer.loss_is_scaled_for_ga is False
        assert KTOTrainer.loss_is_scaled_for_ga is False
        assert SFTTrainer.loss_is_scaled_for_ga is None

    def test_would_weigh_rows_by_the_size_of_their_pass(self, tmp_path: Path) -> None:
        """The reason for `WholeUpdates`; if this fails, they have mended it."""
        made = dpo(small(), settings(tmp_path, per_device_train_batch_size=4, gradient_accumulation_steps=3))
        parts, _ = Trainer.get_batch_samples(made, iter(made.get_train_dataloader()), 3, made.args.device)
        shaken(made.model)
        made.model.train()
        means = [float(DPOTrainer.compute_loss(made, made.model, dict(part)).detach()) for part in parts]
        counts = [len(part["input_ids"]) // 2 for part in parts]
        right = sum(mean * count for mean, count in zip(means, counts, strict=True)) / sum(counts)
        assert abs(sum(means) / len(means) - right) > 1e-4

    def test_takes_the_mean_of_the_divergences_and_nothing_else_of_them(self, tmp_path: Path) -> None:
        made = kto(small(), settings(tmp_path))
        made.model.train()
        (part,), _ = made.get_batch_samples(iter(made.get_train_dataloader()), 1, made.args.device)
        part.pop(SHARE)
        losses = []
        for values in ([-0.3, -0.3], [-0.6, 0.0], [-0.5, -0.5]):
            found = made._compute_loss(made.model, {**part, "ref_KL_logps": torch.tensor(values)}, False)
            losses.append(float(found))
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)
        assert losses[0] != pytest.approx(losses[2], rel=1e-6)
