"""Several updates of one iteration's episodes, as the presets make them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from configs import TrainConfig
from tests.trainers.grpo_processes import made_rows, small, trainer, weights
from trainers.batch import Row
from trainers.online import arguments

ROWS = made_rows(8)


class Moves(TrainerCallback):
    """Keeps the weights after each update."""

    def __init__(self) -> None:
        self.states: list[torch.Tensor] = []

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
        self.states.append(weights(model))


def logprob(model: torch.nn.Module, row: Row) -> float:
    """Of the sampled tokens of a row together, by a plain forward pass."""
    ids = torch.tensor(row.ids)[None]
    with torch.no_grad():
        found = model(input_ids=ids, use_cache=False).logits[0, :-1].float().log_softmax(-1)
    return float(found.gather(1, ids[0, 1:, None])[:, 0][torch.tensor(row.mask[1:]).bool()].sum())


@pytest.mark.parametrize(
    "kind", [{"loss_type": "dapo"}, {"loss_type": "grpo", "importance_sampling_level": "sequence"}]
)
def test_four_steps_a_generation_are_four_updates_clipped_against_the_policy_that_sampled(
    tmp_path: Path, kind: dict[str, str]
) -> None:
    torch.set_num_threads(1)
    moves, model = Moves(), small()
    sampled, began = [logprob(model, row) for row in ROWS], weights(model)
    made = trainer(
        tmp_path, model, lambda: ROWS, steps_per_generation=4, max_steps=4, learning_rate=1.0, callbacks=[moves], **kind
    )
    made.train()

    # Each update moves the weights, by rows of its own.
    assert made.state.global_step == len(moves.states) == 4
    assert all((later - earlier).abs().max() > 0 for earlier, later in pairwise([began, *moves.states]))
    assert [sum(int((part["tool_mask"].sum(1) > 0).sum()) for part in update) for update in made._dealt] == [2] * 4

    # The ratio's denominator is the policy before the first of them, in all of them.
    parts = [part for update in made._dealt for part in update]
    old = [float(total) for part in parts for total in part["old_per_token_logps"].sum(1) if total != 0]
    assert sorted(old) == pytest.approx(sorted(sampled), rel=1e-4)

    clipped = [log["clip_ratio/region_mean"] for log in made.state.log_history if "clip_ratio/region_mean" in log]
    assert clipped[0] == 0.0
    assert max(clipped[1:]) > 0.0


def test_a_run_has_as_many_updates_as_its_iterations_ask_for(tmp_path: Path) -> None:
    made = arguments(TrainConfig(iterations=3, steps_per_generation=4, num_iterations=2), str(tmp_path))
    assert (made.max_steps, made.steps_per_generation, made.num_iterations) == (24, 4, 2)
