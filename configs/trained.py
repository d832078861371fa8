"""What a model was trained with: its folder, or the run that it lies in, says how it reads and answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from configs.stored import model_path

Layers = list[tuple[str, Mapping[str, Any]]]

RECORD = "train_agent.json"
"""In a model's folder: `env` and the settings below, of the run that made it."""

SETTINGS = ("protocol", "env_args", "max_completion_length", "max_length", "window", "enable_thinking")
"""The options of training that a model keeps to when it is played."""

_ANY_FORM = (None, "alfworld-seen", "alfworld-unseen", "dbbench")
"""Evaluation protocols that leave the form of the answers to the model; an edition of a benchmark prescribes it."""


def settings_of(model: str, env: str) -> dict[str, Any]:
    """The options that a model was trained with in this environment; none where nothing is known.

    Args:
        model: as the user named it.
        env: the environment.
    """
    if "://" in model:
        return {}
    folder = Path(model_path(model))
    runs = (folder, folder.parent, folder.parent.parent)
    found = (_read(file) for file in (folder / RECORD, *(run / "config.yaml" for run in runs)))
    known = next(filter(None, found), {})
    if _short(known.get("env")) != _short(env):
        return {}
    return _portable(known)


def record_of(options: Mapping[str, Any]) -> str:
    """The text of a model folder's record.

    Args:
        options: of its training; what is not a setting, or says where something lies, is left out.
    """
    return json.dumps({"env": options["env"], **_portable(options)}, indent=1) + "\n"


def _portable(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among options, without where the run had its data and its database: a model may be moved."""
    kept = {name: options[name] for name in SETTINGS if options.get(name) is not None}
    args = kept.get("env_args") or {}
    here = {name for name in ("data", "backend") if args.get(name) != "generated"}
    moved = {name: value for name, value in args.items() if name not in here}
    return {**kept, "env_args": moved} if moved else {name: kept[name] for name in kept if name != "env_args"}


def scoring_settings(model: str, env: str, rules: str | None) -> dict[str, Any]:
    """The options of `eval` that are those of the model's training. A named evaluation protocol says what is played,
    and an edition of a benchmark how it is answered too: of these the model's settings change nothing.

    Args:
        model: as the user named it.
        env: the environment, where no evaluation protocol names it.
        rules: the evaluation protocol.
    """
    if rules not in _ANY_FORM:
        return {}
    known = settings_of(model, "dbbench" if rules == "dbbench" else env)
    if "protocol" in known:
        known["talk"] = known.pop("protocol")
    if rules is not None:
        known.pop("env_args", None)
    return known


def for_collecting(layers: Layers) -> Layers:
    """The layers of `collect`'s options, with the settings of its model below them."""
    said = _merged(layers)
    known = settings_of(str(said.get("model")), str(said.get("env", "alfworld")))
    return [("the model's settings", known), *layers]


def for_scoring(layers: Layers) -> Layers:
    """The layers of `eval`'s options, likewise."""
    said = _merged(layers)
    known = scoring_settings(str(said.get("model")), str(said.get("env", "alfworld")), said.get("protocol"))
    return [("the model's settings", known), *layers]


def tell(model: str, settings: Mapping[str, Any], options: Any) -> None:
    """Say on stderr which options are those of the model."""
    same = [name for name, value in settings.items() if _holds(getattr(options, name), value)]
    if same:
        shown = ", ".join(f"{name} {settings[name]}" for name in same)
        print(f"{model} was trained with: {shown}. Options that you give win over these.", file=sys.stderr)


def _holds(option: Any, value: Any) -> bool:
    return option.items() >= value.items() if isinstance(value, dict) else bool(option == value)


def _merged(layers: Layers) -> dict[str, Any]:
    return {key.replace("-", "_"): value for _, layer in layers for key, value in layer.items()}


def _short(env: Any) -> str:
    return str(env).lower().removesuffix("-v1")


def _read(file: Path) -> dict[str, Any]:
    """The options in a file; none if it is not there, or is no record of ours."""
    with suppress(OSError, ValueError, yaml.YAMLError):
        plain = yaml.safe_load(file.read_text(encoding="utf-8"))
        if isinstance(plain, dict) and all(isinstance(plain.get(key), str) for key in ("env", "protocol")):
            return plain
    return {}
