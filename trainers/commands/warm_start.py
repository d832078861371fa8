"""`train-agent warm-start`: the small default model of an environment, from nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress as Bar

from configs import ConfigError
from configs.warm_start import WarmStartConfig
from rollout.files import check_writable
from rollout.progress import LiveProgress
from rollout.progress_lines import ProgressLines
from trainers.warm_start.learning import Progress
from trainers.warm_start.make import make, save, score, stored_record, worse


def run(config: WarmStartConfig) -> int:
    """Make the model and score it. Returns 1 if it is worse than the stored one of the same options."""
    config = config.settled()
    folder = config.output_dir or Path("runs") / f"warm-start-{datetime.now():%Y%m%d-%H%M%S}"
    check_writable(folder)
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty. Choose another folder with -o.")
    console = Console(stderr=True)
    with _shown(console, config.max_tokens) as watch:
        model, tokenizer, end = make(config, watch)
    record = save(folder, config, model, tokenizer, end)
    if config.eval_episodes:
        with LiveProgress(config.eval_episodes, console) as progress:
            record = score(folder, config, record, progress)
    stored = stored_record(config.env)
    below = stored is not None and _comparable(record, stored) and worse(record, stored)
    print(json.dumps(record) if config.json else _told(folder, record))
    if stored is not None and below:
        console.print(f"worse than the stored model: {stored['success']['value']:.1%}", style="red")
    return int(below)


@contextmanager
def _shown(console: Console, tokens: int) -> Iterator[Callable[[Progress], None]]:
    """How far the training is: a bar on a terminal, a line now and then elsewhere."""
    lines = ProgressLines(lambda line: console.print(line, soft_wrap=True, highlight=False))
    lines.begin("warm start", tokens, unit="tokens")
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("warm start", total=tokens)

        def watch(progress: Progress) -> None:
            accuracy = f"accuracy {progress.accuracy:.3f}"
            bar.update(task, completed=progress.tokens, description=accuracy)
            if not console.is_terminal:
                lines.update(progress.tokens, note=f"loss {progress.loss:.3f}, {accuracy}")

        if not console.is_terminal:
            lines.start()
        try:
            yield watch
        finally:
            lines.stop()


def _comparable(record: dict[str, Any], stored: dict[str, Any]) -> bool:
    """Whether both were made by the same options, but for the seed, and scored."""
    if "success" not in record or "success" not in stored:
        return False
    mine, theirs = (replace(WarmStartConfig(**one["config"]).settled(), seed=0) for one in (record, stored))
    return mine == theirs


def _told(folder: Path, record: dict[str, Any]) -> str:
    lines = [
        f"{record['parameters']:,} parameters, {record['tokens']:,} tokens of {record['rows']:,} episodes "
        f"in {record['seconds'] / 60:.1f} min ({record['tokens'] / record['seconds']:,.0f} tokens/s)"
    ]
    if success := record.get("success"):
        lines.append(
            f"held-out success {success['value']:.1%} "
            f"({success['low']:.1%} to {success['high']:.1%}, {success['n']} tasks)"
        )
    return "\n".join([*lines, f"model: {folder}"])
