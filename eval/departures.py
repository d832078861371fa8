"""What the name of an evaluation protocol promises, and where a score was made otherwise."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from envs import DataError, TextEnv
from eval.protocols import PROTOCOLS, EvalProtocol
from rollout import Sampling

GENERATED = "generated"
"""The `source` among an environment's facts where its tasks are ours and not the benchmark's."""


def refuse_generated(rules: EvalProtocol, env: TextEnv[Any]) -> None:
    """Refuse to score tasks of our own under the name of a benchmark.

    Raises:
        DataError: with what to type to get the benchmark's tasks, or to score the generated ones under their own name.
    """
    if rules.tasks is None or env.facts().get("source") != GENERATED:
        return
    raise DataError(
        f"{rules.name} is scored on the official tasks, and these are generated",
        where=f"{rules.env} {rules.split}",
        remedy="Fetch them (alfworld-download, of the alfworld package) and set ALFWORLD_DATA, or give --env-args "
        f"data=FOLDER; or score generated ones without the name: --env {rules.env} --split {rules.split}.",
    )


def departures(
    rules: EvalProtocol,
    args: Mapping[str, Any],
    places: Collection[str],
    sampling: Mapping[str, Any] | None,
    tasks: int,
) -> tuple[str, ...]:
    """Where a score was not made as its name says, in words: "max_steps 20 (50)", the promise in parentheses.

    Args:
        rules: as they were applied.
        args: of the environment.
        places: those of them that only say where something lies.
        sampling: of the policy; None for a scripted one.
        tasks: how many were scored.
    """
    promised = next((one for one in PROTOCOLS if (one.name, one.env) == (rules.name, rules.env)), None)
    if promised is None:
        return ()
    pairs = {name: (args.get(name), promised.env_args.get(name)) for name in {*args, *promised.env_args} - {*places}}
    pairs["talk"] = (rules.talk, promised.talk)
    pairs["split"] = (rules.split, promised.split)
    pairs["samples of each task"] = (rules.epochs, promised.epochs)
    if promised.episodes is None:
        pairs["tasks"] = (tasks, promised.tasks)
    if sampling is not None:
        pairs |= {name: (sampling.get(name), getattr(promised.sampling, name)) for name in Sampling.__slots__}
    differing = {name: pair for name, pair in sorted(pairs.items()) if _plain(pair[0]) != _plain(pair[1])}
    return tuple(f"{name} {_shown(now)} ({_shown(then)})" for name, (now, then) in differing.items())


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
