"""A round on given data (`--from`) that is interrupted: its updates are kept, and the next run goes on after them.

A round on own episodes is short, and is made again. One on a data set may be a whole run of hours: TRL's own checkpoint
of it, with the optimizer and the order of the rows, is written when the user asks for an end, and from time to time.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from trainers.stop_request import Stopped

INTERVAL = 600.0
"""Seconds between two checkpoints within a round."""

_STATE = "trainer_state.json"


class PartialRound(TrainerCallback):
    """Checkpoints within a round, in `checkpoints/round/`.

    Args:
        checkpoints: the folder of the run's checkpoints.
    """

    def __init__(self, checkpoints: Path) -> None:
        self.folder = checkpoints / "round"
        self._written = time.monotonic()

    def newest(self) -> Path | None:
        """The newest checkpoint that is whole: TRL writes the state of its trainer last."""
        found = [path for path in self.folder.glob("checkpoint-*") if (path / _STATE).is_file()]
        return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)

    def train(self, trainer: Any) -> None:
        """Train the round to its end, after what an interrupted run has made of it.

        Raises:
            Stopped: if the user asked for an end; the updates made so far are in a checkpoint.
        """
        newest = self.newest()
        trainer.add_callback(self)
        trainer.args.save_total_limit = 2
        try:
            trainer.train(resume_from_checkpoint=str(newest) if newest else None)
        except Stopped:
            if trainer.state.global_step:
                trainer._save_checkpoint(trainer.model, trial=None)
            raise

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if time.monotonic() - self._written >= INTERVAL:
            self._written = time.monotonic()
            control.should_save = True

    def remove(self) -> None:
        """The round is over, and its weights are in a checkpoint of the run."""
        shutil.rmtree(self.folder, ignore_errors=True)
