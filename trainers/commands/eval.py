"""`train-agent eval`: benchmark scoring."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from rich.console import Console

from configs import ConfigError, EvalConfig
from eval.evaluate import Evaluation, evaluate, open_tasks
from eval.protocols import EvalProtocol, find_protocol, joint_score
from eval.tables import print_result
from rollout import Policy
from rollout.progress import LiveProgress
from trainers.commands.collect import folder, open_policy

CONTEST = "contest"


def run(config: EvalConfig) -> int:
    """Score. Returns 0 if every planned episode is on disk and none was cancelled."""
    output = folder(config, "eval")
    rules = _rules(config)
    if config.dry_run:
        for one in rules:
            print(
                f"would play {len(open_tasks(one, config.env_args).tasks)} tasks of {one.env} {one.split} by {one.name}"
            )
        return 0
    found = [_score(config, one, output / one.env if len(rules) > 1 else output) for one in rules]
    for evaluation in found:
        _report(evaluation, as_json=config.json)
    if len(found) > 1 and all(evaluation.collected.complete for evaluation in found):
        _print_joint(found)
    return 0 if all(evaluation.collected.complete for evaluation in found) else 1


def _rules(config: EvalConfig) -> list[EvalProtocol]:
    if config.protocol == CONTEST:
        return [find_protocol("agentbench-v02", env) for env in ("alfworld", "dbbench")]
    if config.protocol is not None:
        return [find_protocol(config.protocol, config.env if config.protocol.startswith("agentbench") else None)]
    if config.split is None:
        raise ConfigError("eval needs --protocol NAME, or --split of the environment. See `train-agent eval --help`.")
    return [EvalProtocol(name=f"{config.env}-{config.split}", env=config.env, split=config.split)]


def _score(config: EvalConfig, rules: EvalProtocol, output: Path) -> Evaluation:
    env = open_tasks(rules, config.env_args)
    policy: Policy | None = None
    try:
        policy = open_policy(config, env, default_temperature=rules.sampling.temperature)
        with LiveProgress(
            config.limit or rules.episodes or len(env.tasks) * (config.epochs or rules.epochs)
        ) as progress:
            return evaluate(
                rules,
                policy,
                output=output,
                env=env,
                env_args=config.env_args,
                limit=config.limit,
                epochs=config.epochs,
                workers=config.workers,
                seed=config.seed,
                resume=config.resume,
                watcher=progress,
            )
    finally:
        env.close()
        if policy is not None:
            asyncio.run(policy.close())


def _report(evaluation: Evaluation, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**evaluation.result.to_dict(), "account": evaluation.collected.account.as_dict()}))
        return
    console = Console()
    print_result(evaluation.result, console)
    console.print(str(evaluation.collected.account), highlight=False, soft_wrap=True)
    if evaluation.collected.complete:
        console.print(f"result: {evaluation.file}", highlight=False, soft_wrap=True)
    else:
        console.print(f"not complete: go on with --resume -o {evaluation.collected.run}", style="yellow")


def _print_joint(found: list[Evaluation]) -> None:
    alfworld, dbbench = found[0].result.summary.success, found[1].result.summary.macro
    if alfworld is not None and dbbench is not None:
        print(f"joint score: {joint_score(alfworld.value, dbbench.value):.3f}  ((ALFWorld% + DB%) / 26)")
