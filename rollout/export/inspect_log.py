"""inspect_ai's evaluation log (its schema, version 2), as JSON and as the zip archive that its viewer prefers.

Written by ourselves, so that no episode needs inspect_ai to be looked at by it. An episode is a sample: its task is the
sample's id and its number the epoch; what failed outside the model stands there with its error and without a score.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import BinaryIO
from urllib.parse import quote

from envs.protocol import Message
from rollout.export.rows import Row, dump, template_form
from rollout.lineage import fingerprint
from rollout.trajectory import Trajectory

_SCORER = "success"
_STOP = {"stop": "stop", "length": "max_tokens", "abort": "content_filter"}


def inspect_log(trajectories: Sequence[Trajectory], *, name: str, created: datetime) -> Row:
    """The log of a run.

    Args:
        trajectories: of one run.
        name: the run's.
        created: when it was played.
    """
    lineage = trajectories[0].lineage if trajectories else {}
    env, policy = lineage.get("env", {}), lineage.get("policy", {})
    model = str(policy.get("name", "unknown"))
    samples = [_sample(trajectory, model) for trajectory in trajectories]
    when = created.astimezone(UTC).isoformat(timespec="seconds")
    key = fingerprint(json.dumps(lineage, sort_keys=True) + name)
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": key,
            "run_id": key,
            "task_id": key,
            "created": when,
            "model": model,
            "task": "/".join(str(part) for part in (env.get("id"), env.get("split")) if part) or name,
            "task_args": env.get("args", {}),
            "dataset": {
                "name": str(env.get("split") or env.get("id") or name),
                "samples": len({trajectory.task for trajectory in trajectories}),
                "sample_ids": list(dict.fromkeys(trajectory.task for trajectory in trajectories)),
                "shuffled": False,
            },
            "config": {"epochs": max((trajectory.sample + 1 for trajectory in trajectories), default=1)},
            "packages": lineage.get("versions", {}),
            "metadata": {"run": name, "lineage": lineage},
        },
        "plan": {
            "name": "train-agent",
            "steps": [{"solver": str(lineage.get("protocol", {}).get("name", "unknown")), "params": {}}],
            "config": _sampling(policy.get("sampling") or {}),
        },
        "results": _results(trajectories),
        "stats": {"model_usage": {model: _sum_usage(trajectories)}},
        "samples": samples,
    }


def write_json(log: Row, file: BinaryIO) -> None:
    """The log as one JSON document (`.json`)."""
    file.write(dump(log))


def write_eval(log: Row, file: BinaryIO) -> None:
    """The log as an archive (`.eval`): a file a sample, so that the viewer loads what is looked at."""
    samples = log["samples"]
    header = {key: value for key, value in log.items() if key != "samples"}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_journal/start.json", dump({key: log[key] for key in ("version", "eval", "plan")}))
        for sample in samples:
            archive.writestr(f"samples/{quote(sample['id'], safe='')}_epoch_{sample['epoch']}.json", dump(sample))
        archive.writestr("summaries.json", dump([_summary(sample) for sample in samples]))
        archive.writestr("header.json", dump(header))


def _sample(trajectory: Trajectory, model: str) -> Row:
    steps = trajectory.steps
    sample: Row = {
        "id": trajectory.task,
        "epoch": trajectory.sample + 1,
        "uuid": fingerprint(f"{trajectory.id}/{trajectory.attempt}"),
        "input": trajectory.first_observation,
        "target": "",
        "messages": _messages(trajectory.conversation(), model),
        "output": _output(trajectory, model),
        "metadata": {
            **{name: getattr(trajectory, name) for name in ("task_type", "split", "seed", "attempt", "ending")},
            "turns": len(steps),
        },
        "model_usage": {model: _usage(trajectory)},
        "total_time": trajectory.seconds,
        "working_time": trajectory.seconds,
        "turn_count": len(steps),
    }
    if trajectory.success is not None:
        sample["scores"] = {_SCORER: _score(trajectory)}
    if not trajectory.scored:
        failure = trajectory.failure
        words = f"{failure.kind}: {failure.message}" if failure else "cancelled"
        sample["error"] = {"message": words, "traceback": words, "traceback_ansi": words}
    if trajectory.ending == "truncated":
        sample["limit"] = {"type": "turn", "limit": len(steps)}
    elif trajectory.ending == "overlong":
        sample["limit"] = {"type": "context", "limit": _usage(trajectory)["total_tokens"]}
    return sample


def _score(trajectory: Trajectory) -> Row:
    actions = [action for step in trajectory.steps for action in step.actions]
    return {
        "value": "C" if trajectory.success else "I",
        "answer": actions[-1] if actions else "",
        "explanation": f"{trajectory.ending} after {len(trajectory.steps)} turns",
        "metadata": {"score": trajectory.score, "env_return": trajectory.env_return, **trajectory.rewards},
    }


def _messages(messages: Sequence[Message], model: str) -> list[Row]:
    plain = template_form(messages)
    for message in plain:
        calls = message.pop("tool_calls", None)
        if calls:
            message["tool_calls"] = [_call(call) for call in calls]
        if message["role"] == "assistant":
            message.update(source="generate", model=model)
        elif message["role"] == "user":
            message["source"] = "input"
    return plain


def _call(call: Row) -> Row:
    arguments = call["function"]["arguments"]
    plain = {"id": call["id"], "function": call["function"]["name"], "type": "function", "arguments": arguments}
    if isinstance(arguments, dict):
        return plain
    return {**plain, "arguments": {}, "parse_error": f"not a JSON object: {arguments}"}


def _output(trajectory: Trajectory, model: str) -> Row:
    if not trajectory.steps:
        return {"model": model, "choices": []}
    last = trajectory.steps[-1]
    (message,) = _messages([last.reply], model)
    stop = "tool_calls" if last.reply.tool_calls else _STOP[last.finish]
    return {
        "model": model,
        "choices": [{"message": message, "stop_reason": stop}],
        "completion": last.reply.content,
        "usage": _usage(trajectory),
        "time": sum(step.timing.model for step in trajectory.steps),
    }


def _usage(trajectory: Trajectory) -> dict[str, int]:
    read = sum(map(len, trajectory.prompts()))
    written = sum(len(step.tokens.completion_ids) for step in trajectory.steps if step.tokens)
    return {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}


def _sum_usage(trajectories: Sequence[Trajectory]) -> dict[str, int]:
    each = [_usage(trajectory) for trajectory in trajectories]
    names = ("input_tokens", "output_tokens", "total_tokens")
    return {name: sum(usage[name] for usage in each) for name in names}


def _sampling(sampling: Row) -> Row:
    names = {"temperature": "temperature", "top_p": "top_p", "max_new_tokens": "max_tokens"}
    config = {theirs: sampling[ours] for ours, theirs in names.items() if ours in sampling}
    if sampling.get("top_k"):
        config["top_k"] = sampling["top_k"]
    if sampling.get("stop"):
        config["stop_seqs"] = list(sampling["stop"])
    return config


def _results(trajectories: Sequence[Trajectory]) -> Row:
    solved = [bool(trajectory.success) for trajectory in trajectories if trajectory.success is not None]
    rate = sum(solved) / len(solved) if solved else 0.0
    # As inspect_ai's own stderr(): the sample's standard deviation over the root of its size.
    stderr = math.sqrt(rate * (1 - rate) / (len(solved) - 1)) if len(solved) > 1 else 0.0
    metrics = {"accuracy": rate, "stderr": stderr}
    score = {
        "name": _SCORER,
        "scorer": _SCORER,
        "scored_samples": len(solved),
        "unscored_samples": len(trajectories) - len(solved),
        "metrics": {name: {"name": name, "value": value} for name, value in metrics.items()},
    }
    return {"total_samples": len(trajectories), "completed_samples": len(solved), "scores": [score]}


def _summary(sample: Row) -> Row:
    kept = ("id", "epoch", "uuid", "input", "target", "metadata", "scores", "model_usage", "total_time", "working_time")
    summary = {name: sample[name] for name in (*kept, "turn_count") if name in sample}
    more: Row = {"completed": "error" not in sample, "message_count": len(sample["messages"])}
    if "error" in sample:
        more["error"] = sample["error"]["message"]
    if "limit" in sample:
        more["limit"] = sample["limit"]["type"]
    return {**summary, **more}
