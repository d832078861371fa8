"""`train-agent collect`: offline collection."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

import envs
from configs import CollectConfig, EnvConfig, ModelConfig, RunConfig
from envs import TextEnv
from rollout import Policy, Sampling, Trajectories, collect
from rollout.collect import Collected
from rollout.jobs import plan
from rollout.models import make_policy
from rollout.progress import LiveProgress


def run(config: CollectConfig) -> int:
    """Collect. Returns 0 if every planned episode is on disk and none was cancelled."""
    env = open_env(config)
    policy: Policy | None = None
    try:
        episodes = (
            config.episodes if config.limit is None else min(config.limit * config.per_task, config.episodes or 1 << 60)
        )
        jobs = plan(env.tasks, episodes=episodes, per_task=config.per_task, seed=config.seed)
        if config.dry_run:
            print(f"would play {len(jobs)} episodes of {len({job.task.id for job in jobs})} tasks with {config.model}")
            return 0
        policy = open_policy(config, env, default_temperature=1.0)
        output = folder(config, "collect")
        with LiveProgress(len(jobs)) as progress:
            done = collect(
                env,
                policy,
                output=output,
                split=config.split,
                env_args=config.env_args,
                protocol=config.protocol,
                episodes=episodes,
                per_task=config.per_task,
                workers=config.workers,
                keep=config.keep,
                resume=config.resume,
                seed=config.seed,
                watcher=progress,
            )
    finally:
        env.close()
        if policy is not None:
            asyncio.run(policy.close())
    report(done, as_json=config.json)
    return 0 if done.complete else 1


def open_env(config: EnvConfig) -> TextEnv[Any]:
    """The environment of a config, under its registered name."""
    split = {} if config.split is None else {"split": config.split}
    return envs.make(config.env, **split, **config.env_args)


def open_policy(config: ModelConfig, env: TextEnv[Any], *, default_temperature: float) -> Policy:
    """The policy of a config."""
    temperature = default_temperature if config.temperature is None else config.temperature
    sampling = Sampling(temperature=temperature, top_p=config.top_p, max_new_tokens=config.max_completion_length)
    return make_policy(
        config.model,
        env,
        sampling=sampling,
        capacity=config.capacity,
        max_length=config.max_length,
        window=config.window,
        dtype=config.dtype,
    )


def folder(config: RunConfig, command: str) -> Path:
    """The run's folder."""
    return config.output_dir or Path("runs") / f"{command}-{datetime.now():%Y%m%d-%H%M%S}"


def report(done: Collected, *, as_json: bool) -> None:
    """Print what was collected."""
    if as_json:
        print(
            json.dumps({"run": str(done.run), "account": done.account.as_dict(), "types": _by_type(done.trajectories)})
        )
        return
    table = Table(box=SIMPLE_HEAD)
    for heading in ("type", "episodes", "solved", "%", "steps"):
        table.add_column(heading, justify="left" if heading == "type" else "right")
    for name, row in _by_type(done.trajectories).items():
        share = f"{100 * row['solved'] / row['episodes']:.1f}" if row["episodes"] else "-"
        table.add_row(name, f"{row['episodes']:.0f}", f"{row['solved']:.0f}", share, f"{row['steps']:.1f}")
    console = Console()
    console.print(table)
    console.print(f"{done.account}\nepisodes: {done.run}/episodes", highlight=False, soft_wrap=True)
    if not done.complete:
        console.print(f"not complete: go on with --resume -o {done.run}", style="yellow", soft_wrap=True)


def _by_type(trajectories: Trajectories) -> dict[str, dict[str, float]]:
    """Scored episodes, solved ones and mean steps by type of task, and of all."""
    scored = [trajectory for trajectory in trajectories if trajectory.scored]
    counts = Counter(trajectory.task_type for trajectory in scored)
    rows = {}
    for name in [*sorted(counts), "all"]:
        group = [trajectory for trajectory in scored if name in ("all", trajectory.task_type)]
        steps = sum(len(trajectory.steps) for trajectory in group) / max(1, len(group))
        solved = sum(bool(trajectory.success) for trajectory in group)
        rows[name] = {"episodes": float(len(group)), "solved": float(solved), "steps": steps}
    return rows
