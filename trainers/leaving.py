"""What a run leaves to others when it ends: its model with a card, its score, its report. Nothing is uploaded."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from configs.trained import RECORD, record_of
from eval.errors import ResultError
from eval.history import read_metrics
from eval.result import Result, find_result
from eval.view import token_strings
from eval.view.timeline import CELLS, TIMELINE
from eval.view.training import write_learning_curve, write_training_report
from rollout.files import atomic_file, atomic_folder
from trainers.card import Training, write_card
from trainers.checkpoints import save_model
from trainers.opening import model_name
from trainers.partial_round import PartialRound

if TYPE_CHECKING:
    from trainers.session import Session


def leave(session: Session, before: Result | None, after: Result | None, ended: str) -> None:
    """Write `model/`, `eval/`, `learning_curve.svg`, `timeline.json` and `report.html` into the run's folder.

    Args:
        session: a run that is over, with the weights of the best checkpoint.
        before: the score before training.
        after: the score of these weights.
        ended: how the run ended, for the report.

    Raises:
        StoreError: if the disk does not take them.
    """
    folder = session.folder
    _leave_model(session, folder / "model", before, after)
    if after is not None:
        after.write(folder / "eval" / f"{after.protocol}.json")
    _leave_report(session, after, ended)


def leave_early(session: Session, ended: str) -> None:
    """Write what a run that did not come to its end has reached: `model/`, of the best checkpoint or else the last one,
    and the report, both without a final score. A model that has one, of an earlier end of the run, stays. What cannot
    be written is said and not raised, since something else has ended the run."""
    with session.best_effort("model/ could not be written"):
        checkpoint = session.checkpoints.best() or session.checkpoints.newest()
        begun = PartialRound(session.checkpoints.folder).newest() is not None
        learned = checkpoint is not None or session.standing.iteration > 0 or begun
        if learned and not any((session.folder / "eval").glob("*.json")):
            if checkpoint is not None:
                session.load(checkpoint)
            session.check_weights()
            _leave_model(session, session.folder / "model", _score_before(session), None)
    with session.best_effort("report.html could not be written"):
        _leave_report(session, None, ended)


def _score_before(session: Session) -> Result | None:
    try:
        return find_result(session.folder / "evals" / "before")
    except ResultError:
        return None


def _leave_model(session: Session, folder: Path, before: Result | None, after: Result | None) -> None:
    config = session.config
    facts = Training(
        base=model_name(config),
        env=config.env,
        algorithm=config.algo,
        episodes=session.standing.episodes,
        iterations=session.standing.iteration,
        seeds=(config.seed,),
        settings={"learning_rate": config.learning_rate, "preset": config.preset},
    )
    # A run that is resumed after its end has one already, which stays until the new one is whole.
    # Its name is the card's title.
    new, old = folder.with_name(".model-new"), folder.with_name(".model-before")
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    with atomic_folder(new / folder.name) as part:
        save_model(part, session.model, session.tokenizer)
        write_card(part, facts, before=before, after=after)
        (part / RECORD).write_text(record_of(asdict(config)), encoding="utf-8")
    if folder.exists():
        os.replace(folder, old)
    os.replace(new / folder.name, folder)
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)


def _leave_report(session: Session, after: Result | None, ended: str) -> None:
    if read_metrics(session.folder):
        write_learning_curve(session.folder)
    rows = session.timeline.rows(CELLS)
    if rows is not None:  # a run that was over when it was resumed has left them
        with atomic_file(session.folder / TIMELINE) as file:
            file.write(json.dumps({"iteration": session.standing.iteration, **rows}).encode())
    evaluation = session.folder / "evals" / "after" if after is not None else None
    tokens_of = token_strings(cast(Any, session.tokenizer))
    write_training_report(session.folder, evaluation, tokens_of=tokens_of, ended=ended)
