"""`train-agent train`: play, learn, evaluate, in turns; and how much it helped."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from configs import TrainConfig, as_yaml
from eval.compare import Comparison, compare
from eval.result import Result
from eval.tables import print_comparison, print_result
from trainers.algorithms import GROUP_RELATIVE
from trainers.generation import Stopped

_SMALLEST: dict[str, Any] = {
    "iterations": 2,
    "tasks": 2,
    "num_generations": 2,
    "eval_tasks": 4,
    "select_tasks": 2,
    "eval_steps": 2,
    "save_steps": 1,
    "max_turns": 4,
    "max_completion_length": 8,
    "per_device_train_batch_size": 2,
}


def run(config: TrainConfig) -> int:
    """Train. Returns the exit code."""
    config = replace(config, **_SMALLEST) if config.smoke else config
    folder = config.output_dir or Path("runs") / f"{config.env}-{config.algo}-{datetime.now():%Y%m%d-%H%M%S}"
    if config.dry_run:
        return _tell(config, folder)
    from trainers.leaving import leave
    from trainers.opening import open_session

    session = open_session(config, folder)
    try:
        with session.display:
            before = _score(session, "before")
            try:
                _train(session)
            except Stopped:
                print(f"stopped; go on with: train-agent train --resume -o {folder} ...", file=sys.stderr)
                return 1
            chosen = session.checkpoints.best() or session.checkpoints.all()[-1]
            session.load(chosen)
            after = _score(session, "after")
            leave(session, before, after)
    finally:
        session.close()
    return _report(config, folder, before, after)


def _tell(config: TrainConfig, folder: Path) -> int:
    from trainers.opening import model_path, open_training_env

    env = open_training_env(config)
    print(as_yaml(config), end="")
    episodes = config.tasks * config.num_generations
    print(f"# would train {model_path(config)} in {config.iterations} iterations of {episodes} episodes or more,")
    print(f"# on {len(env.tasks)} tasks of {env.id}, into {folder}")
    env.close()
    return 0


def _train(session: Any) -> None:
    if session.config.algo in GROUP_RELATIVE:
        from trainers.online import train_online

        train_online(session)
    else:
        from trainers.rounds import train_rounds

        train_rounds(session)


def _score(session: Any, name: str) -> Result | None:
    config = session.config
    if not config.eval_tasks:
        return None
    result: Result = session.evaluate(name, config.eval_split, config.eval_tasks)
    session.record_evaluation(config.eval_split, result, final=True)
    return result


def _report(config: TrainConfig, folder: Path, before: Result | None, after: Result | None) -> int:
    found: Comparison | None = compare(before, after) if before is not None and after is not None else None
    if config.json:
        print(json.dumps({"run": str(folder), "comparison": found.to_dict() if found else None}))
        return 0
    console = Console()
    if after is not None:
        print_result(after, console)
    if found is not None:
        print_comparison(found, console, names=("before", "after"))
    console.print(f"model: {folder}/model\nreport: {folder}/report.html", highlight=False, soft_wrap=True)
    return 0
