"""The model card of a trained model: what it was made from, how, and how well it acts, in the Hub's format.

It is written beside the weights and goes nowhere.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from eval.compare import compare
from eval.errors import FingerprintError, ResultError
from eval.intervals import Estimate
from eval.protocols import PROTOCOLS
from eval.result import Result
from eval.tables import percent
from rollout.files import atomic_file
from rollout.lineage import fingerprint, versions

CARD = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a card says of how a model came about.

    Attributes:
        base: what it was trained from: a hub's name, a folder, or a model of the package.
        env: the environment.
        algorithm: such as `grpo`.
        episodes: that it learnt from, or was compared by.
        iterations: collect-and-train rounds; None where there were none.
        seeds: of training.
        licence: the base model's, as the Hub abbreviates it (`apache-2.0`); None where nobody said.
        settings: further settings worth a line each, such as the learning rate.
    """

    base: str
    env: str
    algorithm: str
    episodes: int
    iterations: int | None = None
    seeds: Sequence[int] = (0,)
    licence: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def write_card(
    folder: str | Path, training: Training, *, before: Result | None = None, after: Result | None = None
) -> Path:
    """Write the card of a model, `README.md` in its folder.

    Args:
        folder: holds the model or the adapter in Hugging Face's format; its name is the model's.
        training: how it came about.
        before: the score of what it was trained from.
        after: its own score, by the same protocol.

    Raises:
        StoreError: if the folder cannot be written to.
    """
    folder = Path(folder)
    adapter = (folder / "adapter_config.json").is_file()
    header = yaml.safe_dump(_header(training, adapter), sort_keys=False, allow_unicode=True)
    parts = [
        f"# {folder.resolve().name}",
        f"A language model that acts in {training.env}, trained from `{training.base}` with {training.algorithm} by "
        "train-agent.",
        _training(training),
        _scores(before, after),
        _use(folder, adapter, after),
        _licence(training),
    ]
    body = "\n\n".join(parts)
    path = folder / CARD
    with atomic_file(path) as file:
        file.write(f"---\n{header}---\n\n{body}\n".encode())
    return path


def _header(training: Training, adapter: bool) -> dict[str, Any]:
    """The Hub's metadata. A base that the Hub does not have is not named in it: its links would lead nowhere."""
    header: dict[str, Any] = {
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["train-agent", "agent", "trl", training.algorithm, training.env],
    }
    if re.fullmatch(r"[\w.-]+/[\w.-]+", training.base) and not Path(training.base).exists():
        header["base_model"] = training.base
    if training.licence:
        header["license"] = training.licence
    return header


def _training(training: Training) -> str:
    rows = {
        "Trained from": f"`{training.base}`",
        "Environment": training.env,
        "Algorithm": training.algorithm,
        "Episodes": f"{training.episodes:,}",
        "Iterations": training.iterations,
        "Seeds": ", ".join(map(str, training.seeds)),
        **{name: f"`{value}`" for name, value in training.settings.items()},
        "Versions": ", ".join(f"{name} {value}" for name, value in versions().items()),
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items() if value is not None]
    return "\n".join(["## Training", "", "| | |", "|---|---|", *lines])


def _scores(before: Result | None, after: Result | None) -> str:
    found = [(name, result) for name, result in (("before", before), ("after", after)) if result is not None]
    if not found:
        return "## Score\n\nNot scored."
    lines = [
        "## Score",
        "",
        "| | protocol | success | 95% interval | episodes | fingerprint |",
        "|---|---|---|---|---|---|",
    ]
    for name, result in found:
        mark = fingerprint(json.dumps(result.fingerprint, sort_keys=True))
        lines.append(f"| {name} training | {result.protocol} | {_estimate(result.summary.success)} | `{mark}` |")
    if before is not None and after is not None:
        lines += ["", _difference(before, after)]
    shown = json.dumps(found[-1][1].fingerprint, indent=1, sort_keys=True)
    fold = "<details><summary>All that makes the score (the fingerprint)</summary>"
    return "\n".join([*lines, "", f"{fold}\n\n```json\n{shown}\n```\n\n</details>"])


def _estimate(success: Estimate | None) -> str:
    if success is None:
        return "- | - | 0"
    reach = "-" if success.low is None or success.high is None else f"{percent(success.low)} to {percent(success.high)}"
    return f"{percent(success.value)}% | {reach} | {success.n}"


def _difference(before: Result, after: Result) -> str:
    try:
        found = compare(before, after)
    except (FingerprintError, ResultError) as error:
        return f"The two cannot be compared: {error.what}."
    gap = found.difference
    reach = (
        "" if gap.low is None or gap.high is None else f", 95% interval {100 * gap.low:+.1f} to {100 * gap.high:+.1f}"
    )
    chance = f"p = {found.p_value:.2g}"
    return f"Paired by task: {100 * gap.value:+.1f} points{reach}, {chance} ({found.test}, {gap.tasks} tasks)."


def _use(folder: Path, adapter: bool, after: Result | None) -> str:
    package, loader = ("peft", "AutoPeftModelForCausalLM") if adapter else ("transformers", "AutoModelForCausalLM")
    lines = ["## Use", "", "```python"]
    lines += [f"from {package} import {loader}", "from transformers import AutoTokenizer", ""]
    lines += [f'model = {loader}.from_pretrained("{folder.name}")']
    lines += [f'tokenizer = AutoTokenizer.from_pretrained("{folder.name}")', "```"]
    if after is not None:
        lines += ["", "Score it again, from the folder above it:", "", "```sh", _command(folder, after), "```"]
    return "\n".join(lines)


def _command(folder: Path, result: Result) -> str:
    """What scores the model again under the same conditions."""
    facts = result.fingerprint
    env, policy = facts.get("env", {}), facts.get("policy", {})
    name = str(env.get("id", "")).partition("-")[0].lower()
    words = ["train-agent", "eval", "--model", folder.name, "--env", name]
    if any(one.name == result.protocol for one in PROTOCOLS):
        words += ["--protocol", result.protocol]
    else:
        words += ["--split", str(env.get("split"))]
        words += ["--talk", str(facts.get("protocol", {}).get("name"))]
    if args := env.get("args"):
        words += ["--env-args", *(f"{name}={value}" for name, value in args.items())]
    if sampling := policy.get("sampling"):
        words += ["--temperature", f"{sampling['temperature']:g}"]
        words += ["--max-completion-length", str(sampling["max_new_tokens"])]
    if "enable_thinking" in policy:
        words += ["--enable-thinking", str(policy["enable_thinking"]).lower()]
    epochs = int(facts.get("epochs", 1))
    if facts.get("episodes", 0) < env.get("tasks", 0) * epochs:
        words += ["--limit", str(facts["episodes"] // epochs)]
    words += ["--epochs", str(epochs), "--seed", str(facts.get("seed", 0))]
    return shlex.join(words)


def _licence(training: Training) -> str:
    terms = f"licence {training.licence}" if training.licence else "own licence, which its page tells"
    return (
        "## Licence\n\n"
        f"The weights are derived from `{training.base}` and come under that model's {terms}. "
        "Data that it was trained on may have terms of its own."
    )
