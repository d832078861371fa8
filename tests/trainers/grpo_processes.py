"""What the tests of `trainers.grpo` train on; run under torchrun, several processes train on it together.

python -m torch.distributed.run --standalone --nproc_per_node 2 -m tests.trainers.grpo_processes FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, TrainerCallback
from trl import GRPOConfig

from tests import tiny_models
from tests.trainers.lessons import settings
from trainers.batch import Row
from trainers.errors import TrainingError
from trainers.grpo import EpisodeGRPOTrainer

CAP = 1.1
LONGEST = 50
"""What dr_grpo divides by."""


def made_rows(count: int = 5, seed: int = 0) -> list[Row]:
    """Rows of different lengths whose turns have advantages of their own; the environment speaks between them."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        mask, turns = [0] * int(draw.integers(1, 4)), int(draw.integers(1, 4))
        advantages = [0.0] * len(mask)
        for turn in range(turns):
            said, shown = int(draw.integers(1, 5)), int(draw.integers(1, 3)) if turn < turns - 1 else 0
            mask += [1] * said + [0] * shown
            advantages += [float(draw.normal())] * said + [0.0] * shown
        trained = np.array(mask)
        rows.append(
            Row(
                episode=f"t{number}#0",
                prompt=mask.index(1),
                ids=draw.integers(10, 400, len(mask)),
                mask=trained,
                advantages=np.array(advantages, dtype=np.float32),
                logprobs=(-6 * trained - draw.random(len(mask)) * trained).astype(np.float32),
                versions=trained - 1,
                turns=trained - 1,
            )
        )
    return rows


def small(**more: Any) -> PreTrainedModel:
    """One layer."""
    return tiny_models.model(layers=1, width=32, **more)


def trainer(
    folder: Path,
    model: PreTrainedModel,
    rows: Callable[[], Sequence[Row]],
    *,
    importance_cap: float | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    **more: Any,
) -> EpisodeGRPOTrainer:
    """By plain gradient descent, so that a step is the gradient; one update if nothing else is said."""
    values: dict[str, Any] = {
        "max_steps": 1,
        "max_completion_length": LONGEST,
        "steps_per_generation": 1,
        "optim": "sgd",
        "learning_rate": 0.1,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.0,
        "ignore_data_skip": True,
        "epsilon_high": 2.0 if more.get("loss_type") == "cispo" else 0.2,
        **more,
    }
    size = values.pop("per_device_train_batch_size", 2)
    # TRL wants two generations of a prompt at least; ours has none, and its rows may go through one by one.
    values["num_generations"] = 2 * values["steps_per_generation"]
    args = GRPOConfig(**settings(folder, **values))
    args.per_device_train_batch_size = size
    return EpisodeGRPOTrainer(
        model, tiny_models.tokenizer(), args, rows, importance_cap=importance_cap, callbacks=list(callbacks)
    )


def weights(model: PreTrainedModel) -> torch.Tensor:
    """(weights,), those that are trained."""
    return torch.cat([weight.detach().flatten() for weight in model.parameters() if weight.requires_grad]).clone()


def trained_together(folder: Path, **more: Any) -> dict[str, Any]:
    """Two updates of one generation by losses of both kinds: weights and metrics."""
    found: dict[str, Any] = {}
    for kind in ("dapo", "grpo"):
        model = small()
        made = trainer(
            folder,
            model,
            lambda: made_rows(5),
            importance_cap=CAP,
            loss_type=kind,
            steps_per_generation=2,
            max_steps=2,
            **more,
        )
        made.train()
        found[kind] = weights(model)
        logs = [log for log in made.state.log_history if "entropy" in log]
        found[f"{kind} metrics"] = {
            name: [log.get(name, 0.0) for log in logs]
            for name in ("loss", "entropy", "importance/mean", "clip_ratio/region_mean")
        }
    return found


def main(folder: Path) -> None:
    """Leave what the main process found in `found.pt`, and what another process says if playing fails in `failed`."""
    torch.set_num_threads(1)
    found = trained_together(folder, ddp_backend="gloo")

    def fails() -> list[Row]:
        raise ValueError("no environment")

    made = trainer(folder, small(), fails, ddp_backend="gloo")
    try:
        made.train()
    except ValueError:
        assert made.accelerator.is_main_process
        torch.save(found, folder / "found.pt")
    except TrainingError as error:
        assert not made.accelerator.is_main_process
        (folder / "failed").write_text(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
