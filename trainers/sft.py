"""Supervised fine-tuning on TRL: on demonstrations, or on what the model itself has solved."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from torch.utils.data import Sampler
from transformers import PrinterCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

from trainers.adapters import unrounded
from trainers.arguments import no_rows, without_bars
from trainers.errors import TrainingError
from trainers.lengths import LikeLengths
from trainers.padding import causal_alone, padding_token
from trainers.supervised import SupervisedRows
from trainers.updates import refuse_by_cut, rows_of_update

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback


class EpisodeSFTTrainer(SFTTrainer):
    """TRL's trainer on rows of token ids, in batches of like length.

    The rows are taken as they are: `trainers.supervised.supervised_rows` has cut them and counted what it cut, so
    `max_length` is of no account here. Two methods are overridden: `_get_train_sampler`, and `compute_loss`, to leave
    out the attention mask. An update is the mean over its tokens, however many rows go through the model at once; with
    dropout, up to what is drawn.

    Args:
        model: trained in place, with an adapter or without; `trainers.lending.lent` gives it back as it was.
        tokenizer: for its padding token.
        rows: to imitate.
        args: TRL's.
        callbacks: of the trainer.

    Raises:
        DataError: if there are no rows, or the tokenizer has nothing to pad with.
        TrainingError: if rows are to be packed, or a setting makes the update depend on the size of a forward pass.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        rows: SupervisedRows,
        args: SFTConfig,
        *,
        callbacks: list[TrainerCallback] | None = None,
    ) -> None:
        if args.packing or args.padding_free:
            raise TrainingError(
                "packed rows see one another but for a special attention kernel, and rows of like length pad little",
                remedy="Leave packing and padding_free off.",
            )
        if not rows.rows:
            raise no_rows("no episode to imitate", rows.left_out, "Collect more episodes, or easier tasks")
        refuse_by_cut(args)
        args = copy.copy(args)
        args.max_length = None
        args.dataset_kwargs = {"skip_prepare_dataset": True}
        self._lengths = [len(row["input_ids"]) for row in rows.rows]
        with without_bars(), unrounded(model):
            super().__init__(
                model=model,
                args=args,
                data_collator=DataCollatorForLanguageModeling(padding_token(tokenizer)),
                train_dataset=Dataset.from_list(rows.rows),
                processing_class=tokenizer,
                callbacks=callbacks,
            )
        self.remove_callback(PrinterCallback)
        self.aux_loss_enabled = False  # a mixture of experts' own loss averages within a forward pass

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        return LikeLengths(self._lengths, rows_of_update(self.args), self.args.seed)

    def compute_loss(self, *args: Any, **options: Any) -> Any:
        with causal_alone(self.model):
            return super().compute_loss(*args, **options)  # type: ignore[no-untyped-call]
