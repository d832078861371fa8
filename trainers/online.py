"""Group-relative training: TRL's loop, with a session's episodes in place of a dataset."""

from __future__ import annotations

import time
from typing import Any

from transformers import TrainerCallback
from trl.trainer.grpo_config import GRPOConfig

from configs import TrainConfig
from trainers.advantages import advantages
from trainers.algorithms import GROUP_RELATIVE
from trainers.arguments import learning_arguments, trl_settings
from trainers.batch import Row, make_batch
from trainers.errors import TrainingError
from trainers.generation import Played
from trainers.groups import Group
from trainers.grpo import EpisodeGRPOTrainer
from trainers.lending import lent
from trainers.session import Session

IMPORTANCE_CAP = 2.0
"""Of an engine that is not the trainer's own model, where the user has not said another."""


def train_online(session: Session) -> None:
    """Train to the end, from the last checkpoint if there is one.

    Raises:
        Stopped: if the user asked for an end; the last checkpoint and all episodes are on disk.
        TrainingError: if there is nothing to learn from, or the numbers are none.
    """
    last = session.checkpoints.last()
    if session.over:
        return
    lessons = _Lessons(session)
    # What accelerate does to the model's forward pass must not change how it is scored afterwards.
    with lent(session.model):
        trainer = EpisodeGRPOTrainer(
            session.model,
            session.tokenizer,
            arguments(session.config, str(session.checkpoints.folder)),
            lessons.rows,
            importance_cap=session.config.importance_cap or (None if session.exact else IMPORTANCE_CAP),
            callbacks=[_Loop(session, lessons)],
        )
        trainer.train(resume_from_checkpoint=str(last[0]) if last else None)
        del trainer


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
<<<<<<< HEAD
        "epsilon_high": high + (1.0 if loss_type == "cispo" else 0.0),
        # The distribution that is trained is the one that was sampled from.
=======
        "epsilon_high": config.epsilon_high + (1.0 if loss_type == "cispo" else 0.0),
        # The distribution that is trained is the one that was sampled from, truncation apart.
>>>>>>> 86bbb04 (Record and compare the log-probabilities that tokens are drawn by)
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


class _Lessons:
    """Gives TRL the rows of one iteration after another, and keeps what they were made of."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.played = Played()
        self.facts: dict[str, Any] = {}
        self.begun = 0.0

    def rows(self) -> list[Row]:
        config = self._session.config
        self.played = self._session.play()
        groups = self.played.groups
        batch = make_batch(
            [member for group in groups for member in group.members],
            self._advantages(groups),
            max_length=config.max_length,
        )
        self.facts = {
            "rows": len(batch.rows),
            "trained_tokens": batch.trained_tokens,
            "batch_tokens": batch.tokens,
            "cut_tokens": batch.cut_tokens,
            "without_tokens": len(batch.without_tokens),
        }
        if not batch.rows:
            raise TrainingError(
                "the episodes have no token ids to learn from",
                remedy="Play with the hf or vllm engine, or a server that gives token ids.",
            )
        self.begun = time.monotonic()
        return batch.rows

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


class _Loop(TrainerCallback):
    """Ends an iteration with the last update of its episodes. TRL logs an update after its step, and saves later."""

    def __init__(self, session: Session, lessons: _Lessons) -> None:
        self._session, self._lessons = session, lessons
        self._updates = session.config.steps_per_generation * session.config.num_iterations
        self._logs: list[dict[str, float]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **more: Any) -> None:
        session = self._session
        if not logs or "loss" not in logs:
            return
        self._logs.append(logs)
        if state.global_step % self._updates == 0:
            learned = {**self._lessons.facts, **_mean(self._logs)}
            session.took("train", self._lessons.begun)
            self._logs = []
            session.changed()
            control.should_save = session.finish(self._lessons.played, learned)
            control.should_training_stop = control.should_training_stop or session.over

    def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._session.seal(state.global_step)


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
