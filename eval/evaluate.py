"""Scoring: a protocol's episodes are played, counted, and written down with all that made the score."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import envs
from envs import DataError, Task, TaskSet, TextEnv
from eval.departures import departures, refuse_generated
from eval.episode import Episode
from eval.errors import ResultError
from eval.metrics import summarise
from eval.protocols import EvalProtocol, find_protocol
from eval.result import Result, read_result
from rollout import Deadlines, Policy, collect
from rollout.collect import Collected
from rollout.episode import Job
from rollout.jobs import plan
from rollout.resume import ResumeError
from rollout.runner import Stop, Watcher

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A scored run.

    Attributes:
        result: the score; written to `file` once the account balances, unless that holds one of more or other episodes.
        collected: the account and the episodes.
        file: the result file.
    """

    result: Result
    collected: Collected
    file: Path


def evaluate(
    protocol: str | EvalProtocol,
    policy: str | Policy = "expert",
    *,
    output: str | Path,
    env: str | TextEnv[Any] | None = None,
    env_args: Mapping[str, Any] | None = None,
    limit: int | None = None,
    epochs: int | None = None,
    workers: int | None = None,
    seed: int = 0,
    resume: bool = False,
    deadlines: Deadlines | None = None,
    watcher: Watcher | None = None,
    stop: Stop | None = None,
) -> Evaluation:
    """Score a policy by a protocol.

    Args:
        protocol: its name, or one of your own.
        policy: `expert`, `random`, or a policy, which stays the caller's to close.
        output: the run's folder; episodes and `eval/NAME.json` are written there.
        env: which environment, where a name stands for two protocols; or one that `open_tasks` made.
        env_args: further arguments of the environment, such as `data`; what changes a score is in the fingerprint.
        limit: play only so many tasks, drawn evenly over the types; the fingerprint says so.
        epochs: samples of each task, in place of the protocol's own.
        workers: episodes at once.
        seed: of environments and sampling.
        resume: play only what the folder does not hold.
        deadlines: for each part of an episode.
        watcher: is told of the progress.
        stop: asks for an early end.

    Raises:
        EnvError: as `rollout.collect` does.
    """
    name = env if isinstance(env, str) else None
    rules = find_protocol(protocol, name) if isinstance(protocol, str) else protocol
    rules = replace(rules, env_args={**rules.env_args, **(env_args or {})}, epochs=epochs or rules.epochs)
    with nullcontext(env) if isinstance(env, TextEnv) else closing(open_tasks(rules)) as made:
        refuse_generated(rules, made)
        jobs = evaluated_jobs(rules, made, limit=limit, seed=seed)
        collected = collect(
            made,
            policy,
            output=output,
            split=rules.split,
            env_args=rules.env_args,
            protocol=rules.talk,
            episodes=_episodes(rules, made, limit, rules.epochs),
            per_task=rules.epochs,
            workers=workers,
            resume=resume,
            seed=seed,
            deadlines=deadlines,
            watcher=watcher,
            stop=stop,
        )
        result = _result(rules, made, collected, {job.id for job in jobs})
    file = _file(rules, output)
    if collected.complete:
        try:
            check_score(rules, output, jobs)
            result.write(file)
        except ResumeError as error:
            log.warning("not written: %s", error)
    return Evaluation(result, collected, file)


def evaluated_jobs(
    rules: EvalProtocol, env: TextEnv[Any], *, limit: int | None = None, epochs: int | None = None, seed: int = 0
) -> list[Job]:
    """The episodes that make a score; `limit` and `epochs` as in `evaluate`."""
    per_task = epochs or rules.epochs
    return plan(env.tasks, episodes=_episodes(rules, env, limit, per_task), per_task=per_task, seed=seed)


def _episodes(rules: EvalProtocol, env: TextEnv[Any], limit: int | None, per_task: int) -> int | None:
    return rules.episodes if limit is None else min(limit, len(env.tasks)) * per_task


def open_tasks(rules: EvalProtocol, env_args: Mapping[str, Any] | None = None) -> TextEnv[Any]:
    """The environment of a protocol, with the tasks that it plays.

    Raises:
        EnvError: if the environment cannot be made, has generated tasks where the protocol's name stands for official
            ones, or the protocol's list of tasks is not there.
    """
    env = envs.make(rules.env, split=rules.split, **{**rules.env_args, **(env_args or {})})
    try:
        refuse_generated(rules, env)
    except DataError:
        env.close()
        raise
    if rules.task_list is not None:
        env.tasks = _listed(env, rules.task_list)
    return env


def check_score(rules: EvalProtocol, output: str | Path, jobs: Iterable[Job]) -> None:
    """See to it that these episodes may make the score in a run's folder: that it is not one of more, or of others.

    Raises:
        ResumeError: if the folder holds a score with episodes that are not among these.
    """
    file, ids = _file(rules, output), {job.id for job in jobs}
    try:
        scored = {episode.id for episode in read_result(file).episodes} if file.exists() else set()
    except ResultError:
        return  # damaged: it is made anew of the stored episodes
    if scored - ids:
        raise ResumeError(
            f"it holds a score of {len(scored)} episodes, and {len(ids)} are to be scored now",
            where=file,
            remedy="Score at least the same ones (--limit, --epochs and --seed as before), or choose another folder "
            "with -o.",
        )


def _file(rules: EvalProtocol, output: str | Path) -> Path:
    return Path(output) / "eval" / f"{rules.name}-{rules.env}.json"


def _result(rules: EvalProtocol, env: TextEnv[Any], collected: Collected, ids: set[str]) -> Result:
    """The score of these episodes; a resumed folder may hold others, of more samples or tasks."""
    trajectories = [trajectory for trajectory in collected.trajectories if trajectory.id in ids]
    lineage = dict(collected.lineage)
    policy = dict(lineage.pop("policy"))
    model = {"name": policy.pop("name"), **policy.pop("model", {}), "versions": lineage.pop("versions")}
    fingerprint = {
        "epochs": rules.epochs,
        "episodes": len(trajectories),
        **lineage,
        "policy": policy,
    }
    rows = tuple(Episode.of(trajectory, collected.trajectories.places[trajectory.id]) for trajectory in trajectories)
    tasks = len({trajectory.task for trajectory in trajectories})
    departing = departures(rules, rules.env_args, env.places, policy.get("sampling"), tasks)
    return Result(rules.name, fingerprint, model, summarise(rows, rules.family), rows, departing)


def _listed(env: TextEnv[Task], file: str) -> TaskSet[Task]:
    """The tasks that a list of AgentBench names, in its order.

    Raises:
        DataError: if there is no checkout, or a task of the list is not in the data.
    """
    home = os.environ.get("AGENTBENCH_HOME")
    remedy = "Set AGENTBENCH_HOME to a checkout of AgentBench's main branch."
    if not home:
        raise DataError("this protocol plays the tasks that AgentBench lists", where=file, remedy=remedy)
    path = Path(home) / file
    try:
        groups = json.loads(path.read_text(encoding="utf-8"))
        names = [name for group in groups.values() for name in group]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(f"cannot be read ({error})", where=path, remedy=remedy) from error
    by_folder = {"/".join(task.id.split("/")[1:]): task for task in env.tasks}
    found = [by_folder.get("/".join(name.split("/")[2:-1])) for name in names]
    if None in found:
        missing = names[found.index(None)]
        raise DataError(f"names {missing}, which is not in the data", where=path, remedy="Fetch the games again.")
    return TaskSet(task for task in found if task is not None)
