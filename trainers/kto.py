"""Kahneman-Tversky optimisation (2402.01306) of whole episodes on TRL: the environment's tokens count for nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from transformers import PrinterCallback
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference, KTOTrainer

from trainers.adapters import unrounded
from trainers.arguments import no_rows, without_bars
from trainers.errors import TrainingError
from trainers.lengths import LikeLengths
from trainers.padding import causal_alone, padding_token
from trainers.unpaired import Unpaired
from trainers.updates import SHARE, WholeUpdates, refuse_by_cut, rows_of_update

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

_COLUMNS = ("prompt_ids", "completion_ids", "completion_mask", "label")


class EpisodeCollator(DataCollatorForUnpairedPreference):
    """TRL's collator, whose `completion_mask` and `KL_completion_mask` are 1 on what the model sampled, and not on the
    whole answer."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """B rows of L tokens, and as many mismatched ones for the estimate of the divergence."""
        batch: dict[str, Any] = super().torch_call(examples)
        for name in ("completion_mask", "KL_completion_mask"):
            if name in batch:
                answer = batch[name].bool()
                batch[name][answer] = torch.tensor([sampled for example in examples for sampled in example[name]])
        return batch


class EpisodeKTOTrainer(WholeUpdates, KTOTrainer):
    """TRL's trainer on episodes that are each called good or bad.

    The reference is the model as it is handed over, as in `trainers.dpo.EpisodeDPOTrainer`.

    Overridden are `_prepare_dataset` and `_set_signature_columns_if_needed`, since rows come as token ids with masks,
    `compute_loss` and `compute_ref_log_probs`, to leave out the attention mask, and `get_batch_samples` and
    `_compute_kl_logps` for the point of reference.

    That is the divergence from the reference (z0 in equation 7), estimated on answers set behind another prompt of the
    same update, one of another task wherever there is one. All rows of an update share it, so that how many go through
    the model at once changes nothing; TRL has one for each forward pass. The order of rows is fixed, with rows of like
    length together; every epoch has the same.

    Args:
        model: trained in place, with an adapter or without; `trainers.lending.lent` gives it back as it was.
        tokenizer: for its padding token.
        unpaired: to learn from, good ones and bad ones.
        args: TRL's; `Unpaired.weights` are those for which both classes weigh the same.
        callbacks: of the trainer.

    Raises:
        DataError: if there are no good ones or no bad ones, or the tokenizer has nothing to pad with.
        TrainingError: if an update has only one row, or a setting makes it depend on the size of a forward pass.
    """

    _signature_columns: Any

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        unpaired: Unpaired,
        args: KTOConfig,
        *,
        callbacks: list[TrainerCallback] | None = None,
    ) -> None:
        if unpaired.good in (0, len(unpaired.rows)):
            missing = "bad" if unpaired.good else "good"
            remedy = "Collect more episodes, of tasks that are solved sometimes but not always"
            raise no_rows(f"no {missing} episode among {len(unpaired.rows)} rows", unpaired.left_out, remedy)
        refuse_by_cut(args)
        update, pass_rows = rows_of_update(args), args.per_device_train_batch_size
        if update < 2:
            raise TrainingError(
                "KTO compares the rows of an update with one another", remedy="Set train_batch_size to 2 or more."
            )
        args = copy.copy(args)
        args.max_length = None
        args.precompute_ref_log_probs = True
        args.train_sampling_strategy = "sequential"
        args.precompute_ref_batch_size = pass_rows
        args.per_device_train_batch_size = max(2, pass_rows)  # TRL, which compares within a pass, refuses 1
        self._rows_of_update = update
        lengths = [len(row["prompt_ids"]) + len(row["completion_ids"]) for row in unpaired.rows]
        order = LikeLengths(lengths, update, args.seed)
        rows = [{name: unpaired.rows[number][name] for name in _COLUMNS} for number in order]
        with without_bars(), unrounded(model):
            super().__init__(
                model=model,
                args=args,
                data_collator=EpisodeCollator(padding_token(tokenizer)),
                train_dataset=Dataset.from_list(rows),
                processing_class=tokenizer,
                callbacks=callbacks,
            )
        self.remove_callback(PrinterCallback)
        self.args.per_device_train_batch_size = self._train_batch_size = pass_rows
        self.aux_loss_enabled = False  # a mixture of experts' own loss averages within a forward pass

    def _prepare_dataset(self, dataset: Dataset, processing_class: Any, args: KTOConfig, dataset_name: str) -> Dataset:
        if not self.calculate_KL:
            return dataset
        return Dataset.from_list(with_mismatched(dataset.to_list(), self._rows_of_update))

    def _set_signature_columns_if_needed(self) -> None:
        kl = ("KL_completion_ids", "KL_completion_mask", "ref_KL_logps") if self.calculate_KL else ()
        self._signature_columns = [*_COLUMNS, "ref_logps", *kl]

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """The forward passes of the next update, with the point of reference that they share."""
        parts, count = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.calculate_KL and parts:
            with self.compute_loss_context_manager():
                apart = torch.cat([self._divergences(self._prepare_inputs(part)) for part in parts])
            reference = apart.mean().clamp(min=0)
            for part in parts:
                for name in ("KL_input_ids", "KL_attention_mask", "KL_completion_mask"):
                    del part[name]
                # TRL takes the mean of the divergences, and that is all it takes them for.
                part["ref_KL_logps"] = -reference.expand(len(part["label"]))
        return parts, count

    def _divergences(self, part: dict[str, Any]) -> torch.Tensor:
        """(B,): how much likelier each mismatched answer is to the model than to the reference, in nats."""
        part = {name: value for name, value in part.items() if name != SHARE}
        with causal_alone(self.model):
            found: torch.Tensor = super()._compute_kl_logps(self.model, part)  # type: ignore[no-untyped-call]
        difference: torch.Tensor = found.float() - part["ref_KL_logps"]
        return difference

    def _compute_kl_logps(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        """Zeros: `ref_KL_logps` holds what is left to subtract."""
        return torch.zeros_like(batch["ref_KL_logps"])

    def compute_loss(self, *args: Any, **options: Any) -> Any:
        with causal_alone(self.model):
            return super().compute_loss(*args, **options)

    def compute_ref_log_probs(self, *args: Any) -> Any:
        with causal_alone(self.model):
            return super().compute_ref_log_probs(*args)  # type: ignore[no-untyped-call]


def with_mismatched(rows: Sequence[dict[str, Any]], batch: int) -> list[dict[str, Any]]:
    """The rows, each with another's answer as `KL_completion_ids` and `KL_completion_mask`.

    Within every `batch` rows the answers are shifted by as many places as leave the fewest behind a prompt of their
    own; a batch of a single row gets the first answer of all.

    Args:
        rows: in the order of training.
        batch: rows of an update.
    """
    found = []
    for first in range(0, len(rows), batch):
        here = rows[first : first + batch]
        others = min((_shifted(here, by) for by in range(1, len(here))), key=lambda to: _own(here, to), default=rows)
        found += [
            {**row, "KL_completion_ids": other["completion_ids"], "KL_completion_mask": other["completion_mask"]}
            for row, other in zip(here, others, strict=False)
        ]
    return found


def _shifted(rows: Sequence[dict[str, Any]], by: int) -> list[dict[str, Any]]:
    return [*rows[by:], *rows[:by]]


def _own(rows: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]) -> int:
    """How many would answer their own prompt."""
    return sum(row["prompt_ids"] == other["prompt_ids"] for row, other in zip(rows, others, strict=True))
