"""Group-relative policy optimisation on TRL: its losses, fed with whole episodes of many turns.

`EpisodeGRPOTrainer` overrides five methods of `trl.GRPOTrainer` 1.16 and no more:

- `__init__`: there is no dataset of prompts and no reward function; rows come from a callable.
- `_prepare_inputs`: asks that callable, deals the rows to updates, processes and micro-batches, and adds what the loss
  compares with.
- `compute_loss`: by micro-batches of rows of like length, each as wide as its own longest row.
- `log`: with an estimate of how far an iteration has moved the policy, which the loss does not use.
- `create_model_card`: checkpoints get none.

TRL's loss takes advantages of shape (B, T), so the credit may differ by turn; gradients on tokens that nobody sampled
are exactly 0. Which rows an update takes follows from the seed and the step: neither the size of a micro-batch nor the
number of processes nor an interruption changes it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from datasets import Dataset
from transformers import PrinterCallback
from trl.models.utils import disable_gradient_checkpointing
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from rollout.engine import Sampling
from trainers.adapters import exchanged, unrounded
from trainers.batch import Row, collate, null_row, with_null_rows
from trainers.errors import TrainingError
from trainers.movement import Movement, logprobs_of
from trainers.padding import causal_alone, padding_token

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

    MicroBatch = dict[str, torch.Tensor]

PER_TOKEN = ("dapo", "cispo")
PER_ROW = ("grpo", "dr_grpo", "sapo")
LOSSES = (*PER_TOKEN, *PER_ROW)
"""TRL's losses that do not depend on how a batch is cut into micro-batches. The others (bnpo, luspo, vespo) average
within a micro-batch, or weigh by its widest row."""

_UNCUT = {"entropy_coef": 0.0, "use_adaptive_entropy": False, "top_entropy_quantile": 1.0, "router_aux_loss_coef": None}
"""Settings of TRL that average, or rank, within a micro-batch, and what leaves them out."""


class EpisodeGRPOTrainer(GRPOTrainer):
    """A GRPO trainer whose every generation is a batch of rows made by the caller.

    A step of the trainer is one update; `steps_per_generation * num_iterations` updates are made of one generation.
    `per_device_train_batch_size` is the number of rows of one forward pass; gradient accumulation has no part in this.

    All log-probabilities are at `args.temperature`, at which tokens are drawn. With `args.top_p` below 1 the weights
    between engine and trainer are of the truncated distributions, as tokens are drawn; what is trained is the whole
    one, and ratios between updates of the same episodes leave out that the mass of the nucleus has changed.

    Args:
        model: trained in place; with an adapter, only that is trained, and the reference is the model with the adapter
            as it is handed over.
        tokenizer: for its padding token.
        args: TRL's; `max_completion_length` is the constant that `dr_grpo` divides by.
        rows: plays the episodes of the next generation and gives their rows; called in the main process only.
        importance_cap: the most that a token weighs for having been likelier under the trainer than under the engine
            that sampled it (truncated importance sampling, 2510.18855 and TRL's `token_truncate`); None does without,
            which is right where both compute the same numbers.
        callbacks: of the trainer.

    Raises:
        TrainingError: if the loss depends on the cut into micro-batches, or the backend cannot accumulate them; while
            training, if there are no rows.
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
        _check(args)
        self._rows = rows
        self._importance_cap = importance_cap
        self._pad = padding_token(tokenizer)
        self._updates = int(args.steps_per_generation or 1)
        self._dealt: list[list[MicroBatch]] = []
        self._movement: Movement | None = None
        # TRL wants prompts to draw from; ours come from the environments, so these are only counted.
        places = Dataset.from_dict({"prompt": [""] * int(args.generation_batch_size or 1)})
        with unrounded(model):
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
                remedy="Train on one device: with --use-peft where the model is too large for it.",
            )
        # A mixture of experts brings a loss of its own by default, which averages within a micro-batch.
        self.aux_loss_enabled = False
        self._begun: dict[str, torch.Tensor] = {}
        if "ref" in getattr(model, "peft_config", {}):
            model.delete_adapter("ref")  # TRL's copy of the adapter, which checkpoints would hold
            if self.beta != 0.0:
                trained = ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)
                self._begun = {name: weight.detach().clone() for name, weight in trained}

    def create_model_card(self, *args: Any, **options: Any) -> None:
        """Write none: a run's model has a card of its own (`trainers.card`)."""

    def _prepare_inputs(self, generation_batch: Any) -> list[MicroBatch]:  # type: ignore[override]
        """The micro-batches of the next update. TRL's own method shuffles by a state that a resumed run lacks."""
        if self._step % (self._updates * self.num_iterations) == 0:
            self._dealt = self._generation()
        return self._dealt[self._step % self._updates]

    def _generation(self) -> list[list[MicroBatch]]:
        """The micro-batches of each update of the next rows."""
        rows = self._played()
        if not rows:
            raise TrainingError("there are no rows to learn from", remedy="Play more tasks (--tasks), or other ones.")
        draw = np.random.default_rng([self.args.seed, self.state.global_step])
        order = draw.permutation(len(rows))
        torch.manual_seed(int(draw.integers(2**31)) + self.accelerator.process_index)  # of dropout
        total = {
            "num_items_in_batch": torch.tensor(sum(row.trained for row in rows), device=self.accelerator.device),
            "num_rows_in_batch": torch.tensor(len(rows)),
        }
        updates = [
            self._deal([rows[place] for place in order[first :: self._updates]]) for first in range(self._updates)
        ]
        parts = [part for update in updates for part in update]
        for part in parts:
            part |= total
        self._compare(parts)
        self._movement = Movement(self.model, [rows[place] for place in order], self.temperature)
        return updates

    def _played(self) -> Sequence[Row]:
        """The caller's rows, in every process."""
        accelerator = self.accelerator
        found: list[Any] = [None]
        try:
            if accelerator.is_main_process:
                found = [self._rows()]
        finally:
            # Even if playing failed, since the others wait for it.
            if accelerator.num_processes > 1:
                from accelerate.utils import broadcast_object_list  # type: ignore[import-untyped]

                broadcast_object_list(found)
        if found[0] is None:
            raise TrainingError("the main process could not play", remedy="See its own error.")
        rows: Sequence[Row] = found[0]
        return rows

    def _deal(self, rows: Sequence[Row]) -> list[MicroBatch]:
        """This process's micro-batches of an update, the shortest rows first. Every process has as many micro-batches,
        of rows of all lengths, so that none waits for one that has only long ones."""
        size, several = self.args.per_device_train_batch_size, self.accelerator.num_processes
        # Fewer rows than updates leave one without any.
        padded = sorted(with_null_rows(rows or [null_row(self._pad)], size * several, self._pad), key=len)
        own = padded[self.accelerator.process_index :: several]
        return [self._micro_batch(own[first : first + size]) for first in range(0, len(own), size)]

    def _micro_batch(self, rows: Sequence[Row]) -> MicroBatch:
        # What is not trained may stand on either side; behind the first token all rows are padded on the right, and
        # attention needs no mask. Then TRL takes the mask only for where to compute logits: where something is trained.
        part = collate([replace(row, prompt=1) for row in rows], self._pad)
        part["completion_mask"] = part["completion_mask"] * part["tool_mask"]
        return {name: tensor.to(self.accelerator.device) for name, tensor in part.items()}

    def _compare(self, parts: Sequence[MicroBatch]) -> None:
        """Add the log-probabilities under the policy before the update and under the reference, where the loss needs
        them, and weigh advantages by how far the trainer's are from the engine's."""
        model: Any = self.model
        options: Any = self.args.gradient_checkpointing_kwargs
        several = self._updates * self.num_iterations > 1
        with torch.no_grad(), disable_gradient_checkpointing(model, options):
            for part in parts:
                if several or self._importance_cap is not None:
                    part["old_per_token_logps"] = self._logprobs(model, part)
                if self.beta != 0.0:
                    part["ref_per_token_logps"] = self._reference_logprobs(part)
            if self._importance_cap is not None:
                self._weigh(model, parts, self._importance_cap)

    def _weigh(self, model: Any, parts: Sequence[MicroBatch], cap: float) -> None:
        sums = torch.zeros(3, device=self.accelerator.device)
        for part in parts:
            mask = part["completion_mask"]
            now = part["old_per_token_logps"] if self.top_p == 1 else self._truncated_logprobs(model, part)
            ratio = ((now - part["sampling_per_token_logps"]) * mask).exp()
            weights = ratio.clamp(max=cap)
            # Every loss here is linear in the size of the advantage: a token's weight may as well be its advantage's.
            part["advantages"] = part["advantages"] * weights
            sums += torch.stack([(weights * mask).sum(), ((ratio > cap) * mask).sum(), mask.sum()])
        mean, capped, count = self.accelerator.reduce(sums, reduction="sum").tolist()
        self._metrics["train"]["importance/mean"].append(mean / max(count, 1.0))
        self._metrics["train"]["importance/capped"].append(capped / max(count, 1.0))

    def _truncated_logprobs(self, model: Any, part: MicroBatch) -> torch.Tensor:
        """(B, T): of the distribution that is left of the vocabulary by top_p, minus infinity for a token that the
        trainer's weights would not have drawn; 0 outside the mask. Row by row, since it takes all logits."""
        ids = torch.cat([part["prompt_ids"], part["completion_ids"]], dim=1)
        found = torch.zeros_like(part["advantages"])
        for row, mask in enumerate(part["completion_mask"].bool()):
            whole = torch.cat([torch.zeros_like(part["prompt_ids"][row], dtype=torch.bool), mask])
            if mask.any():
                with self.accelerator.autocast():
                    found[row, mask] = logprobs_of(model, ids[row], whole, Sampling(self.temperature, self.top_p))
        return found

    def _reference_logprobs(self, part: MicroBatch) -> torch.Tensor:
        model: Any = self.model
        with nullcontext() if self.ref_model is not None else exchanged(model, self._begun):
            return self._logprobs(self.ref_model or model, part)

    def _logprobs(self, model: Any, part: MicroBatch) -> torch.Tensor:
        """(B, T), float32; 0 outside the mask."""
        ids = torch.cat([part["prompt_ids"], part["completion_ids"]], dim=1)
        mask = torch.cat([part["prompt_mask"], part["completion_mask"]], dim=1)
        with causal_alone(model):
            found, _, _ = self._get_per_token_logps_and_entropies(model, ids, mask, part["completion_ids"].size(1))
        logprobs: torch.Tensor = found.float() * part["completion_mask"]
        return logprobs

    def compute_loss(  # type: ignore[override]
        self,
        model: Any,
        inputs: list[MicroBatch],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> torch.Tensor:
        """The loss of an update. All micro-batches but the last are back-propagated here, the last by the caller."""
        whole = torch.zeros((), device=self.accelerator.device)
        before, self._metrics["train"] = self._metrics["train"], defaultdict(list)
        for number, part in enumerate(inputs, start=1):
            last = number == len(inputs)
            with nullcontext() if last else self.accelerator.no_sync(model):
                with causal_alone(model):
                    loss: torch.Tensor = self._compute_loss(model, part) * self._share(part)  # type: ignore[no-untyped-call]
                whole = whole + loss.detach()
                if not last:
                    self.accelerator.backward(loss)
                    self.control = self.callback_handler.on_substep_end(self.args, self.state, self.control)
        self._metrics["train"] = self._together(before, inputs)
        # Of the value of the whole batch and the gradient of the last part.
        return loss + (whole - loss.detach())

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """With `kl_update` after the last update of a generation: how far it has moved the policy."""
        if self._movement is not None and self.state.global_step % (self._updates * self.num_iterations) == 0:
            moved, self._movement = self._movement.kl(), None
            if moved is not None:
                self._metrics["train"]["kl_update"].append(moved)
        super().log(logs, start_time)

    def _share(self, part: MicroBatch) -> float:
        """What a micro-batch's mean over its rows counts in the mean over all real rows; processes are averaged."""
        if self.loss_type in PER_TOKEN:
            return 1.0
        pieces: int = self.accelerator.num_processes * self._updates
        return len(part["completion_ids"]) * pieces / int(part["num_rows_in_batch"])

    def _together(
        self, before: defaultdict[str, list[float]], parts: Sequence[MicroBatch]
    ) -> defaultdict[str, list[float]]:
        """The metrics that TRL took of each micro-batch, as of the whole update."""
        tokens = torch.stack([part["completion_mask"].sum() for part in parts]).float()
        weights = self.accelerator.reduce(tokens, reduction="sum").tolist()
        for name, values in self._metrics["train"].items():
            known = [(value, weight) for value, weight in zip(values, weights, strict=True) if weight]
            known = [(value, weight) for value, weight in known if not math.isnan(value)]
            if known and name.endswith(("_min", "_max")):
                before[name].append((min if name.endswith("_min") else max)(value for value, _ in known))
            elif known:
                before[name].append(sum(value * weight for value, weight in known) / sum(weight for _, weight in known))
        return before


def _check(args: GRPOConfig) -> None:
    """Refuse what would make an update depend on how its rows are cut."""
    if args.loss_type not in LOSSES:
        raise TrainingError(
            f"the loss {args.loss_type!r} depends on how a batch is cut", remedy=f"Use one of {', '.join(LOSSES)}."
        )
    for name, off in _UNCUT.items():
        if getattr(args, name) not in (off, off or 0.0):
            raise TrainingError(f"{name} depends on how a batch is cut", remedy=f"Leave {name} at {off}.")
    if args.gradient_accumulation_steps != 1:
        raise TrainingError(
            "gradients are accumulated over a generation as it is",
            remedy="Leave gradient_accumulation_steps at 1; per_device_train_batch_size bounds the memory.",
        )


def _nothing(completions: Sequence[Any], **more: Any) -> list[float | None]:
    """TRL insists on a reward function; scores come from the episodes."""
    raise AssertionError("TRL asked for rewards")
