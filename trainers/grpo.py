"""Group-relative policy optimisation on TRL: its losses, fed with whole episodes of many turns.

`EpisodeGRPOTrainer` overrides three methods of `trl.GRPOTrainer` 1.16 and no more:

- `__init__`: there is no dataset of prompts and no reward function; rows come from a callable.
- `_generate_and_score_completions`: asks that callable, pads, and adds what the loss compares with.
- `compute_loss`: in micro-batches of rows of like length, each cut to its own width.

TRL's loss takes advantages of shape (B, T), so the credit may differ by turn; gradients on tokens that nobody sampled
are exactly 0 (`tests/trainers/test_batch_in_trl.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from transformers import PrinterCallback
from trl.models.utils import disable_gradient_checkpointing
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from trainers.batch import Row, collate, with_null_rows
from trainers.errors import TrainingError
from trainers.padding import causal_alone

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

log = logging.getLogger(__name__)

PER_TOKEN = ("dapo", "cispo")
PER_ROW = ("grpo", "dr_grpo", "sapo")
LOSSES = (*PER_TOKEN, *PER_ROW)
"""TRL's losses that do not depend on how a batch is cut into micro-batches. The others (bnpo, luspo, vespo) average
within a micro-batch, or weigh by its widest row."""


class EpisodeGRPOTrainer(GRPOTrainer):
    """A GRPO trainer whose every generation is a batch of rows made by the caller.

    A step of the trainer is one update; `steps_per_generation * num_iterations` updates are made of one generation.
    `per_device_train_batch_size` is the number of rows of one forward pass; gradient accumulation has no part in this.

    Args:
        model: trained in place; with an adapter, only that is trained.
        tokenizer: for its padding token.
        args: TRL's; `max_completion_length` is the constant that `dr_grpo` divides by.
        rows: plays the episodes of the next generation and gives their rows; called in the main process only.
        importance_cap: the most that a token weighs for having been likelier under the trainer than under the engine
            that sampled it (truncated importance sampling, 2510.18855 and TRL's `token_truncate`); None does without,
            which is right where both compute the same numbers.
        callbacks: of the trainer.

    Raises:
        TrainingError: if the loss depends on the cut into micro-batches, or the backend cannot accumulate them.
    """

    args: GRPOConfig

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        args: GRPOConfig,
        rows: Callable[[], Sequence[Row]],
        *,
        importance_cap: float | None = None,
        callbacks: list[TrainerCallback] | None = None,
    ) -> None:
        if args.loss_type not in LOSSES:
            raise TrainingError(
                f"the loss {args.loss_type!r} depends on how a batch is cut", remedy=f"Use one of {', '.join(LOSSES)}."
            )
        if args.gradient_accumulation_steps != 1:
            raise TrainingError(
                "gradients are accumulated over a generation as it is",
                remedy="Leave gradient_accumulation_steps at 1; per_device_train_batch_size bounds the memory.",
            )
        self._rows = rows
        self._importance_cap = importance_cap
        # TRL wants prompts to draw from; ours come from the environments, so these are only counted.
        places = Dataset.from_dict({"prompt": [""] * max(1, args.generation_batch_size // args.num_generations)})
        super().__init__(
            model=model,
            reward_funcs=_nothing,
            args=args,
            train_dataset=places,
            processing_class=tokenizer,
            callbacks=callbacks,
        )
        self.remove_callback(PrinterCallback)
        if self.is_deepspeed_enabled or self.is_fsdp_enabled:
            raise TrainingError(
                "micro-batches cannot be accumulated under DeepSpeed or FSDP",
                remedy="Use plain data parallelism (accelerate launch --multi_gpu), or LoRA on one device.",
            )

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        accelerator = self.accelerator
        found: list[Any] = [self._rows() if accelerator.is_main_process else None]
        if accelerator.num_processes > 1:
            from accelerate.utils import broadcast_object_list

            broadcast_object_list(found)
        rows: Sequence[Row] = sorted(found[0], key=len)
        pieces = accelerator.num_processes * self.args.steps_per_generation * self.args.per_device_train_batch_size
        padded = with_null_rows(rows, pieces, self._tokenizer.pad_token_id)
        # Every process takes rows of all lengths, and none waits for one that has only long ones. What is not trained
        # may stand on either side; behind the first token, all rows are padded on the right and need no mask.
        own = [replace(row, prompt=1) for row in padded[accelerator.process_index :: accelerator.num_processes]]
        batch = collate(own, self._tokenizer.pad_token_id)
        batch["num_items_in_batch"] = torch.tensor(sum(row.trained for row in rows))
        batch["num_rows_in_batch"] = torch.tensor(len(rows))
        moved = {name: tensor.to(accelerator.device) for name, tensor in batch.items()}
        moved |= self._compared_with(moved)
        return moved

    def _compared_with(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Log-probabilities under the policy before the update and under the reference, where the loss needs them."""
        found: dict[str, torch.Tensor] = {}
        args = self.args
        model: Any = self.model
        with torch.no_grad(), disable_gradient_checkpointing(model, args.gradient_checkpointing_kwargs):  # type: ignore[arg-type]
            if self._importance_cap is not None or args.steps_per_generation * self.num_iterations > 1:
                found["old_per_token_logps"] = self._logprobs(model, batch)
            if self.beta != 0.0:
                found["ref_per_token_logps"] = self._reference_logprobs(batch)
        if self._importance_cap is not None:
            mask = batch["completion_mask"] * batch["tool_mask"]
            drift = (found["old_per_token_logps"] - batch["sampling_per_token_logps"]) * mask
            weights = drift.exp().clamp(max=self._importance_cap)
            # Every loss here is linear in the advantage, so a token's weight may as well be its advantage's.
            found["advantages"] = batch["advantages"] * weights
            count = mask.sum().clamp(min=1)
            self._log_metric("importance/mean", float((weights * mask).sum() / count))
            self._log_metric("importance/capped", float((drift.exp() > self._importance_cap).sum() / count))
        return found

    def _reference_logprobs(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        if self.ref_model is not None:
            return self._logprobs(self.ref_model, batch)
        with self.accelerator.unwrap_model(self.model).disable_adapter():
            return self._logprobs(self.model, batch)

    def _logprobs(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """(B, T), float32; 0 outside the mask."""
        found = torch.zeros_like(batch["sampling_per_token_logps"])
        for places, part in self._micro_batches(batch):
            ids = torch.cat([part["prompt_ids"], part["completion_ids"]], dim=1)
            attended = torch.cat([part["prompt_mask"], part["completion_mask"]], dim=1)
            width = part["completion_ids"].size(1)
            with causal_alone(model):
                logprobs, _, _ = self._get_per_token_logps_and_entropies(model, ids, attended, width)
            found[places, :width] = logprobs.float() * part["completion_mask"]
        return found

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> torch.Tensor:
        """The loss of an update. All micro-batches but the last are back-propagated here, the last by the caller."""
        whole = torch.zeros((), device=self.accelerator.device)
        parts = list(self._micro_batches(inputs))
        for number, (places, part) in enumerate(parts, start=1):
            last = number == len(parts)
            with nullcontext() if last else self.accelerator.no_sync(model):
                with causal_alone(model):
                    loss = self._compute_loss(model, part) * self._share(len(places), inputs)
                whole = whole + loss.detach()
                if not last:
                    self.accelerator.backward(loss)
        # Of the value of the whole batch and the gradient of the last part.
        return loss + (whole - loss.detach())

    def _share(self, rows: int, inputs: dict[str, torch.Tensor]) -> float:
        """What a micro-batch's mean over its rows counts in the mean over all real rows; processes are averaged."""
        if self.loss_type in PER_TOKEN:
            return 1.0
        pieces = self.accelerator.num_processes * self.args.steps_per_generation
        return rows * pieces / max(1, int(inputs["num_rows_in_batch"]))

    def _micro_batches(self, batch: dict[str, torch.Tensor]) -> list[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
        """Rows of like length together, each part cut to its own width; and where its rows stand in the batch."""
        order = batch["completion_mask"].sum(1).argsort(stable=True)
        return [(places, _cut(batch, places)) for places in order.split(self.args.per_device_train_batch_size)]


def _cut(batch: dict[str, torch.Tensor], places: torch.Tensor) -> dict[str, torch.Tensor]:
    width = int(batch["completion_mask"][places].sum(1).max())
    return {name: tensor[places, :width] if tensor.dim() else tensor for name, tensor in batch.items()}


def _nothing(completions: Sequence[Any], **more: Any) -> list[float]:
    """TRL insists on a reward function; scores come from the episodes."""
    raise AssertionError("TRL asked for rewards")
