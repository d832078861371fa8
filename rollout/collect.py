"""Offline collection: any environment, any policy, onto disk, with an account that balances."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

import envs
from envs import Task, TextEnv
from envs.protocol import Protocol
from rollout.account import Account
from rollout.episode import Job
from rollout.files import atomic_file
from rollout.host import Deadlines
from rollout.jobs import plan
from rollout.lineage import describe_env, describe_protocol, differences, versions
from rollout.policy import ModelPolicy, Policy
from rollout.resume import ResumeError
from rollout.runner import Scorer, Stage, Stop, Watcher, play
from rollout.scripted import expert_policy, random_policy
from rollout.store import Store, Trajectories, read_trajectories
from rollout.synchronous import run_sync
from rollout.trajectory import Trajectory

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection left behind.

    Attributes:
        run: its folder.
        account: of the episodes that this call played.
        trajectories: of the whole folder, earlier calls included.
        complete: whether nothing is owed and nothing was cancelled.
        lineage: of the run, as every episode holds it.
        signal: by which it was stopped early; None if it was not.
    """

    run: Path
    account: Account
    trajectories: Trajectories
    complete: bool
    lineage: dict[str, Any]
    signal: int | None = None

    @property
    def whole(self) -> Account:
        """The account of the whole folder."""
        return Account.of(self.trajectories)


def collect(
    env: str | TextEnv[Any] = "alfworld",
    policy: str | Policy = "expert",
    *,
    output: str | Path,
    split: str | None = None,
    env_args: Mapping[str, Any] | None = None,
    protocol: str = "react",
    episodes: int | None = None,
    per_task: int = 1,
    workers: int | None = None,
    keep: str = "all",
    resume: bool = False,
    seed: int = 0,
    deadlines: Deadlines | None = None,
    scorer: Scorer | None = None,
    watcher: Watcher | None = None,
    stop: Stop | None = None,
) -> Collected:
    """Play episodes and keep them.

    Args:
        env: an id, or an environment, which is copied for every worker and stays the caller's.
        policy: `expert`, `random`, or a policy, which stays the caller's to close.
        output: the run's folder.
        split: of the environment; its own default if None.
        env_args: further arguments of the environment.
        protocol: how the policy talks.
        episodes: how many in all; every task `per_task` times if None.
        per_task: samples of a task.
        workers: episodes at once; the policy's capacity if None.
        keep: `all`, or `success`: the others keep their line without their steps.
        resume: go on with the folder: what is scored there is not played again.
        seed: of tasks, environments and sampling.
        deadlines: for each part of an episode.
        scorer: fills rewards.
        watcher: is told of the progress.
        stop: asks for an early end.

    Raises:
        EnvError: wrong arguments (`TaskError`), data that is missing, a folder of another run (`ResumeError`), a disk
            that takes no more (`StoreError`), or an account that does not balance (`AccountError`).
    """
    if keep not in ("all", "success"):
        raise envs.TaskError(f"keep is {keep!r}", remedy="Use all or success.")
    args = dict(env_args or {})
    part = {} if split is None else {"split": split}
    with nullcontext(env) if isinstance(env, TextEnv) else closing(envs.make(env, **part, **args)) as made:
        talk = made.protocol(protocol)
        player = _policy(policy, made)
        if isinstance(player, ModelPolicy):
            player.check(talk)
        facts = {"env": describe_env(made, split, args), **_lineage(talk, player, seed)}
        lineage = json.loads(json.dumps(facts))  # as it reads back
        run = Path(output)
        planned = plan(made.tasks, episodes=episodes, per_task=per_task, seed=seed)
        stop = stop or Stop()
        with closing(Store(run)) as store:  # its lock first: what is owed must not change any more
            jobs = _owed(planned, run, lineage, resume)
            account = Account(job.id for job in jobs)
            _write_config(run, lineage)
            stage = Stage(
                env=made,
                policy=player,
                protocol=talk,
                store=store,
                account=account,
                deadlines=deadlines or Deadlines(),
                lineage=lineage,
                scorer=scorer,
                keep=_solved if keep == "success" else None,
                watcher=watcher,
            )
            run_sync(play(stage, jobs, slots=workers, stop=stop))
        if not stop.gently.is_set():
            account.check()
        complete = not account.owed and not account.cancelled
        return Collected(run, account, read_trajectories(run), complete, lineage, stop.signal)


def _lineage(talk: Protocol, policy: Policy, seed: int) -> dict[str, Any]:
    """What beside the environment made a run's episodes."""
    return {
        "protocol": describe_protocol(talk),
        "policy": _describe_policy(policy),
        "seed": seed,
        "versions": versions(),
    }


def _solved(trajectory: Trajectory) -> bool:
    return bool(trajectory.success)


def _policy(policy: str | Policy, env: TextEnv[Task]) -> Policy:
    if not isinstance(policy, str):
        return policy
    if policy == "expert":
        return expert_policy(env)
    if policy == "random":
        return random_policy()
    raise envs.TaskError(f"unknown policy {policy!r}", remedy="Use expert or random, or pass a Policy.")


def _describe_policy(policy: Policy) -> dict[str, Any]:
    sampling = getattr(policy, "sampling", None)
    return {
        "name": policy.name,
        "window": policy.window,
        "sampling": {name: getattr(sampling, name) for name in sampling.__slots__} if sampling is not None else None,
        **getattr(policy, "facts", {}),
    }


def _owed(jobs: Sequence[Job], run: Path, lineage: Mapping[str, Any], resume: bool) -> list[Job]:
    """The jobs that the folder does not hold yet.

    Raises:
        ResumeError: if it holds episodes and `resume` is off, or episodes of another kind.
    """
    config = run / "config.yaml"
    if config.exists() and not resume:
        raise ResumeError(
            "the folder holds a run", where=run, remedy="Add --resume to go on, or choose another with -o."
        )
    stored = read_trajectories(run)
    if not config.exists():
        if stored or stored.bad:
            remedy = "Choose another with -o."
            raise ResumeError("the folder holds episodes but no config.yaml", where=run, remedy=remedy)
        return list(jobs)
    before = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    rows = differences(before, lineage)
    changed = [row for row in rows if not row[0].startswith("versions.")]
    for key, old, new in rows:
        if key.startswith("versions."):
            log.warning("%s: resumed with another %s: %s there, %s now", run, key.removeprefix("versions."), old, new)
    if changed:
        shown = "; ".join(f"{key}: {old!r} there, {new!r} now" for key, old, new in changed)
        raise ResumeError(
            f"the run was made differently ({shown})", where=run, remedy="Undo that, or choose another folder with -o."
        )
    earlier = {trajectory.id: trajectory for trajectory in stored}
    done = {trajectory.id for trajectory in stored if trajectory.scored}
    return [
        replace(job, attempt=earlier[job.id].attempt + 1) if job.id in earlier else job
        for job in jobs
        if job.id not in done
    ]


def _write_config(run: Path, lineage: dict[str, Any]) -> None:
    config = run / "config.yaml"
    if not config.exists():
        with atomic_file(config) as file:
            file.write(yaml.safe_dump(lineage, sort_keys=False, allow_unicode=True).encode())
