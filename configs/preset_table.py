"""The table of `docs/presets.md`: what follows from every preset.

`python -m configs.preset_table docs/presets.md` renews it there, and a test says when that is due.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from configs.figures import BUDGETS, Figures, figures
from configs.presets import preset_names, with_preset
from configs.schema import build
from configs.shapes import Shape, shape_named
from configs.train import TrainConfig

LARGEST = "Qwen/Qwen2.5-7B-Instruct"
"""What the preset `default` is counted with."""

ALGORITHMS = ("grpo", "sft", "dpo", "kto")
"""grpo stands for all that are relative to a group."""

SPECIAL = {"agentbench-sft": ("sft",), "stepwise-gigpo": ("gigpo",), "stepwise-grpo": ("grpo",)}
"""Presets that are for one algorithm."""

GIVEN = 1000
"""Episodes that `agentbench-sft` is counted with."""

MARK = "<!-- renewed by python -m configs.preset_table docs/presets.md -->"

_HEAD = (
    "| preset | algorithm | turns that fit, of: ALFWorld, DB-Bench | updates | learning rate | change, first order "
    "| change | weights | trained | engine | keys, values | activations | logits | GB |"
)


def preset_config(name: str, env: str, algo: str) -> tuple[TrainConfig, Shape]:
    """The options of a preset, and the shape of its model."""
    said = {"preset": name, "env": env, "algo": algo, **({"model": LARGEST} if name == "default" else {})}
    config = build(TrainConfig, *with_preset([("table", said)]))
    shape = shape_named(config.model or f"tiny-{env}")
    assert shape is not None, f"configs.shapes does not know {config.model}"
    return config, shape


def preset_figures(name: str, env: str, algo: str) -> Figures:
    """What follows from a preset."""
    config, shape = preset_config(name, env, algo)
    return figures(config, shape, rows=GIVEN if name == "agentbench-sft" else None)


def cases() -> Iterator[tuple[str, str]]:
    """Every preset with the algorithms that it is for."""
    for name in preset_names():
        for algo in SPECIAL.get(name, ALGORITHMS):
            yield name, algo


def environments(name: str) -> tuple[str, ...]:
    """The environments that a preset is for."""
    return ("alfworld",) if name.startswith("stepwise") else tuple(BUDGETS)


def table() -> str:
    """In Markdown."""
    lines = [_HEAD, "|" + "---|" * (_HEAD.count("|") - 1)]
    return "\n".join([*lines, *(_line(name, algo) for name, algo in cases())])


def renewed(text: str) -> str:
    """A page with the table between its two marks as it is now."""
    before, _, rest = text.partition(MARK)
    _, _, after = rest.partition(MARK)
    return f"{before}{MARK}\n\n{table()}\n\n{MARK}{after}"


def _line(name: str, algo: str) -> str:
    found = {env: preset_figures(name, env, algo) for env in environments(name)}
    turns = ", ".join(f"{one.turns} of {one.limit}" for one in found.values())
    first = found["alfworld"]
    parts = dict(first.memory)
    trained = sum(parts[part] for part in ("adapter", "reference", "gradients", "optimiser"))
    sizes = [parts["weights"], trained, parts["engine weights"], parts["keys and values"]]
    sizes += [parts["activations"], parts["logits"], first.bytes]
    rate = preset_config(name, "alfworld", algo)[0].learning_rate
    cells = [name, algo, turns, f"{first.updates:,}", f"{rate:.0e}", f"{first.first_order:.1%}", f"{first.change:.1%}"]
    return "| " + " | ".join([*cells, *(f"{size / 1e9:.1f}" for size in sizes)]) + " |"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
