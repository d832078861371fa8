"""What the tests of the trainers on TRL share: configurations, episodes, and losses worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from rollout import Trajectory
from tests.trainers.episodes import episode, step
from trainers.arguments import machine_arguments


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    """For a configuration of TRL: two rows a forward pass, in float32."""
    return {
        "output_dir": str(folder),
        "per_device_train_batch_size": 2,
        "num_train_epochs": 1,
        "learning_rate": 1e-3,
        "save_strategy": "no",
        "logging_steps": 1,
        **machine_arguments(bf16=False),
        **more,
    }


def played(task: str, sample: int, score: float, seed: int) -> Trajectory:
    """An episode of two or three turns, whose tokens follow from the seed; one task has one opening."""
    opening = [10 + len(task), 20 + ord(task[-1]) % 7, 30]
    turns = [step(opening, [40 + seed, 41 + seed % 3])]
    turns += [step([50 + seed % 4] * (1 + seed % 3), [60 + seed * turn, 7]) for turn in range(1 + seed % 2)]
    return episode(task, sample, score, *turns)


def several() -> list[Trajectory]:
    """Six episodes of three tasks, each solved once."""
    return [
        played(task, sample, float(sample), 2 * number + sample)
        for number, task in enumerate("abc")
        for sample in (0, 1)
    ]


@torch.no_grad()
def logprob(model: torch.nn.Module, ids: Sequence[int], mask: Sequence[int]) -> torch.Tensor:
    """The sum of the logprobs of the tokens under the mask, by a plain forward pass of this row alone."""
    row = torch.tensor([list(ids)])
    logps = model(input_ids=row, use_cache=False).logits[0, :-1].float().log_softmax(-1)
    return (logps.gather(1, row[0, 1:, None])[:, 0] * torch.tensor(list(mask))[1:]).sum()


def learned(trainer: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Where in `input_ids` the loss has a gradient on the last hidden state, which the next token is read from: shifted
    by one, so that True stands on the token itself."""
    states: list[torch.Tensor] = []

    def keep(module: torch.nn.Module, args: Any, output: Any) -> None:
        if output.last_hidden_state.requires_grad:
            output.last_hidden_state.retain_grad()
            states.append(output.last_hidden_state)

    base = trainer.model.get_base_model() if hasattr(trainer.model, "peft_config") else trainer.model
    hook = base.model.register_forward_hook(keep)
    trainer.model.train()
    trainer.compute_loss(trainer.model, inputs).backward()
    hook.remove()
    (state,) = states
    found = torch.zeros_like(inputs["input_ids"], dtype=torch.bool)
    found[:, 1:] = (state.grad != 0).any(-1)[:, :-1]
    return found


def shaken(model: torch.nn.Module) -> None:
    """Move the trained weights, as an update would."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight += 0.02 * torch.randn(weight.shape, generator=generator)
