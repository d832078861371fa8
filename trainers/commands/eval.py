"""`train-agent eval`: benchmark scoring."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from configs import ConfigError, EvalConfig
from configs.trained import scoring_settings, tell
from envs.installation import command
from eval.evaluate import Evaluation, check_score, evaluate, evaluated_jobs, open_tasks
from eval.protocols import CONTEST, EvalProtocol, find_protocol, joint_score
from eval.tables import print_result
from rollout import Policy
from rollout.progress import LiveProgress
from rollout.synchronous import run_sync
from trainers.commands.collect import account_line, exit_code, folder, open_checked


def run(config: EvalConfig) -> int:
    """Score. Returns the exit code."""
    tell(config.model, scoring_settings(config.model, config.env, config.protocol), config)
    rules = [replace(one, talk=config.talk or one.talk) for one in _rules(config)]
    output = folder(config, "eval", [one.env for one in rules[1:] and rules])
    if config.dry_run:
        for one in rules:
            print(
                f"would play {len(open_tasks(one, config.env_args).tasks)} tasks of {one.env} {one.split} by {one.name}"
            )
        return 0
    for one in rules[1:]:  # what the last one lacks should not come out after the first has been played
        with closing(open_tasks(one, config.env_args)) as env:
            env.protocol(one.talk)
    found = [_score(config, one, output / one.env if len(rules) > 1 else output) for one in rules]
    joint = _joint(found)
    if config.json:
        plain = [_as_dict(evaluation) for evaluation in found]
        print(json.dumps(plain[0] if len(plain) == 1 else {"results": plain, "joint_score": joint}))
        return max(exit_code(evaluation.collected) for evaluation in found)
    for evaluation in found:
        _report(evaluation)
    if joint is not None:
        print(f"joint score: {joint:.3f}  ((ALFWorld% + DB%) / 26)")
    return max(exit_code(evaluation.collected) for evaluation in found)


def _rules(config: EvalConfig) -> list[EvalProtocol]:
    if config.protocol == CONTEST:
        return [find_protocol("agentbench-v02", env) for env in ("alfworld", "dbbench")]
    if config.protocol is not None:
        return [find_protocol(config.protocol, config.env if config.protocol.startswith("agentbench") else None)]
    if config.split is None:
        raise ConfigError(
            f"eval needs --protocol NAME, or --split of the environment. Say `{command('eval', '--help')}`."
        )
    return [EvalProtocol(name=f"{config.env}-{config.split}", env=config.env, split=config.split)]


def _score(config: EvalConfig, rules: EvalProtocol, output: Path) -> Evaluation:
    env = open_tasks(rules, config.env_args)
    policy: Policy | None = None
    try:
        planned = evaluated_jobs(rules, env, limit=config.limit, epochs=config.epochs, seed=config.seed)
        check_score(rules, output, planned)
        policy = open_checked(config, env, env.protocol(rules.talk), rules.sampling, output)
        with LiveProgress(len(planned)) as progress:
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
            run_sync(policy.close())


def _as_dict(evaluation: Evaluation) -> dict[str, Any]:
    return {**evaluation.result.to_dict(), "account": evaluation.collected.account.as_dict()}


def _report(evaluation: Evaluation) -> None:
    console = Console()
    print_result(evaluation.result, console)
    console.print(account_line(evaluation.collected), highlight=False, soft_wrap=True)
    if evaluation.collected.complete:
        console.print(f"result: {evaluation.file}", highlight=False, soft_wrap=True)
    else:
        again = f"not complete: go on with the same command and --resume -o {evaluation.collected.run}"
        console.print(again, style="yellow", soft_wrap=True)


def _joint(found: list[Evaluation]) -> float | None:
    """The contest's score, once both benchmarks are complete."""
    if len(found) < 2 or not all(evaluation.collected.complete for evaluation in found):
        return None
    alfworld, dbbench = found[0].result.summary.success, found[1].result.summary.macro
    return None if alfworld is None or dbbench is None else joint_score(alfworld.value, dbbench.value)
