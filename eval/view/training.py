"""A training run as a picture and as a report: what it learnt by how many episodes, and what its updates were like."""

from __future__ import annotations

import html
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from eval.episode import Episode
from eval.errors import ResultError
from eval.history import METRICS, number, of_kind, read_metrics
from eval.result import find_result
from eval.view import chart
from eval.view.chart import COLOURS, Frame, Point
from eval.view.pack import TokensOf
from eval.view.report import write_report
from eval.view.timeline import read_timeline, time_svg
from rollout.codec import CodecError, decode
from rollout.files import atomic_file
from rollout.trajectory import Trajectory

log = logging.getLogger(__name__)

PICTURE = "learning_curve.svg"
WIDTH, HEIGHT = 960, 560
MOST_POINTS = 200
"""Of a line: more iterations than that are averaged, several to a point."""

_TRAINING = "#9aa0aa"
_SMALL = (
    ("Entropy (nats a token)", "entropy", False),
    ("KL to the reference", "kl", False),
    ("Groups with a signal", "signal_share", True),
    ("Inadmissible actions", "inadmissible", True),
)

Records = list[dict[str, Any]]


def learning_curve_svg(records: Records) -> str:
    """A picture of a run: success over episodes, and beneath it what the updates were like.

    Args:
        records: of the run's `metrics.jsonl` (see `eval.history`).

    Returns:
        A whole SVG file: 960 x 560 pixels, less where there is nothing to show beneath.
    """
    iterations = of_kind(records, "iteration")
    most_x = max([number(record, "episodes") or 0.0 for record in iterations], default=0.0) or 1.0
    small = _small_panels(iterations, most_x)
    content = _success(records, iterations, most_x) + "".join(small)
    label = "Success on held-out tasks and in training, by episodes played"
    return chart.picture(WIDTH, HEIGHT if small else 350, label, content)


def write_learning_curve(run: str | Path) -> Path:
    """Draw the learning curve of a run into its folder, as `learning_curve.svg`.

    Raises:
        ResultError: if the run has no metrics.
        StoreError: if the folder cannot be written to.
    """
    records = read_metrics(run)
    if not records:
        remedy = "Give the folder of a training run."
        raise ResultError("it holds no metrics", where=Path(run) / METRICS, remedy=remedy)
    path = Path(run) / PICTURE
    with atomic_file(path) as file:
        file.write(learning_curve_svg(records).encode())
    return path


def training_section(records: Records, note: str = "", last: Mapping[str, Any] | None = None) -> str:
    """The parts of a report's page above its episodes, which can be folded away: the learning curve, and where the time
    went.

    Args:
        records: of the run.
        note: beside the head of the first.
        last: the last iteration, slot by slot (see `eval.view.timeline`).
    """
    curve = _folded(f"Learning curve. {note}".strip(), learning_curve_svg(records), shown=True)
    time = time_svg(of_kind(records, "iteration"), last)
    return curve if time is None else curve + _folded("Where the time goes", time)


def _folded(head: str, picture: str, *, shown: bool = False) -> str:
    picture = picture.replace(f" {chart.XMLNS}", "")
    opened = " open" if shown else ""
    return f'<details class="training"{opened}><summary>{html.escape(head)}</summary>{picture}</details>'


def write_training_report(
    run: str | Path,
    evaluation: str | Path | None = None,
    *,
    most: int = 300,
    tokens_of: TokensOf | None = None,
    ended: str = "",
) -> Path:
    """Write the report of a training run, `report.html` in its folder: the learning curve, where the time went,
    the last evaluation, and training episodes drawn evenly over the run. The page says how many it leaves out.

    Args:
        run: its folder.
        evaluation: the folder of an evaluation, with its `episodes` and its result in `eval`; gives the statistics.
        most: episodes with a transcript, of the evaluation and of training each.
        tokens_of: as in `write_report`.
        ended: how the run ended, in words.

    Raises:
        ResultError: if the evaluation's folder holds no result.
        StoreError: if the file cannot be written.
    """
    run = Path(run)
    result = None if evaluation is None else find_result(Path(evaluation))
    links: dict[str, str] = {}
    held_out, of_held_out = ([], 0) if evaluation is None else _sample(Path(evaluation), most, run, links)
    if result is not None:
        result = replace(result, episodes=tuple(_linked(row, Path(str(evaluation)), run) for row in result.episodes))
    known = {trajectory.id for trajectory in held_out}
    trained, of_trained = _sample(run, most, run, links)
    trained = [trajectory for trajectory in trained if trajectory.id not in known]
    parts = [] if result is None else [f"{len(held_out):,} of {of_held_out:,} episodes of {result.protocol}"]
    parts.append(f"{len(trained):,} of {of_trained:,} training episodes, drawn evenly over the run")
    note = f"{ended} The transcripts below: {'; '.join(parts)}. The others are in the episodes folders."
    return write_report(
        [*held_out, *trained],
        run / "report.html",
        title=run.name,
        result=result,
        links=links,
        tokens_of=tokens_of,
        section=training_section(read_metrics(run), note, read_timeline(run)),
    )


def _linked(row: Episode, evaluation: Path, run: Path) -> Episode:
    """The row of a result with its link as it is seen from the run's folder, not the evaluation's."""
    return replace(row, link=_seen_from(run, evaluation / row.link)) if row.link else row


