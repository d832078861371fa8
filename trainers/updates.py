"""Updates that are the same however their rows are cut into forward passes, on TRL's trainers.

transformers accumulates the gradients of an update over several forward passes and takes the mean of their losses.
Where a loss is a mean over the rows of a forward pass, as in DPO and KTO, the rows of a smaller pass would weigh more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trainers.errors import TrainingError

if TYPE_CHECKING:
    import torch

SHARE = "share_of_update"
"""The key of a forward pass under which stands what its mean counts in the mean over the update's rows, times the
number of passes."""


def rows_of_update(args: Any) -> int:
    """How many rows an update takes by TRL's configuration."""
    rows: int = args.per_device_train_batch_size * args.gradient_accumulation_steps
    return rows


def refuse_by_cut(args: Any, losses: Mapping[str, str] | None = None) -> None:
    """Refuse settings by which an update would depend on how its rows are cut.

    Args:
        args: TRL's configuration.
        losses: names of its `loss_type` that do, each with the reason.

    Raises:
        TrainingError: if one is set.
    """
    kinds = [args.loss_type] if isinstance(args.loss_type, str) else args.loss_type
    for kind in kinds:
        if kind in (losses or {}):
            raise TrainingError(
                f"the loss {kind!r} depends on how a batch is cut: {(losses or {})[kind]}",
                remedy="Choose another loss_type.",
            )
    if args.router_aux_loss_coef:
        raise TrainingError(
            "router_aux_loss_coef depends on how a batch is cut", remedy="Leave router_aux_loss_coef out."
        )


class WholeUpdates:
    """Before a trainer of TRL whose loss is a mean over rows: makes it the mean over the rows of the update.

    Overridden are `get_batch_samples`, which knows all forward passes of an update, and `compute_loss`.
    """

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """The forward passes of the next update, each with what it counts."""
        parts, count = super().get_batch_samples(epoch_iterator, num_batches, device)  # type: ignore[misc]
        rows = [len(part["input_ids"]) for part in parts]
        for part, own in zip(parts, rows, strict=True):
            part[SHARE] = own * len(parts) / sum(rows)
        return parts, count

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **options: Any) -> Any:
        """The loss of a forward pass, scaled so that transformers' mean over the passes is the mean over the rows."""
        share = inputs.pop(SHARE, 1.0)
        loss = super().compute_loss(model, inputs, *args, **options)  # type: ignore[misc]
        return (loss[0] * share, *loss[1:]) if isinstance(loss, tuple) else loss * share
