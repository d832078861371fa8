"""Where the time of a training run went, as a picture: by iteration, and slot by slot in the last one."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from eval.history import flat, number
from eval.view import chart
from eval.view.chart import INK, RULE, Frame
from rollout.spent import CAUSES
from rollout.timeline import LETTERS

TIMELINE = "timeline.json"
"""The file of a run's folder that holds the last iteration, as `rollout.timeline.Timeline.rows` tells it."""

CELLS = 882
"""Moments of a row: as many as it is wide in pixels."""

WIDTH = 960
MOST_BARS = 60
"""Of a panel: more iterations than that are averaged, several to a bar."""

COLOUR = {
    "queue": "#c2570c",
    "prefill": "#3355d6",
    "decode": "#1b7f4b",
    "environment": "#8a3fb0",
    "idle": RULE,
    "train": "#a8861b",
    "sync": INK,
    "play": "#7fb295",
    "evaluate": "#9aa0aa",
    "wait": "#c9b8d9",
}
OTHER = "#d98f8f"
"""Of a cause that has no colour of its own."""

Records = Sequence[Mapping[str, Any]]
Bar = tuple[float, dict[str, float]]
"""After which iteration it ends, and how much of it is due to each cause."""


def read_timeline(run: Path) -> dict[str, Any] | None:
    """The last iteration of a run, or None where it left none that can be read."""
    try:
        found = json.loads((run / TIMELINE).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("slots") else None


def time_svg(iterations: Records, last: Mapping[str, Any] | None) -> str | None:
    """A picture of where the time went.

    Args:
        iterations: records of the run's iterations (see `eval.history`).
        last: the last iteration, slot by slot (`read_timeline`).

    Returns:
        A whole SVG file; None if nothing of the kind was measured.
    """
    seconds, slots = _bars(iterations, "seconds"), _bars(iterations, "slots")
    if not seconds and not slots and last is None:
        return None
    parts, height = [], 16.0
    if seconds or slots:
        height = 292.0
    if seconds:
        sums: dict[str, float] = defaultdict(float)
        for _, row in seconds:
            for cause, value in row.items():
                sums[cause] += value
        causes = sorted(sums, key=lambda cause: -sums[cause])
        steps = chart.rounds(max(sum(row.values()) for _, row in seconds))
        parts.append(_panel(54, "Seconds an iteration", seconds, causes, steps))
    if slots:
        parts.append(_panel(532, "What slots wait for", slots, CAUSES, (0, 0.25, 0.5, 0.75, 1), percent=True))
        parts.append(_busy(iterations))
    if last is not None:
        drawn, height = _rows(last, height + 30)
        parts.append(drawn)
    return chart.picture(WIDTH, round(height), "Where the time went, by iteration and by slot", "".join(parts))


def _frame(left: float, most_x: float, most_y: float) -> Frame:
    return Frame(left, 46, 404, 180, most_x, most_y)


def _panel(
    left: float,
    title: str,
    bars: Sequence[Bar],
    causes: Sequence[str],
    steps: Sequence[float],
    *,
    percent: bool = False,
) -> str:
    """Bars side by side, each a stack of causes, and their names beneath."""
    frame = _frame(left, bars[-1][0], steps[-1])
    steps_x = [step for step in chart.rounds(frame.most_x) if step == int(step) and step <= frame.most_x]
    parts = [frame.axes(title, steps_x=steps_x, steps_y=steps, percent=percent)]
    begin = 0.0
    for end, row in bars:
        low = 0.0
        for cause in causes:
            high = low + row.get(cause, 0.0)
            parts.append(frame.bar(begin, end, low, high, COLOUR.get(cause, OTHER)))
            low = high
        begin = end
    return "".join(parts) + _legend(left, frame.top + frame.height + 38, causes)


def _busy(iterations: Records) -> str:
    """The engine's share over the bars of the slots."""
    bars = _bars(iterations, "engine_busy")
    if not bars:
        return ""
    frame = _frame(532, bars[-1][0], 1.0)
    begins = [0.0, *(end for end, _ in bars)]
    points = [(x, row["engine_busy"]) for begin, (end, row) in zip(begins, bars, strict=False) for x in (begin, end)]
    words = f"engine busy {100 * bars[-1][1]['engine_busy']:.0f}%"
    label = chart.text(frame.left + frame.width, frame.top - 10, words, fill=INK, anchor="end", weight=600)
    return frame.curve(points, INK, 2) + label


def _rows(last: Mapping[str, Any], top: float) -> tuple[str, float]:
    """The last iteration: what the trainer did, and a row for each slot; and where it ends."""
    slots = last["slots"]
    pitch = 10 if len(slots) <= 32 else 6
    height = pitch * (len(slots) + 2)
    seconds = float(last["seconds"]) or 1.0
    frame = Frame(54, top, CELLS, height, seconds, 1.0)
    steps_x = [step for step in chart.rounds(seconds, 8) if step <= seconds]
    title = f"Iteration {last['iteration']}: the trainer, and {len(slots)} slots under it, over its seconds"
    parts = [frame.axes(title, steps_x=steps_x, steps_y=(), percent=False)]
    parts.append(_row(last["trainer"], frame.left, top, pitch * 1.5))
    parts += [_row(row, frame.left, top + pitch * (place + 2), pitch - 1) for place, row in enumerate(slots.values())]
    letters = {letter for row in (last["trainer"], *slots.values()) for letter in row}
    causes = [cause for letter, cause in LETTERS.items() if letter in letters]
    return "".join(parts) + _legend(frame.left, top + height + 38, causes), top + height + 56


def _row(letters: str, left: float, top: float, height: float) -> str:
    """A path for each cause: its spells one after another."""
    spells: dict[str, list[str]] = {}
    at = 0
    for letter, run in groupby(letters):
        width = len(list(run))
        if letter != ".":
            spells.setdefault(letter, []).append(f"M{left + at:g} {top + height / 2:g}h{width}")
        at += width
    ground = f'<path d="M{left:g} {top + height / 2:g}h{at}" stroke="{COLOUR["idle"]}" stroke-width="{height:g}"/>'
    return ground + "".join(
        f'<path d="{"".join(path)}" stroke="{COLOUR.get(LETTERS.get(letter, ""), OTHER)}" stroke-width="{height:g}"/>'
        for letter, path in spells.items()
    )


def _legend(x: float, y: float, causes: Iterable[str]) -> str:
    parts = []
    for cause in causes:
        colour = COLOUR.get(cause, OTHER)
        parts.append(f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="10" height="10" fill="{colour}"/>')
        parts.append(chart.text(x + 15, y, cause))
        x += 7 * len(cause) + 32
    return "".join(parts)


def _bars(iterations: Records, key: str) -> list[Bar]:
    """The numbers under a key: means over neighbours where there are too many iterations."""
    rows = []
    for record in iterations:
        row = flat({key: record[key]} if key in record else {})
        row = {name.removeprefix(f"{key}/"): max(0.0, value) for name, value in row.items() if value == value}
        if row and (after := number(record, "iteration")):
            rows.append((after, row))
    size = -(-len(rows) // MOST_BARS) or 1
    bars = []
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        causes = {cause for _, row in some for cause in row}
        bars.append((some[-1][0], {c: sum(row.get(c, 0.0) for _, row in some) / len(some) for c in sorted(causes)}))
    return bars
