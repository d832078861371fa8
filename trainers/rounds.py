"""Training in rounds: play, make rows of the episodes, train on them to their end, and again (expert iteration).

A round has an optimiser of its own; what goes on from round to round are the weights. With `source` there is one round,
on the episodes of another run, and nothing is played.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from configs import TrainConfig
from configs.common import thinking
from envs.errors import DataError
from envs.installation import command
from rollout import read_trajectories
from rollout.store import StoreError
from rollout.trajectory import Trajectory
from trainers.arguments import learning_arguments, trl_settings
from trainers.checkpoints import save_model
from trainers.conversations.episodes import conversations_of, report, with_model_tokens
from trainers.conversations.files import is_run
from trainers.conversations.replay import replay
from trainers.generation import Played
from trainers.guards import refuse_evaluation_tasks
from trainers.held_out import assess, settle
from trainers.lending import lent
from trainers.movement import Movement, sample_rows
from trainers.pairs import preference_pairs
from trainers.partial_round import PartialRound
from trainers.session import Session
from trainers.snapshot import Snapshot
from trainers.supervised import supervised_rows, with_own_tokens
from trainers.unpaired import unpaired_rows
from trainers.update_guard import UpdateGuard

log = logging.getLogger(__name__)


def train_rounds(session: Session) -> None:
    """Train to the end, from the last checkpoint if there is one.

    However it ends, there is a checkpoint of the last finished round.

    Raises:
        Stopped: if the user asked for an end.
        DataError: if the episodes of `source` hold nothing to learn from.
    """
    if last := session.checkpoints.last():
        session.load(last[0])
    settle(session)
    while not session.over:
        weights = _Weights(session)
        try:
            session.stop.check()
            played = session.play() if session.config.source is None else _stored(session)
            with session.timed("train"):
                own = [] if session.config.source else sample_rows(played.episodes)
                movement = Movement(session.model, own, session.config.temperature)
                learned = _LEARN[session.config.algo](session, played.episodes)
                if learned is not None:
                    learned["kl_update"] = movement.kl()
            if learned is not None:
                session.changed()
            session.finish(played, learned)
            weights.finished()
            if assess(session):
                weights.save()
        except Exception:
            weights.keep()
            raise
    PartialRound(session.checkpoints.folder).remove()
    session.stop.check()


class _Weights:
    """The weights of the last finished round, to which a session goes back when the next one is not finished."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._before: Snapshot | None = None
        if session.standing.iteration and not session.checkpoints.holds(session.standing.iteration):
            self._before = Snapshot(session.model)

    def finished(self) -> None:
        """The session's weights are those of a finished round."""
        self._before = None

    def save(self) -> None:
        """Write a checkpoint."""
        session = self._session
        session.save(session.standing.iteration, lambda path: save_model(path, session.model, session.tokenizer))

    def keep(self) -> None:
        """Write a checkpoint of the last finished round, if there is none."""
        session = self._session
        if not session.standing.iteration or session.checkpoints.holds(session.standing.iteration):
            return
        with session.best_effort("no checkpoint could be written"):
            if self._before is not None:
                self._before.restore()
            session.check_weights()
            self.save()


def episodes_of(
    source: Path, env: str, talk: str, held_out: Collection[str] = (), *, algo: str = "sft", data: str | None = None
) -> list[Trajectory]:
    """The episodes of another run, or conversations from elsewhere, to learn from.

    Args:
        source: a run's folder, or what `trainers.conversations` reads.
        env: the id of the environment that they must be of.
        talk: the name of the protocol that they must be in: what they teach to say must be what is understood.
        held_out: ids of tasks that must not be among theirs.
        algo: what learns from them; conversations have no verdicts and are for sft alone.
        data: where ALFWorld's official games are, if not in ALFWORLD_DATA; to know what tasks conversations are of.

    Raises:
        DataError: if they are of another environment or protocol, or a data set is in no form that is read.
        TaskError: if some are of tasks by which models are scored.
        StoreError: if there are none.
    """
    if not is_run(source):
        if algo != "sft":
            remedy = f"Use --algo sft, or name a run's folder: {algo} compares episodes by their success."
            raise DataError("these are no episodes of ours", where=source, remedy=remedy)
        return conversations_of(source, held_out, data)
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


def official_data(config: TrainConfig) -> str | None:
    """The folder of official games that the environment's arguments name."""
    data = config.env_args.get("data")
    return None if data in (None, "generated") else str(data)


