"""A session's model on held-out tasks: its score before and after training, and the choice of the best checkpoint."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict

from eval.evaluate import evaluate
from eval.history import read_metrics
from eval.protocols import EvalProtocol
from eval.result import Result
from rollout.engine import Sampling
from rollout.synchronous import run_sync
from trainers.session import Session
from trainers.stop_request import Stopped


def score(session: Session, name: str, split: str, count: int) -> Result:
    """Score the model on a split's tasks, the same for every run. What the folder holds of it is not played again.

    Args:
        session: whose model.
        name: of the folder in `evals/`.
        split: which tasks.
        count: how many.

    Raises:
        Stopped: if the user asked for an end.
    """
    session.sync()
    config = session.config
    rules = EvalProtocol(
        name=f"{config.env}-{split}",
        env=config.env,
        split=split,
        talk=config.protocol,
        env_args=config.env_args,
        sampling=Sampling(temperature=config.eval_temperature, max_new_tokens=config.max_completion_length),
    )
    session.display.phase(f"evaluate {split}", count)
    folder = session.folder / "evals" / name
    with session.timed("evaluate"):
        done = evaluate(
            rules,
            session.scored,
            output=folder,
            limit=count,
            resume=True,
            watcher=session.display,
            stop=session.stop.stop(),
        )
        run_sync(session.rest())
    if not done.collected.complete:
        raise Stopped
    return done.result


def record_score(session: Session, name: str, iteration: int, result: Result, *, final: bool = False) -> None:
    """Enter a score after an iteration into the journal, once."""
    if result.summary.success is not None and not _recorded(session, name, iteration, final=final):
        key = {"kind": "evaluation", "iteration": iteration, "name": name, "final": final}
        session.record({**key, "success": asdict(result.summary.success), "episodes": session.standing.episodes})


def assess(session: Session) -> bool:
    """Score the model on the selecting tasks when it is time, unless the user has asked for an end.

    Returns:
        Whether a checkpoint should be written now.

    Raises:
        TrainingError: if a checkpoint should be written and the weights are not finite.
    """
    if session.stop.signal is None and _selection_due(session):
        with suppress(Stopped):  # `settle` makes up for it
            _select(session)
    save = session.due(session.config.save_steps) or session.best_now or session.stop.signal is not None
    if save:
        session.check_weights()
    return save


def settle(session: Session) -> None:
    """Make up for the evaluation after the last iteration, for which an earlier session that was stopped had no time.

    Raises:
        Stopped: if the user asks for an end once more.
    """
    last = session.checkpoints.last()
    name, number = session.config.select_split, session.standing.iteration
    if last is None or not _selection_due(session) or _recorded(session, name, number, final=False):
        return
    session.load(last[0])
    _select(session)
    session.seal(int(last[0].name.rpartition("-")[2]))


def _selection_due(session: Session) -> bool:
    return bool(session.standing.iteration and session.config.select_tasks) and session.due(session.config.eval_steps)


def _recorded(session: Session, name: str, iteration: int, *, final: bool) -> bool:
    key = {"kind": "evaluation", "iteration": iteration, "name": name, "final": final}
    return any(key.items() <= record.items() for record in read_metrics(session.folder))


def _select(session: Session) -> None:
    """Score the model on the selecting tasks; the latest of the best is the best."""
    config, number = session.config, session.standing.iteration
    result = score(session, f"{number:05d}-{config.select_split}", config.select_split, config.select_tasks)
    record_score(session, config.select_split, number, result)
    success, best = result.summary.success, session.standing.best
    if success is not None and (best is None or success.value >= best[0]):
        session.standing.best = (success.value, number)
        session.best_now = True
