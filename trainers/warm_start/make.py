"""From expert episodes to a folder with a model, its tokenizer and the record of how they came about."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.stored import MODELS
from configs.trained import RECORD as SETTINGS_RECORD
from configs.trained import record_of
from configs.warm_start import WarmStartConfig
from eval.evaluate import evaluate
from eval.protocols import EvalProtocol
from rollout import Sampling
from rollout.models import make_policy
from rollout.rendering import Renderer
from rollout.runner import Watcher
from rollout.synchronous import run_sync
from trainers.warm_start.alfworld import ALFWorldCourse
from trainers.warm_start.course import Course
from trainers.warm_start.dbbench import DBBenchCourse
from trainers.warm_start.learning import Progress, make_model, train
from trainers.warm_start.lessons import as_row
from trainers.warm_start.vocabulary import make_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

RECORD = "warm_start.json"
_HEARD = 2000
"""Lessons from which the vocabulary is learned."""

_COURSES: dict[str, type[Course]] = {course.env: course for course in (ALFWorldCourse, DBBenchCourse)}


def make(
    config: WarmStartConfig, watch: Callable[[Progress], None] = lambda progress: None
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, Progress]:
    """A tokenizer, and a model trained from random weights.

    Args:
        config: settled.
        watch: told of every update.

    Raises:
        TaskError: if there is no such room size, difficulty or protocol.
        ModelError: if TRL has no such chat template.
    """
    course = _COURSES[config.env](config)
    endless = course.lessons()
    heard = list(islice(endless, _HEARD))
    tokenizer = make_tokenizer(course.vocabulary(heard), config.chat_template)
    renderer = Renderer(tokenizer)
    model = make_model(
        len(tokenizer),
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        seed=config.seed,
    )

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    progress = train(
        model,
        (as_row(lesson, renderer, encode) for lesson in chain(heard, endless)),
        max_tokens=config.max_tokens,
        batch_tokens=config.batch_tokens,
        learning_rate=config.learning_rate,
        warmup_ratio=config.warmup_ratio,
        weight_decay=config.weight_decay,
        observation_weight=config.observation_weight,
        bf16=config.bf16,
        watch=watch,
    )
    return model, tokenizer, progress


def save(
    folder: Path, config: WarmStartConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, end: Progress
) -> dict[str, Any]:
    """Write model and tokenizer as transformers does, and the record beside them. Returns the record."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    record = {
        "config": {key: value for key, value in asdict(config).items() if key not in ("output_dir", "json")},
        "parameters": model.num_parameters(),
        "vocabulary": len(tokenizer),
        **asdict(end),
    }
    _write(folder, record)
    settings = {**asdict(config), "env_args": _COURSES[config.env](config).env_args()}
    (folder / SETTINGS_RECORD).write_text(record_of(settings), encoding="utf-8")
    return record


def score(
    folder: Path, config: WarmStartConfig, record: dict[str, Any], watcher: Watcher | None = None
) -> dict[str, Any]:
    """Play held-out tasks with the model in a folder and add their success to its record, which is returned. The config
    is a settled one."""
    from envs import make as make_env

    course = _COURSES[config.env](config)
    assert config.max_completion_length is not None
    rules = EvalProtocol(
        name="warm-start",
        env=config.env,
        split=course.heldout,
        talk=config.protocol,
        env_args=course.env_args(config.eval_episodes),
        sampling=Sampling(temperature=config.temperature, max_new_tokens=config.max_completion_length),
    )
    env = make_env(config.env, split=rules.split, **rules.env_args)
    policy = make_policy(str(folder), env, sampling=rules.sampling, capacity=64)
    try:
        run = folder / "heldout"
        success = evaluate(
            rules, policy, output=run, env=env, limit=config.eval_episodes, watcher=watcher
        ).result.summary.success
    finally:
        run_sync(policy.close())
        env.close()
    assert success is not None
    scored = {**record, "success": asdict(success)}
    _write(folder, scored)
    return scored


def stored_model(env: str) -> Path:
    """The folder of the model of this environment that comes with the package."""
    return MODELS / f"tiny-{env}"


def stored_record(env: str) -> dict[str, Any] | None:
    """The record of that model, or None where there is none."""
    file = stored_model(env) / RECORD
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def worse(record: dict[str, Any], stored: dict[str, Any]) -> bool:
    """Whether the success of one model is so far below the other's that chance explains it badly: their 95% intervals
    do not meet."""
    high, low = record["success"]["high"], stored["success"]["low"]
    return high is not None and low is not None and bool(high < low)


def _write(folder: Path, record: dict[str, Any]) -> None:
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