def _seen_from(run: Path, path: Path) -> str:
    return str(path.relative_to(run) if path.is_relative_to(run) else path)


def _sample(folder: Path, most: int, run: Path, links: dict[str, str]) -> tuple[list[Trajectory], int]:
    """Episodes drawn evenly from those on disk, and how many lines there are; only what is drawn is decoded.

    Args:
        folder: with an `episodes` folder.
        most: episodes to draw.
        run: the folder of the report.
        links: takes the file and line of each, as seen from `run`.
    """
    files = sorted((folder / "episodes").glob("*.jsonl"))
    total = sum(1 for path in files for _ in _numbered(path))
    count = min(most, total)
    wanted = {round(index * (total - 1) / max(1, count - 1)) for index in range(count)}
    found: dict[str, Trajectory] = {}
    place = -1
    for path in files:
        for row, line in _numbered(path):
            place += 1
            if place in wanted:
                try:
                    trajectory = decode(line.decode("ascii"))
                except (CodecError, UnicodeDecodeError) as error:
                    log.warning("skipped a line of %s: %s", path, error)
                    continue
                found[trajectory.id] = trajectory  # one that was played again stands there twice: the later counts
                links[trajectory.id] = f"{_seen_from(run, path)}:{row}"
    return list(found.values()), total


def _numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that hold something, each with its number, from 1."""
    with path.open("rb") as file:
        yield from ((number, line) for number, line in enumerate(file, start=1) if line.strip())


def _success(records: Records, iterations: Records, most_x: float) -> str:
    frame = Frame(54, 46, WIDTH - 54 - 24, 258, most_x, 1.0)
    steps_x = [step for step in chart.rounds(most_x, 8) if step <= most_x]
    parts = [frame.axes("Success", steps_x=steps_x, steps_y=(0, 0.2, 0.4, 0.6, 0.8, 1), percent=True)]
    parts.append(chart.text(frame.left + frame.width / 2, frame.top + frame.height + 34, "episodes", anchor="middle"))
    legend: list[tuple[str, str]] = []
    for index, (name, found) in enumerate(_evaluations(records, iterations).items()):
        colour = COLOURS[index % len(COLOURS)]
        parts.append(frame.curve([(x, value) for x, value, _, _ in found], colour, 2.5))
        for x, value, low, high in found:
            parts += [frame.interval(x, low, high, colour), frame.dot(x, value, colour)]
        start = f"{100 * found[0][1]:.1f}% \u2192 " if len(found) > 1 else ""
        legend.append((f"{name} {start}{100 * found[-1][1]:.1f}% (bars: 95% intervals)", colour))
    played = _thin(_points(iterations, "success"))
    if played:
        parts.insert(0, frame.curve(played, _TRAINING))
        legend.append(("training episodes", _TRAINING))
    x = frame.left + 80
    for words, colour in legend:
        parts.append(chart.text(x, frame.top - 10, words, fill=colour, weight=600))
        x += 6.9 * len(words) + 24
    return "".join(parts)


def _evaluations(records: Records, iterations: Records) -> dict[str, list[tuple[float, float, float, float]]]:
    """By name: episodes played, success, and the ends of its interval."""
    episodes = {record["iteration"]: number(record, "episodes") for record in iterations}
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for record in of_kind(records, "evaluation"):
        value = number(record, "success", "value")
        x = 0.0 if record["iteration"] <= 0 else number(record, "episodes") or episodes.get(record["iteration"])
        if value is None or x is None:
            continue
        low, high = number(record, "success", "low"), number(record, "success", "high")
        row = (x, value, value if low is None else low, value if high is None else high)
        rows = found.setdefault(str(record.get("name", "held-out")), [])
        # The final evaluation comes after the last periodic one at the same place, and has more episodes.
        if rows and rows[-1][0] == x:
            rows[-1] = row
        else:
            rows.append(row)
    return found


def _small_panels(iterations: Records, most_x: float) -> list[str]:
    drawn = [(title, points, percent) for title, key, percent in _SMALL if (points := _thin(_points(iterations, key)))]
    if not drawn:
        return []
    count = len(drawn)
    pitch = (WIDTH - 20) / count
    frames = [(20 + pitch * index + 30, 400.0, pitch - 50, 100.0) for index in range(count)]
    steps_x = chart.rounds(most_x, 2)[:-1] if count > 2 else chart.rounds(most_x)[:-1]
    panels = []
    for place, (title, points, percent) in zip(frames, drawn, strict=True):
        steps_y = (0, 0.5, 1.0) if percent else chart.rounds(max(y for _, y in points), 2)
        frame = Frame(*place, most_x, steps_y[-1])
        panels.append(frame.axes(title, steps_x=steps_x, steps_y=steps_y, percent=percent))
        panels.append(frame.curve([(x, max(0.0, y)) for x, y in points], COLOURS[0]))
    return panels


def _points(iterations: Records, key: str) -> list[Point]:
    pairs = ((number(record, "episodes"), number(record, key)) for record in iterations)
    return [(x, y) for x, y in pairs if x is not None and y is not None]


def _thin(points: Sequence[Point]) -> list[Point]:
    """At most `MOST_POINTS` points: means of neighbours."""
    size = -(-len(points) // MOST_POINTS) or 1
    bins = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in some) / len(some), sum(y for _, y in some) / len(some)) for some in bins]
