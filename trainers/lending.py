"""A model that is lent to a trainer and comes back as it was, but for its weights.

Who trains in rounds keeps one model and builds a trainer a round. Trainers leave things on a model: TRL wraps `forward`
in a fused head, accelerate wraps it in autocast and marks the model, so that the next trainer's head would stand around
the old autocast and its backbone outside of any; PEFT gets a copy of the adapter named "ref", which the next trainer
refuses; dropout is set to 0, gradients stay.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

_LEFT = ("forward", "_original_forward", "_is_accelerate_prepared")
"""What trainers write into a module's own attributes."""

_REFERENCE = "ref"
"""TRL's name for the copy of an adapter as it was before the training."""


@contextmanager
def lent(model: PreTrainedModel) -> Iterator[PreTrainedModel]:
    """Build trainers on the model, and train, inside this; drop them when leaving it, for they hold the optimiser.

    Undone are wrappers of `forward`, hooks, gradients, gradient checkpointing, dropout set to 0, the reference adapter,
    the cache switched off, and training mode.

    Args:
        model: with an adapter or without.
    """
    from torch import nn

    base: Any = model.get_base_model() if hasattr(model, "peft_config") else model  # type: ignore[operator]
    attributes = {module: _own(module) for module in model.modules()}
    modes = {module: module.training for module in attributes}
    dropout = {module: module.p for module in attributes if isinstance(module, nn.Dropout)}
    adapters = set(getattr(model, "peft_config", ()))
    checkpointing, hooked, use_cache = _checkpoints(base), bool(_hooks(base)), base.config.use_cache
    try:
        yield model
    finally:
        model.zero_grad(set_to_none=True)
        if _REFERENCE in getattr(model, "peft_config", {}) and _REFERENCE not in adapters:
            model.delete_adapter(_REFERENCE)
        if _checkpoints(base) and not checkpointing:
            base.gradient_checkpointing_disable()
        if not hooked:
            base.disable_input_require_grads()
        base.config.use_cache = use_cache
        for module, before in attributes.items():
            for name in _LEFT:
                module.__dict__.pop(name, None)
            module.__dict__.update(before)
            module.training = modes[module]
        for module, p in dropout.items():
            module.p = p
        gc.collect()  # trainers and their callbacks refer to one another


def _checkpoints(model: PreTrainedModel) -> bool:
    return any(getattr(module, "gradient_checkpointing", False) for module in model.modules())


def _hooks(model: PreTrainedModel) -> list[Any]:
    """By which the embeddings' output is made to require gradients."""
    return getattr(model, "_require_grads_hooks", [])


def _own(module: nn.Module) -> dict[str, Any]:
    return {name: module.__dict__[name] for name in _LEFT if name in module.__dict__}
