"""Group-relative training: TRL's loop, with a session's episodes in place of a dataset."""

from __future__ import annotations

import time
import warnings
from typing import Any

from transformers import TrainerCallback
from trl.trainer.grpo_config import GRPOConfig

from configs import TrainConfig
from trainers.advantages import advantages
from trainers.algorithms import GROUP_RELATIVE
from trainers.arguments import learning_arguments, trl_settings
from trainers.batch import Batch, Row, make_batch
from trainers.errors import TrainingError
from trainers.generation import Played
from trainers.groups import Group
from trainers.grpo import EpisodeGRPOTrainer
from trainers.held_out import assess, settle
from trainers.lending import lent
from trainers.session import Session
from trainers.snapshot import Snapshot, fits
from trainers.update_guard import UpdateGuard

IMPORTANCE_CAP = 2.0
"""Of an engine that is not the trainer's own model, where the user has not said another."""


def train_online(session: Session) -> None:
    """Train to the end, from the last checkpoint if there is one.

    However it ends, there is a checkpoint of the last finished iteration, unless its weights have been lost.

    Raises:
        Stopped: if the user asked for an end.
        TrainingError: if no episode could be scored, or training has diverged.
    """
    last = session.checkpoints.last()
    if session.over:
        settle(session)
        return
    loop = _Loop(session)
    # What accelerate does to the model's forward pass must not change how it is scored afterwards.
    with lent(session.model):
        # Before a checkpoint is loaded: the reference of the KL term is the model as the run began with it.
        loop.trainer = trainer = EpisodeGRPOTrainer(
            session.model,
            session.tokenizer,
            arguments(session.config, str(session.checkpoints.folder)),
            loop.rows,
            importance_cap=session.config.importance_cap or (None if session.exact else IMPORTANCE_CAP),
            callbacks=[loop.guard, loop],
        )
        try:
            settle(session)
            trainer.train(resume_from_checkpoint=str(last[0]) if last else None)
            session.stop.check()
        except _Over:
            pass
        except Exception:
            loop.keep()
            raise
        finally:
            del trainer, loop.trainer


def arguments(config: TrainConfig, folder: str) -> GRPOConfig:
    """A run's options as TRL takes them.

    Raises:
        TrainingError: if TRL refuses them.
    """
    algorithm = GROUP_RELATIVE[config.algo]
    updates = config.steps_per_generation * config.num_iterations
    loss_type = algorithm.loss_type if config.loss_type == "default" else config.loss_type
    low, high = algorithm.clips(config.epsilon, config.epsilon_high)
    values: dict[str, Any] = {
        **learning_arguments(config, folder),
        "max_steps": config.iterations * updates,
        "per_device_train_batch_size": max(2, config.per_device_train_batch_size),
        "gradient_accumulation_steps": 1,
        "steps_per_generation": config.steps_per_generation,
        "num_iterations": config.num_iterations,
        # TRL uses it to draw prompts, of which there are none here; it must divide its batch.
        "num_generations": max(2, config.per_device_train_batch_size) * config.steps_per_generation,
        "max_completion_length": config.max_length,
        "loss_type": loss_type,
        "importance_sampling_level": algorithm.level,
        "beta": config.beta or 0.0,
        "epsilon": low,
        # CISPO's bound is of the ratio itself.
        "epsilon_high": high + (1.0 if loss_type == "cispo" else 0.0),
        # The distribution that is trained is the one that was sampled from, truncation apart.
        "temperature": config.temperature,
        "top_p": config.top_p,
        "disable_dropout": True,
        "ignore_data_skip": True,
        "seed": config.seed,
    }
    made = trl_settings(GRPOConfig, {**values, **config.trl_args})
    # TRL takes it for the group of a prompt and refuses 1; here it bounds the rows of a forward pass.
    made.per_device_train_batch_size = config.per_device_train_batch_size
    return made


class _Over(Exception):
    """The run is over before there was something to learn from."""


