"""Training in rounds: play, make rows of the episodes, train on them to their end, and again (expert iteration).

A round has an optimiser of its own; what goes on from round to round are the weights. With `source` there is one round,
on the episodes of another run, and nothing is played.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from configs import TrainConfig
from rollout import read_trajectories
from rollout.store import StoreError
from rollout.trajectory import Trajectory
from trainers.arguments import machine_arguments
from trainers.checkpoints import save_model
from trainers.generation import Played
from trainers.guards import refuse_evaluation_tasks
from trainers.lending import lent
from trainers.pairs import preference_pairs
from trainers.session import Session
from trainers.supervised import supervised_rows, with_tokens
from trainers.unpaired import unpaired_rows


def train_rounds(session: Session) -> None:
    """Train to the end, from the last checkpoint if there is one.

    Raises:
        Stopped: if the user asked for an end; the last checkpoint and all episodes are on disk.
        DataError: if a round's episodes hold nothing to learn from.
    """
    if last := session.checkpoints.last():
        session.load(last[0])
    while not session.over:
        played = session.play() if session.config.source is None else _stored(session)
        with session.timed("train"):
            learned = _LEARN[session.config.algo](session, played.episodes)
        session.changed()
        if session.finish(played, learned):
            number = session.standing.iteration
            save_model(session.checkpoints.path(number), session.model, session.tokenizer)
            session.seal(number)


def episodes_of(source: Path) -> list[Trajectory]:
    """The episodes of another run, to learn from.

    Raises:
        TaskError: if some are of tasks by which models are scored.
        StoreError: if there are none.
    """
    episodes = list(read_trajectories(source))
    if not episodes:
        raise StoreError("there are no episodes", where=source, remedy="Make some: train-agent collect -o FOLDER.")
    refuse_evaluation_tasks(episodes, where=source)
    return episodes


def _stored(session: Session) -> Played:
    """The episodes of another run, with this model's tokens for what was said where they have none."""
    assert session.config.source is not None
    episodes = episodes_of(session.config.source)
    talk = session.rollouts.stage.protocol
    from rollout.rendering import Renderer

    renderer = Renderer(session.tokenizer, talk.schemas)
    with_ids = [
        one if any(step.tokens for step in one.steps) else with_tokens(one, session.tokenizer, renderer)
        for one in episodes
    ]
    return Played(episodes=with_ids)


def _sft(session: Session, episodes: list[Trajectory]) -> dict[str, Any]:
    from trl.trainer.sft_config import SFTConfig

    from trainers.sft import EpisodeSFTTrainer

    config = session.config
    rows = supervised_rows(episodes, flawless_turns_only=True, max_length=config.max_length)
    trained = sum(label >= 0 for row in rows.rows for label in row["labels"])
    facts = {"rows": len(rows.rows), "trained_tokens": trained, "cut_tokens": rows.batch.cut_tokens}
    args = SFTConfig(**_arguments(session))
    return facts | _train(session, lambda: EpisodeSFTTrainer(session.model, session.tokenizer, rows, args))


def _dpo(session: Session, episodes: list[Trajectory]) -> dict[str, Any]:
    from trl.trainer.dpo_config import DPOConfig

    from trainers.dpo import EpisodeDPOTrainer

    config = session.config
    pairs = preference_pairs(episodes, max_length=config.max_length)
    trained = sum(sum(row["chosen_mask"]) + sum(row["rejected_mask"]) for row in pairs.rows)
    facts = {"rows": len(pairs.rows), "trained_tokens": trained, "cut_tokens": pairs.cut_tokens}
    args = DPOConfig(**_arguments(session), beta=_beta(config))
    return facts | _train(session, lambda: EpisodeDPOTrainer(session.model, session.tokenizer, pairs, args))


def _kto(session: Session, episodes: list[Trajectory]) -> dict[str, Any]:
    from trl.trainer.kto_config import KTOConfig

    from trainers.kto import EpisodeKTOTrainer

    config = session.config
    unpaired = unpaired_rows(episodes, max_length=config.max_length)
    trained = sum(sum(row["completion_mask"]) for row in unpaired.rows)
    facts = {"rows": len(unpaired.rows), "trained_tokens": trained, "cut_tokens": unpaired.batch.cut_tokens}
    good, bad = unpaired.weights
    args = KTOConfig(**_arguments(session), beta=_beta(config), desirable_weight=good, undesirable_weight=bad)
    return facts | _train(session, lambda: EpisodeKTOTrainer(session.model, session.tokenizer, unpaired, args))


_LEARN: dict[str, Callable[[Session, list[Trajectory]], dict[str, Any]]] = {"sft": _sft, "dpo": _dpo, "kto": _kto}


def _beta(config: TrainConfig) -> float:
    return 0.1 if config.beta is None else config.beta


def _arguments(session: Session) -> dict[str, Any]:
    config = session.config
    rows = min(config.per_device_train_batch_size, config.train_batch_size)
    values = {
        **machine_arguments(bf16=config.bf16),
        "output_dir": str(session.checkpoints.folder),
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": config.lr_scheduler_type,
        "warmup_steps": config.warmup_steps,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "num_train_epochs": config.num_train_epochs,
        "per_device_train_batch_size": rows,
        "gradient_accumulation_steps": max(1, config.train_batch_size // rows),
        "save_strategy": "no",
        "logging_steps": 1,
        # Rounds differ in their order of rows.
        "seed": config.seed * 1_000_003 + session.standing.iteration,
    }
    if config.gradient_checkpointing is not None:
        values["gradient_checkpointing"] = config.gradient_checkpointing
    return {**values, **config.trl_args}


def _train(session: Session, make: Callable[[], Any]) -> dict[str, Any]:
    """Build a trainer, train, and drop it. Returns the means of what it logged."""
    with lent(session.model):
        trainer = make()
        trainer.train()
        logs = [log for log in trainer.state.log_history if "loss" in log]
        del trainer
    names = {"loss", "grad_norm", "learning_rate", "entropy", "mean_token_accuracy", "rewards/margins", "kl"}
    return {name: sum(values) / len(values) for name in names if (values := [log[name] for log in logs if name in log])}
