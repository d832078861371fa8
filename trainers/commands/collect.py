"""`train-agent collect`: offline collection."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

import envs
from configs import CollectConfig, EnvConfig, ModelConfig, RunConfig
from configs.common import thinking
from configs.stored import model_path
from configs.trained import settings_of, tell
from envs import TextEnv
from envs.protocol import Protocol
from rollout import Policy, Sampling, Trajectories, collect
from rollout.collect import Collected
from rollout.jobs import plan
from rollout.models import make_policy
from rollout.progress import LiveProgress
from rollout.progress_lines import waiting_for
from rollout.resume import check_resumable, holds_run
from rollout.synchronous import run_sync
from trainers.startup import check_first_episode, check_playing


def run(config: CollectConfig) -> int:
    """Collect. Returns the exit code."""
    tell(config.model, settings_of(config.model, config.env), config)
    env = open_env(config)
    policy: Policy | None = None
    try:
        episodes = config.episodes
        if config.limit is not None:
            whole = min(config.limit, len(env.tasks)) * config.per_task
            episodes = min(whole, episodes or whole)
        jobs = plan(env.tasks, episodes=episodes, per_task=config.per_task, seed=config.seed)
        if config.dry_run:
            print(f"would play {len(jobs)} episodes of {len({job.task.id for job in jobs})} tasks with {config.model}")
            return 0
        output = folder(config, "collect")
        policy = open_checked(config, env, env.protocol(config.protocol), Sampling(), output)
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
            run_sync(policy.close())
    report(done, as_json=config.json)
    return exit_code(done)


def open_env(config: EnvConfig) -> TextEnv[Any]:
    """The environment of a config, under its registered name."""
    split = {} if config.split is None else {"split": config.split}
    return envs.make(config.env, **split, **config.env_args)


def open_policy(config: ModelConfig, env: TextEnv[Any], usual: Sampling) -> Policy:
    """The policy of a config; what it does not say of the sampling is as usual."""
    typed: dict[str, Any] = {
        "temperature": config.temperature,
        "top_p": config.top_p,
        "max_new_tokens": config.max_completion_length,
    }
    sampling = replace(usual, **{name: value for name, value in typed.items() if value is not None})
    return make_policy(
        model_path(config.model),
        env,
        sampling=sampling,
        capacity=config.capacity,
        max_length=config.max_length,
        window=config.window,
        tokenizer=config.tokenizer,
        dtype=config.dtype,
        enable_thinking=thinking(config.enable_thinking),
    )


def open_checked(config: ModelConfig, env: TextEnv[Any], protocol: Protocol, usual: Sampling, output: Path) -> Policy:
    """The policy of a config, once all is checked that can be known before the first episode."""
    check_playing(config.model, output)
    check_first_episode(env, protocol)  # before a model is loaded in vain
    with waiting_for(f"loading {config.model}"):
        policy = open_policy(config, env, usual)
    try:
        check_first_episode(env, protocol, policy)
    except BaseException:
        run_sync(policy.close())
        raise
    return policy


def folder(config: RunConfig, command: str, parts: Sequence[str] = ()) -> Path:
    """The run's folder, with a run in it or, where it has several, in one of its `parts`.

    Raises:
        ResumeError: if it is to be resumed, and holds no run.
    """
    found = config.output_dir or Path("runs") / f"{command}-{datetime.now():%Y%m%d-%H%M%S}"
    if config.resume and not any(holds_run(found / part) for part in parts):
        check_resumable(found)
    return found


def exit_code(done: Collected) -> int:
    """0 if every planned episode is on disk, none was cancelled, and not all of them failed; 130 if Ctrl-C, and 143 if
    SIGTERM ended the run before that."""
    if done.signal is not None and not done.complete:
        return 128 + done.signal
    return 0 if done.complete and any(trajectory.scored for trajectory in done.trajectories) else 1


def account_line(done: Collected) -> str:
    """The account of what was played, or of the whole run where nothing was left to play; and the first failure."""
    first = next((f"\nthe first failure: {one.failure.message}" for one in done.trajectories if one.failure), "")
    if done.account.planned:
        return f"{done.account}{first}"
    return f"the run was finished already, and nothing was left to play: {done.whole}{first}"


def report(done: Collected, *, as_json: bool) -> None:
    """Print what was collected."""
    if as_json:
        print(
            json.dumps({"run": str(done.run), "account": done.account.as_dict(), "types": _by_type(done.trajectories)})
        )
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("type", "episodes", "solved", "%", "steps"):
        table.add_column(heading, justify="left" if heading == "type" else "right", no_wrap=True)
    for name, row in _by_type(done.trajectories).items():
        share = f"{100 * row['solved'] / row['episodes']:.1f}" if row["episodes"] else "-"
        table.add_row(name, f"{row['episodes']:.0f}", f"{row['solved']:.0f}", share, f"{row['steps']:.1f}")
    console = Console()
    console.print(table)
    console.print(f"{account_line(done)}\nepisodes: {done.run}/episodes", highlight=False, soft_wrap=True)
    again = f"--resume -o {done.run}"
    if not done.complete:
        console.print(f"not complete: go on with the same command and {again}", style="yellow", soft_wrap=True)
    elif done.account.failed:
        console.print(
            f"failed episodes are played again by the same command with {again}", style="yellow", soft_wrap=True
        )


def _by_type(trajectories: Trajectories) -> dict[str, dict[str, float]]:
    """Scored episodes, solved ones and mean steps of those that kept them, by type of task and of all."""
    scored = [trajectory for trajectory in trajectories if trajectory.scored]
    counts = Counter(trajectory.task_type for trajectory in scored)
    rows = {}
    for name in [*sorted(counts), "all"]:
        group = [trajectory for trajectory in scored if name in ("all", trajectory.task_type)]
        whole = [len(trajectory.steps) for trajectory in group if trajectory.steps]  # --keep success drops the others'
        steps = sum(whole) / max(1, len(whole))
        solved = sum(bool(trajectory.success) for trajectory in group)
        rows[name] = {"episodes": float(len(group)), "solved": float(solved), "steps": steps}
    return rows
