"""What is trained, as it was after the last finished iteration, for a run that gives up the one under way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

MOST_BYTES = 2**33
"""That a snapshot may take of the machine's memory."""


class Snapshot:
    """A copy of the trained weights, and of the state of what trains them, in the memory of the CPU.

    Args:
        model: of which the parameters that require gradients are copied.
        stateful: an optimizer, a schedule: whatever has `state_dict` and `load_state_dict`.
    """

    def __init__(self, model: Any, *stateful: Any) -> None:
        self._model, self._stateful = model, stateful
        self._weights = {name: _copied(one.detach()) for name, one in _trained(model)}
        self._states = [_copied(one.state_dict()) for one in stateful]

    def restore(self) -> None:
        """Go back to it."""
        with torch.no_grad():
            for name, one in _trained(self._model):
                one.copy_(self._weights[name])
        for one, state in zip(self._stateful, self._states, strict=True):
            one.load_state_dict(state)


def fits(model: Any, copies: int = 1) -> bool:
    """Whether so many times the trained weights are no more than `MOST_BYTES`."""
    return copies * sum(one.nbytes for _, one in _trained(model)) <= MOST_BYTES


def _trained(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    return ((name, one) for name, one in model.named_parameters() if one.requires_grad)


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
