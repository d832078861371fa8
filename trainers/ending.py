"""Why a training run has come to its end, in words and as an exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from configs import TrainConfig
from eval.history import of_kind
from trainers.run_state import Standing


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended.

    Attributes:
        reason: `iterations` (all of them are done), `max_minutes`, or `no_signal`.
        text: a sentence for the user.
        exit_code: 1 if training ended for want of a learning signal and no episode ever solved its task, or if a smoke
            run has made no update; else 0.
    """

    reason: str
    text: str
    exit_code: int = 0


def ending(config: TrainConfig, standing: Standing, records: Sequence[Mapping[str, Any]]) -> Ending:
    """How a run ended that is over.

    Args:
        config: its options.
        standing: where it stands.
        records: of its `metrics.jsonl`.
    """
    done = f"{standing.iteration} of {config.iterations} iterations"
    iterations = of_kind([dict(record) for record in records], "iteration")
    if config.smoke:
        return _of_smoke(done, iterations)
    row = standing.skipped_in_a_row
    if row and (row >= config.patience or row == standing.iteration):
        return _without_signal(done, row, iterations)
    if standing.iteration < config.iterations:
        return Ending("max_minutes", f"Training ended after {done}: {config.max_minutes:g} minutes have passed.")
    skipped = f"; {standing.skipped} had no learning signal and updated nothing" if standing.skipped else ""
    return Ending("iterations", f"Training ended after {done}{skipped}.")


def _of_smoke(done: str, iterations: Sequence[Mapping[str, Any]]) -> Ending:
    norms = [record["grad_norm"] for record in iterations if record.get("grad_norm")]
    if not norms:
        return Ending("no_signal", f"The smoke run ended after {done}, and no update had a gradient.", exit_code=1)
    shown = ", ".join(f"{norm:.3g}" for norm in norms)
    return Ending("iterations", f"The smoke run ended after {done}; norms of the gradients: {shown}.")


def _without_signal(done: str, row: int, iterations: Sequence[Mapping[str, Any]]) -> Ending:
    last = iterations[-row:]
    solved = [record.get("success") or 0.0 for record in last]
    head = f"Training ended after {done}"
    if min(solved) == 1:
        text = f"{head}: every episode of the last {row} solved its task. Harder tasks would go on teaching the model."
        return Ending("no_signal", text)
    remedy = "Set easier tasks, more episodes of each (--num-generations), or begin with --algo sft."
    if not any(solved):
        text = f"{head}: no episode of the last {row} solved its task, so there was nothing to learn. {remedy}"
        never = not any(record.get("success") for record in iterations)
        return Ending("no_signal", text, exit_code=int(never))
    kinds: Counter[str] = Counter()
    for record in last:
        kinds.update(record.get("groups") or {})
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    text = f"{head}: no group of episodes of the last {row} had a learning signal ({counts}). {remedy}"
    return Ending("no_signal", text)
