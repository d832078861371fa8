"""What a finished run leaves to others: its model with a card, its score, its report. Nothing is uploaded."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from eval.result import Result
from eval.view import token_strings
from eval.view.timeline import CELLS, TIMELINE
from eval.view.training import write_learning_curve, write_training_report
from rollout.files import atomic_file, atomic_folder
from trainers.card import Training, write_card
from trainers.checkpoints import save_model
from trainers.opening import model_name

if TYPE_CHECKING:
    from trainers.session import Session


def leave(session: Session, before: Result | None, after: Result | None) -> None:
    """Write `model/`, `eval/`, `learning_curve.svg`, `timeline.json` and `report.html` into the run's folder.

    Raises:
        StoreError: if the disk does not take them.
    """
    folder = session.folder
    _leave_model(session, folder / "model", before, after)
    if after is not None:
        after.write(folder / "eval" / f"{after.protocol}.json")
    _leave_report(session, after)


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
    # A run that is resumed after its end has one already.
    old = folder.with_name(".model-before")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.replace(folder, old)
    with atomic_folder(folder) as part:
        save_model(part, session.model, session.tokenizer)
        write_card(part, facts, before=before, after=after)
    shutil.rmtree(old, ignore_errors=True)


def _leave_report(session: Session, after: Result | None) -> None:
    write_learning_curve(session.folder)
    rows = session.timeline.rows(CELLS)
    if rows is not None:  # a run that was over when it was resumed has left them
        with atomic_file(session.folder / TIMELINE) as file:
            file.write(json.dumps({"iteration": session.standing.iteration, **rows}).encode())
    evaluation = session.folder / "evals" / "after" if after is not None else None
    write_training_report(session.folder, evaluation, tokens_of=token_strings(cast(Any, session.tokenizer)))
