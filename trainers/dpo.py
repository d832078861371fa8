"""Direct preference optimisation (2305.18290) of whole episodes on TRL: the environment's tokens count for nothing."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from torch.utils.data import Sampler
from transformers import PrinterCallback
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DataCollatorForPreference, DPOTrainer

from trainers.adapters import unrounded
from trainers.arguments import no_rows, without_bars
from trainers.lengths import LikeLengths
from trainers.padding import causal_alone, padding_token
from trainers.pairs import Pairs
from trainers.updates import WholeUpdates, refuse_by_cut, rows_of_update

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

_BY_CUT = {
    "aot": "it sorts the rows of a forward pass",
    "aot_unpaired": "it sorts the rows of a forward pass",
    "sft": "it averages over the tokens of a forward pass",
}
_COLUMNS = ("prompt_ids", "chosen_ids", "rejected_ids", "chosen_mask", "rejected_mask")


class EpisodePairCollator(DataCollatorForPreference):
    """TRL's collator, whose `completion_mask` of shape (2B, L) is 1 on what the model sampled, and not on the whole
    answer."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """B pairs as 2B rows of L tokens: the chosen sides, then the rejected ones."""
        batch: dict[str, Any] = super().torch_call(examples)
        answer = batch["completion_mask"].bool()
        masks = [example[side] for side in ("chosen_mask", "rejected_mask") for example in examples]
        # Both go row by row and token by token, so an answer's n-th token meets its mask's n-th number.
        batch["completion_mask"][answer] = torch.tensor([sampled for mask in masks for sampled in mask])
        return batch


class EpisodeDPOTrainer(WholeUpdates, DPOTrainer):
    """TRL's trainer on pairs of episodes.

    The reference is the model as it is handed over, with its adapter if it has one: its logprobs are computed before
    the first update, so that no copy of the model is kept. (TRL would load one from the folder or the hub that the
    model once came from, which in a later round is another model.)

    Overridden are `_prepare_dataset` and `_set_signature_columns_if_needed`, since rows come as token ids with masks,
    `_get_train_sampler`, for batches of like length, and `compute_loss` and `compute_ref_log_probs`, to leave out the
    attention mask. Pairs are cut by `preference_pairs`, which counts what it cuts, so `max_length` is of no account
    here. How many go through the model at once changes no update (`trainers.updates`).

    Args:
        model: trained in place, with an adapter or without; `trainers.lending.lent` gives it back as it was.
        tokenizer: for its padding token.
        pairs: to learn from.
        args: TRL's.
        callbacks: of the trainer.

    Raises:
        DataError: if there are no pairs, or the tokenizer has nothing to pad with.
        TrainingError: if the loss depends on the size of a forward pass.
    """

    _signature_columns: Any

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        pairs: Pairs,
        args: DPOConfig,
        *,
        callbacks: list[TrainerCallback] | None = None,
    ) -> None:
        if not pairs.rows:
            remedy = (
                "Play each task several times (--num-generations 8, or collect with --per-task 8), or tasks that "
                "are solved sometimes but not always"
            )
            raise no_rows("no pair of episodes", pairs.left_out, remedy)
        refuse_by_cut(args, _BY_CUT)
        args = copy.copy(args)
        args.max_length = None
        args.precompute_ref_log_probs = True
        # In the order of lengths for the reference's pass, which takes rows as they stand.
        rows = sorted(({name: row[name] for name in _COLUMNS} for row in pairs.rows), key=_length)
        self._lengths = [_length(row) for row in rows]
        with without_bars(), unrounded(model):
            super().__init__(
                model=model,
                args=args,
                data_collator=EpisodePairCollator(padding_token(tokenizer)),
                train_dataset=Dataset.from_list(rows),
                processing_class=tokenizer,
                callbacks=callbacks,
            )
        self.remove_callback(PrinterCallback)
        self.aux_loss_enabled = False  # a mixture of experts' own loss averages within a forward pass

    def _prepare_dataset(self, dataset: Dataset, processing_class: Any, args: DPOConfig, dataset_name: str) -> Dataset:
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = [*_COLUMNS, "ref_chosen_logps", "ref_rejected_logps"]

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        return LikeLengths(self._lengths, rows_of_update(self.args), self.args.seed)

    def compute_loss(self, *args: Any, **options: Any) -> Any:
        with causal_alone(self.model):
            return super().compute_loss(*args, **options)

    def compute_ref_log_probs(self, *args: Any) -> Any:
        with causal_alone(self.model):
            return super().compute_ref_log_probs(*args)  # type: ignore[no-untyped-call]


def _length(row: dict[str, Any]) -> int:
    return len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))
