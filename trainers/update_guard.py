"""What keeps an update from being made: gradients that are not finite, or a user who wants the run to stop."""

from __future__ import annotations

from typing import Any

import torch
from transformers import TrainerCallback

from trainers.errors import TrainingError, smaller_updates
from trainers.stop_request import StopRequest


class UpdateGuard(TrainerCallback):
    """Looks at gradients before the optimizer steps, and at the user's wish between micro-batches.

    Args:
        stop: the user's request.

    Attributes:
        stepped: whether the optimizer has stepped since the last iteration was finished, so that the weights are not
            the finished iteration's any more.
        restorable: whether there is a way back to those, so that an update under way may be dropped all the same.
    """

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop
        self.stepped, self.restorable = False, True

    def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._look()

    def on_substep_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._look()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
        """Raises TrainingError if the gradients are not finite. With fp16 they overflow now and then, and the scaler
        leaves such an update out."""
        gradients = [one.grad for one in model.parameters() if one.grad is not None]
        if not args.fp16 and not torch.isfinite(torch.nn.utils.get_total_norm(gradients)):
            raise TrainingError(
                "training has diverged: the gradient is not finite, and the update is not made",
                where=f"update {state.global_step + 1}",
                remedy=smaller_updates(),
            )
        self.stepped = True

    def _look(self) -> None:
        if self.restorable or not self.stepped:
            self._stop.check()