def _stored(session: Session) -> Played:
    """The episodes of another run, with this model's tokens for what was said."""
    from rollout.rendering import renderers

    assert session.config.source is not None
    talk, source = session.rollouts.stage.protocol, session.config.source
    thinks = thinking(session.config.enable_thinking)
    data = official_data(session.config)
    episodes = episodes_of(source, session.env.id, talk.name, data=data)
    if not is_run(source):
        episodes, replayed = replay(episodes, talk, session.env.tools, data)
        for line in (*report(episodes, talk), *replayed):
            log.warning("%s: %s", source, line)
        return Played(episodes=with_model_tokens(episodes, session.tokenizer, thinks))
    renderer = renderers(session.tokenizer, thinks)(talk)
    with_ids = [with_own_tokens(episode, session.tokenizer, renderer) for episode in episodes]
    return Played(episodes=with_ids)


def _sft(session: Session, episodes: list[Trajectory]) -> dict[str, Any] | None:
    from trainers.sft import EpisodeSFTTrainer

    config = session.config
    rows = supervised_rows(episodes, flawless_turns_only=True, max_length=config.max_length)
    if not rows.rows and _may_skip(config, rows.left_out):
        return None
    trained = sum(label >= 0 for row in rows.rows for label in row["labels"])
    facts = {"rows": len(rows.rows), "trained_tokens": trained, "cut_tokens": rows.batch.cut_tokens}
    args = _of_round(session)
    return facts | _train(session, lambda: EpisodeSFTTrainer(session.model, session.tokenizer, rows, args))


def _dpo(session: Session, episodes: list[Trajectory]) -> dict[str, Any] | None:
    from trainers.dpo import EpisodeDPOTrainer

    config = session.config
    pairs = preference_pairs(episodes, max_length=config.max_length)
    if not pairs.rows and _may_skip(config, pairs.left_out):
        return None
    trained = sum(sum(row["chosen_mask"]) + sum(row["rejected_mask"]) for row in pairs.rows)
    facts = {"rows": len(pairs.rows), "trained_tokens": trained, "cut_tokens": pairs.cut_tokens}
    args = _of_round(session)
    return facts | _train(session, lambda: EpisodeDPOTrainer(session.model, session.tokenizer, pairs, args))


def _kto(session: Session, episodes: list[Trajectory]) -> dict[str, Any] | None:
    from trainers.kto import EpisodeKTOTrainer

    config = session.config
    unpaired = unpaired_rows(episodes, max_length=config.max_length)
    if unpaired.good in (0, len(unpaired.rows)) and _may_skip(config, unpaired.left_out):
        return None
    trained = sum(sum(row["completion_mask"]) for row in unpaired.rows)
    facts = {"rows": len(unpaired.rows), "trained_tokens": trained, "cut_tokens": unpaired.batch.cut_tokens}
    args = _of_round(session)
    args.desirable_weight, args.undesirable_weight = unpaired.weights
    return facts | _train(session, lambda: EpisodeKTOTrainer(session.model, session.tokenizer, unpaired, args))


def _may_skip(config: TrainConfig, left_out: Counter[str]) -> bool:
    """Whether there may be more to learn from in another round: not from stored episodes, nor without tokens."""
    return config.source is None and not left_out["without tokens"]


_LEARN: dict[str, Callable[[Session, list[Trajectory]], dict[str, Any] | None]] = {
    "sft": _sft,
    "dpo": _dpo,
    "kto": _kto,
}


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
    folder = PartialRound(session.checkpoints.folder).folder
    return arguments(session.config, str(folder), session.standing.iteration)


def _train(session: Session, make: Callable[[], Any]) -> dict[str, Any]:
    """Build a trainer, train, and drop it. Returns the means of what it logged."""
    with lent(session.model):
        trainer = make()
        trainer.add_callback(UpdateGuard(session.stop))
        if session.config.source is None:
            trainer.train()
        else:
            PartialRound(session.checkpoints.folder).train(trainer)
        logs = [log for log in trainer.state.log_history if "loss" in log]
        del trainer
    names = {name: name for name in ("loss", "grad_norm", "learning_rate", "entropy", "mean_token_accuracy")}
    # KTO's is of whole answers, and not of tokens as the others' KL is.
    names |= {"rewards/margins": "rewards/margins", "kl": "kl_answer"}
    found = {ours: [log[name] for log in logs if name in log] for name, ours in names.items()}
    return {name: sum(values) / len(values) for name, values in found.items() if values}
