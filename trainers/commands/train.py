"""`train-agent train`: play, learn, evaluate, in turns; and how much it helped."""

from __future__ import annotations

import errno
import gc
import inspect
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from configs import TrainConfig, as_yaml
from envs.errors import EnvError
from envs.installation import command
from envs.registry import find
from eval.compare import Comparison, compare
from eval.history import read_metrics
from eval.result import Result
from eval.tables import print_comparison, print_result
from rollout.disk import write_remedy
from rollout.progress_lines import waiting_for
from rollout.store import StoreError
from trainers.algorithms import GROUP_RELATIVE
from trainers.arguments import quiet
from trainers.ending import Ending, ending
from trainers.memory import within_memory
from trainers.notes import notes
from trainers.start import adapter_settings
from trainers.stop_request import Stopped

if TYPE_CHECKING:
    from trainers.session import Session

_SMALLEST: dict[str, Any] = {
    "iterations": 2,
    "tasks": 2,
    "num_generations": 4,
    "eval_tasks": 4,
    "select_tasks": 2,
    "eval_steps": 2,
    "save_steps": 1,
    "max_turns": 2,  # of the model: hardly any task can be solved in them, so that no group is solved by all
    "max_completion_length": 8,
    "per_device_train_batch_size": 2,
    "warmup_steps": 0.0,  # it would be all there is
}


_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def run(config: TrainConfig) -> int:
    """Train.

    Returns:
        The exit code: 0 once training has come to its end; 1 if no episode ever solved its task and nothing was
        learned; 130 after Ctrl-C, 143 after SIGTERM.
    """
    if config.smoke:
        config = _smallest(config)
    else:
        for note in notes(config, adapter_settings(config.model) if config.model else None):
            print(f"note: {note}", file=sys.stderr)
    if config.source is not None:
        config = replace(config, iterations=1)
    folder = config.output_dir or Path("runs") / f"{config.env}-{config.algo}-{datetime.now():%Y%m%d-%H%M%S}"
    if config.dry_run:
        return _tell(config, folder)
    quiet()
    from trainers.header import print_header
    from trainers.opening import open_session

    with waiting_for("loading the model and its engine"):
        session = open_session(config, folder)
    print_header(session)
    # Trainers collect garbage again and again: what stays need not be looked through each time.
    gc.collect()
    gc.freeze()
    go_on = command("train", "--config", folder / "config.yaml", "-o", folder, "--resume")
    session.stop.go_on = go_on
    try:
        with _within_disk(folder, go_on), within_memory(config, go_on), session.display, session.stop.listening():
            ended, before, after = _run(session)
    except Stopped:
        print(f"stopped after {_reached(session)}; go on with: {go_on}", file=sys.stderr)
        return session.stop.exit_code
    finally:
        gc.unfreeze()
        session.close()
    return _report(config, folder, ended, before, after)


def _smallest(config: TrainConfig) -> TrainConfig:
    """Two iterations at the smallest size. The expert's episodes beside the model's are as long as they need to be
    (`trainers.demonstrations`); evaluations keep to an environment's own limit, where it takes one."""
    limited = "max_steps" in inspect.signature(find(config.env).load()).parameters
    short = {"max_steps": 4} if limited else {}
    return replace(config, **_SMALLEST, env_args={**config.env_args, **short})


def _run(session: Session) -> tuple[Ending, Result | None, Result | None]:
    from trainers.leaving import leave, leave_early

    try:
        before = _score(session, "before", 0)
        session.changed()  # training begins by loading the last checkpoint
        _train(session)
        if (best := session.checkpoints.best() or session.checkpoints.newest()) is not None:
            session.load(best)
        after = _score(session, "after", session.standing.iteration)
    except Stopped:
        leave_early(session, f"This run was stopped after {_done(session)}.")
        raise
    except Exception as error:
        leave_early(session, f"This run was ended after {_done(session)} by an error: {error}.")
        session.display.note(f"an error ended the run after {_reached(session)}")
        raise
    ended = ending(session.config, session.standing, read_metrics(session.folder))
    leave(session, before, after, ended.text)
    return ended, before, after


def _done(session: Session) -> str:
    return f"{session.standing.iteration} of {session.config.iterations} iterations"


def _reached(session: Session) -> str:
    from trainers.partial_round import PartialRound

    newest = session.checkpoints.newest() or PartialRound(session.checkpoints.folder).newest()
    where = f"the checkpoint is {newest}" if newest else "there is no checkpoint yet"
    return f"{_done(session)}; {where}"


@contextmanager
def _within_disk(folder: Path, go_on: str) -> Iterator[None]:
    """Turn what libraries make of a disk that takes no more into an error that says what to do."""
    from safetensors import SafetensorError

    try:
        yield
    except EnvError:
        raise
    except (OSError, SafetensorError, RuntimeError) as error:
        # torch's writer says where in its own source it failed, and not why.
        torchs = "inline_container" in str(error) or "PytorchStreamWriter" in str(error)
        disk = error.errno in _DISK if isinstance(error, OSError) else torchs or isinstance(error, SafetensorError)
        if not disk:
            raise
        reason = write_remedy(error, folder) if isinstance(error, OSError) else "Free room on the disk"
        remedy = f"{reason}; then go on with: {go_on}"
        raise StoreError(f"cannot be written ({error})", where=folder, remedy=remedy) from error


def _tell(config: TrainConfig, folder: Path) -> int:
    from trainers.opening import model_name, open_training_env

    env = open_training_env(config)
    print(as_yaml(config), end="")
    episodes = config.tasks * config.num_generations
    print(f"# would train {model_name(config)} in {config.iterations} iterations of {episodes} episodes or more,")
    print(f"# on {len(env.tasks)} tasks of {env.id}, into {folder}")
    env.close()
    return 0


def _train(session: Session) -> None:
    if session.config.algo in GROUP_RELATIVE:
        from trainers.online import train_online

        train_online(session)
    else:
        from trainers.rounds import train_rounds

        train_rounds(session)


def _score(session: Session, name: str, iteration: int) -> Result | None:
    config = session.config
    if not config.eval_tasks:
        return None
    from trainers.held_out import record_score, score

    result = score(session, name, config.eval_split, config.eval_tasks)
    record_score(session, config.eval_split, iteration, result, final=True)
    return result


def _report(config: TrainConfig, folder: Path, ended: Ending, before: Result | None, after: Result | None) -> int:
    found: Comparison | None = compare(before, after) if before is not None and after is not None else None
    if config.json:
        plain = {"reason": ended.reason, "text": ended.text}
        print(json.dumps({"run": str(folder), "ended": plain, "comparison": found.to_dict() if found else None}))
        return ended.exit_code
    console = Console()
    if after is not None:
        print_result(after, console)
    if found is not None:
        print_comparison(found, console, names=("before", "after"))
    console.print(ended.text, highlight=False, soft_wrap=True)
    console.print(f"model: {folder}/model\nreport: {folder}/report.html", highlight=False, soft_wrap=True)
    return ended.exit_code
