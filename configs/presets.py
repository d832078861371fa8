"""Presets: what an environment, an algorithm and a model want where the user has not said otherwise.

A file of `configs/presets/` is named after a model (`qwen3-4b-instruct-2507`), after the stored ones (`tiny`), after a
way to train, or `default`. It holds sections of options: `all`, one an environment, one an algorithm, and `ENV-ALGO`;
the later wins. Where it names another as its `base`, its sections are added to that one's. Every number has its source
beside it, or the words "untested here".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from configs.errors import ConfigError
from configs.schema import read_yaml

FOLDER = Path(str(files("configs"))) / "presets"


def preset_names() -> list[str]:
    """Of all presets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find_preset(name: str | None, env: str, algo: str, model: str | None) -> tuple[str, dict[str, Any]]:
    """A preset and its options for an environment and an algorithm.

    Args:
        name: of the preset; None finds it by the model, and `none` has no options. What a run has left in its folder
            (`RUN/model`) has that run's preset.
        env: the environment's short name.
        algo: the algorithm.
        model: None is the stored one.

    Raises:
        ConfigError: if there is no preset of this name (it names the nearest), or it is not for the environment.
    """
    names = preset_names()
    chosen = name or _of_model(model, names)
    if chosen == "none":
        return chosen, {}
    if chosen not in names:
        near = get_close_matches(chosen, names, n=1, cutoff=0.4)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"unknown preset {chosen!r}. {hint}There are: {', '.join(names)}.")
    own = read_yaml(FOLDER / f"{chosen}.yaml")
    base = read_yaml(FOLDER / f"{own['base']}.yaml") if "base" in own else {}
    options: dict[str, Any] = {}
    for section in ("all", env, algo, f"{env}-{algo}"):
        for sections in (base, own):
            found = sections.get(section) or {}
            if not isinstance(found, Mapping):
                raise ConfigError(f"preset {chosen}: the section {section!r} holds no options.")
            options |= found
    return chosen, options


def with_preset(layers: Sequence[tuple[str, Mapping[str, Any]]]) -> list[tuple[str, Mapping[str, Any]]]:
    """The layers of a training run's options with those of its preset below them.

    Raises:
        ConfigError: as `find_preset` does.
    """
    said: dict[str, Any] = {}
    for _, layer in layers:
        said |= {key.replace("-", "_"): value for key, value in layer.items()}
    env = str(said.get("env", "alfworld")).lower().removesuffix("-v1")
    name, options = find_preset(said.get("preset"), env, said.get("algo", "grpo"), said.get("model"))
    return [(f"preset {name}", {**options, "preset": name}), *layers]


def _of_model(model: str | None, names: list[str]) -> str:
    if model is None or model.startswith("tiny-"):
        return "tiny"
    short = _of_run(Path(model).parent) or Path(model).name.lower()
    return short if short in (*names, "none") else "default"


def _of_run(folder: Path) -> str | None:
    """The preset that a run's config names, if this is a run's folder."""
    with suppress(ConfigError):
        named = read_yaml(folder / "config.yaml").get("preset")
        return named if isinstance(named, str) else None
    return None