class _Loop(TrainerCallback):
    """Gives TRL the rows of one iteration after another, and ends an iteration with the last update of its episodes.

    TRL's step is an update. An iteration without a learning signal makes none, and counts as many steps: so the number
    of a step, the learning rate and the order of rows follow from the iteration, whatever was skipped before.

    Attributes:
        trainer: TRL's, while it trains.
        guard: of its updates.
    """

    trainer: Any

    def __init__(self, session: Session) -> None:
        self._session = session
        self._updates = session.config.steps_per_generation * session.config.num_iterations
        self._played = Played()
        self._facts: dict[str, Any] = {}
        self._begun = 0.0
        self._logs: list[dict[str, float]] = []
        self._snapshot: Snapshot | None = None
        self.guard = UpdateGuard(session.stop)

    def rows(self) -> list[Row]:
        """Of the next iteration that has a learning signal."""
        while True:
            played = self._played = self._session.play()
            self._begun = time.monotonic()
            batch = self._batch(played.groups)
            if any(row.advantages.any() for row in batch.rows):
                self._take_snapshot()
                return batch.rows
            self._skip(played)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **more: Any) -> None:
        """TRL logs an update after its step, and saves later."""
        session = self._session
        if not logs or "loss" not in logs:
            return
        self._logs.append(logs)
        if state.global_step % self._updates == 0:
            learned = {**self._facts, **_mean(self._logs)}
            session.took("train", self._begun)
            self._logs = []
            session.changed()
            session.finish(self._played, learned)
            self.guard.stepped = False
            if assess(session):
                self._save()
            control.should_training_stop = (
                control.should_training_stop or session.over or session.stop.signal is not None
            )

    def keep(self) -> None:
        """Write a checkpoint of the last finished iteration, if there is none and its weights are not lost."""
        session, state, number = self._session, self.trainer.state, self._finished
        if not number or session.checkpoints.holds(number):
            return
        with session.best_effort("no checkpoint could be written"):
            if self.guard.stepped and self._snapshot is not None:
                self._snapshot.restore()
                state.global_step = number
                self.guard.stepped = False
            if not self.guard.stepped and state.global_step == number:
                session.check_weights()
                self._save()

    @property
    def _finished(self) -> int:
        """The number of updates, and of the checkpoint, after the last finished iteration."""
        return self._session.standing.iteration * self._updates

    def _take_snapshot(self) -> None:
        """Before the first of several updates: in the midst of them a checkpoint could not be resumed from."""
        session, trainer = self._session, self.trainer
        saved = not self._finished or session.checkpoints.holds(self._finished)
        self._snapshot = None
        if self._updates > 1 and not saved and fits(trainer.model, copies=3):  # the weights, and AdamW's two moments
            self._snapshot = Snapshot(trainer.model, trainer.optimizer, trainer.lr_scheduler)
        self.guard.restorable = saved or self._snapshot is not None

    def _save(self) -> None:
        # TRL's own: the model, the optimizer, the schedule and the state of random numbers.
        self._session.save(
            self.trainer.state.global_step,
            lambda folder: self.trainer._save_checkpoint(self.trainer.model, trial=None),
        )

    def _skip(self, played: Played) -> None:
        """End an iteration without an update. Neither weights nor the optimizer's moments change."""
        session, trainer = self._session, self.trainer
        trainer.state.global_step += self._updates
        with warnings.catch_warnings():
            # Torch takes a schedule that steps before the first update for a mistake.
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
            for _ in range(self._updates):
                trainer.lr_scheduler.step()
        session.finish(played, None)
        if assess(session):
            self._save()
        session.stop.check()
        if session.over:
            raise _Over

    def _batch(self, groups: list[Group]) -> Batch:
        config = self._session.config
        batch = make_batch(
            [member for group in groups for member in group.members],
            self._advantages(groups),
            max_length=config.max_length,
        )
        self._facts = {
            "rows": len(batch.rows),
            "trained_tokens": batch.trained_tokens,
            "batch_tokens": batch.tokens,
            "cut_tokens": batch.cut_tokens,
            "without_tokens": len(batch.without_tokens),
        }
        if groups and not batch.rows and batch.without_tokens:
            raise TrainingError(
                "the episodes have no token ids to learn from",
                remedy="Play with the hf or vllm engine, or a server that gives token ids.",
            )
        return batch

    def _advantages(self, groups: list[Group]) -> dict[str, Any]:
        config = self._session.config
        return advantages(
            groups,
            GROUP_RELATIVE[config.algo].estimator,
            gamma=config.gamma,
            omega=config.omega,
            scale=config.scale_rewards,
            invalid_penalty=config.invalid_penalty,
            inadmissible_penalty=config.inadmissible_penalty,
        )


_MEASURES = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "entropy": "entropy",
    "kl": "kl",
    "kl_update": "kl_update",
    "clip_ratio/region_mean": "clip_share",
    "cispo_clip_ratio": "clip_share",
    "importance/mean": "importance",
    "importance/capped": "importance_capped",
}
"""TRL's names and ours."""


def _mean(logs: list[dict[str, float]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for log in logs:
        for name, ours in _MEASURES.items():
            if log.get(name) is not None:
                found.setdefault(ours, []).append(log[name])
    return {name: sum(values) / len(values) for name, values in found.items()}
