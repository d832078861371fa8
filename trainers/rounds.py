"""Training in rounds: play, make rows of the episodes, train on them to their end, and again (expert iteration).

A round has an optimiser of its own; what goes on from round to round are the weights. With `source` there is one round,
on the episodes of another run, and nothing is played.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from configs import TrainConfig
from envs.errors import DataError
from envs.installation import command
from rollout import read_trajectories
from rollout.store import StoreError
from rollout.trajectory import Trajectory
from trainers.arguments import learning_arguments, trl_settings
from trainers.checkpoints import save_model
from trainers.generation import Played
from trainers.guards import refuse_evaluation_tasks
from trainers.lending import lent
from trainers.pairs import preference_pairs
from trainers.session import Session
from trainers.supervised import supervised_rows, with_own_tokens
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


def episodes_of(source: Path, env: str, talk: str, held_out: Collection[str] = ()) -> list[Trajectory]:
    """The episodes of another run, to learn from.

    Args:
        source: its folder.
        env: the id of the environment that they must be of.
        talk: the name of the protocol that they must be in: what they teach to say must be what is understood.
        held_out: ids of tasks that must not be among theirs.

    Raises:
        DataError: if they are of another environment or protocol.
        TaskError: if some are of tasks by which models are scored.
        StoreError: if there are none.
    """
    episodes = list(read_trajectories(source))
    if not episodes:
        raise StoreError(
            "there are no episodes", where=source, remedy=f"Make some: {command('collect', '-o', 'FOLDER')}."
        )
    refuse_evaluation_tasks(episodes, held_out, where=source)
    for key, name, wanted in (("env", "id", env), ("protocol", "name", talk)):
        found = sorted({str(one.lineage[key][name]) for one in episodes if key in one.lineage} - {wanted})
        if found:
            remedy = f"Collect them again with --{key} {wanted}, or train with --{key} {found[0]}."
            raise DataError(
                f"the {key} of these episodes is {found[0]}, and the run's is {wanted}", where=source, remedy=remedy
            )
    return episodes


def _stored(session: Session) -> Played:
    """The episodes of another run, with this model's tokens for what was said."""
    from rollout.rendering import Renderer

    assert session.config.source is not None
    talk = session.rollouts.stage.protocol
    episodes = episodes_of(session.config.source, session.env.id, talk.name)
    renderer = Renderer(session.tokenizer, talk.schemas)
    with_ids = [with_own_tokens(episode, session.tokenizer, renderer) for episode in episodes]
    return Played(episodes=with_ids)


def _sft(session: Session, episodes: list[Trajectory]) -> dict[str, Any]:
    from trainers.sft import EpisodeSFTTrainer

    config = session.config
    rows = supervised_rows(episodes, flawless_turns_only=True, max_length=config.max_length)
    trained = sum(label >= 0 for row in rows.rows for label in row["labels"])
    facts = {"rows": len(rows.rows), "trained_tokens": trained, "cut_tokens": rows.batch.cut_tokens}
    args = _of_round(session)
    return facts | _train(session, lambda: EpisodeSFTTrainer(session.model, session.tokenizer, rows, args))


def _dpo(session: Session, episodes: list[Trajectory]) -> dict[str, Any]:
    from trainers.dpo import EpisodeDPOTrainer

    config = session.config
    pairs = preference_pairs(episodes, max_length=config.max_length)
    trained = sum(sum(row["chosen_mask"]) + sum(row["rejected_mask"]) for row in pairs.rows)
    facts = {"rows": len(pairs.rows), "trained_tokens": trained, "cut_tokens": pairs.cut_tokens}
    args = _of_round(session)
    return facts | _train(session, lambda: EpisodeDPOTrainer(session.model, session.tokenizer, pairs, args))


def _kto(session: Session, episodes: list[Trajectory]) -> dict[str, Any]:
    from trainers.kto import EpisodeKTOTrainer

    config = session.config
    unpaired = unpaired_rows(episodes, max_length=config.max_length)
    trained = sum(sum(row["completion_mask"]) for row in unpaired.rows)
    facts = {"rows": len(unpaired.rows), "trained_tokens": trained, "cut_tokens": unpaired.batch.cut_tokens}
    args = _of_round(session)
    args.desirable_weight, args.undesirable_weight = unpaired.weights
    return facts | _train(session, lambda: EpisodeKTOTrainer(session.model, session.tokenizer, unpaired, args))


_LEARN: dict[str, Callable[[Session, list[Trajectory]], dict[str, Any]]] = {"sft": _sft, "dpo": _dpo, "kto": _kto}


def arguments(config: TrainConfig, folder: str, iteration: int = 0) -> Any:
    """The options of a round as TRL takes them.

    Raises:
        TrainingError: if TRL refuses them.
    """
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.kto_config import KTOConfig
    from trl.trainer.sft_config import SFTConfig

    most = min(config.per_device_train_batch_size, config.train_batch_size)
    rows = next(rows for rows in range(most, 0, -1) if config.train_batch_size % rows == 0)
    values = {
        **learning_arguments(config, folder),
        "num_train_epochs": config.num_train_epochs,
        "per_device_train_batch_size": rows,
        "gradient_accumulation_steps": config.train_batch_size // rows,
        # Rounds differ in their order of rows.
        "seed": config.seed * 1_000_003 + iteration,
    }
    if config.algo != "sft":
        values["beta"] = 0.1 if config.beta is None else config.beta
    kind: Any = {"sft": SFTConfig, "dpo": DPOConfig, "kto": KTOConfig}[config.algo]
    return trl_settings(kind, {**values, **config.trl_args})


def _of_round(session: Session) -> Any:
    return arguments(session.config, str(session.checkpoints.folder), session.standing.iteration)


def _train(session: Session, make: Callable[[], Any]) -> dict[str, Any]:
    """Build a trainer, train, and drop it. Returns the means of what it logged."""
    with lent(session.model):
        trainer = make()
        trainer.train()
        logs = [log for log in trainer.state.log_history if "loss" in log]
        del trainer
    names = {"loss", "grad_norm", "learning_rate", "entropy", "mean_token_accuracy", "rewards/margins", "kl"}
    return {name: sum(values) / len(values) for name in names if (values := [log[name] for log in logs if name in log])}
