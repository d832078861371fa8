"""Summaries and comparisons as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from envs.installation import command
from eval.compare import Comparison, Contrast, Flip
from eval.intervals import Estimate
from eval.metrics import Summary
from eval.result import Result

SHOWN_FLIPS = 10
_LONG_NAME = 12
_NO_WIDTH = 1000

MOST_INVALID = 0.5
"""Share of replies out of form above which a score says little about a model."""


def print_result(result: Result, console: Console | None = None) -> None:
    """Print a result: success with its interval, by type, and what the episodes cost."""
    title = f"{result.protocol}  {result.model.get('name', '')}".strip()
    console = console or Console()
    _print(summary_parts(result.summary, title), console)
    if result.departures:
        rules = "; ".join(result.departures)
        console.print(Text(f"Not the rules of {result.protocol} (these in parentheses): {rules}", style="bold yellow"))
    if warning := unread(result):
        console.print(Text(warning, style="bold yellow"))


def unread(result: Result) -> str:
    """What is wrong and what to type where most replies could not be read; "" where they could."""
    invalid = result.summary.invalid
    if invalid is None or invalid.value <= MOST_INVALID:
        return ""
    talk = result.fingerprint.get("protocol", {}).get("name", "its protocol")
    return (
        f"{percent(invalid.value)}% of the replies are not in the form that {talk} asks for, so that this score says "
        "little about the model. With eval, name the form that it was trained with (plain, react, think, tool) behind "
        "--talk, and more tokens behind --max-completion-length where its replies are cut off. What it says: "
        f"{command('view', 'RUN')}."
    )


def print_comparison(found: Comparison, console: Console | None = None, *, names: tuple[str, str] = ("A", "B")) -> None:
    """Print a comparison: the difference and its chance, by type, and what flipped both ways."""
    _print(comparison_parts(found, names), console)


def _print(parts: Iterable[RenderableType], console: Console | None) -> None:
    console = console or Console()
    width = console.width
    if not console.is_terminal:  # a file or a pipe has no width: nothing is cut there
        console.width = _NO_WIDTH
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text))
    console.width = width


def summary_parts(summary: Summary, title: str = "") -> list[RenderableType]:
    """A summary: tables of success by type and of further measures, and the account of the episodes."""
    return [_success(summary, title), _measures(summary), _account(summary)]


def comparison_parts(found: Comparison, names: tuple[str, str] = ("A", "B")) -> list[RenderableType]:
    """A comparison: a table with a verdict in words below it, then the flips. Long names, as of folders, become A and
    B, and a line says which is which."""
    long = max(map(len, names)) > _LONG_NAME
    legend: list[RenderableType] = [Text(f"A: {names[0]}\nB: {names[1]}")] if long else []
    names = ("A", "B") if long else names
    a, b = names
    table = _table(f"{b} against {a}")
    _columns(table, "", a, b, "difference", "95% interval", "tasks")
    for name, contrast in found.by_type.items():
        _contrast(table, name, contrast)
    table.add_section()
    _contrast(table, "all", found, style="bold")
    parts: list[RenderableType] = [*legend, *(_forced(found.differences) if found.differences else ())]
    parts += [table, Text(_verdict(found)), *_left_out(found, names)]
    parts.append(_flips(f"{b} solved, {a} did not", found.gained, names))
    parts.append(_flips(f"{a} solved, {b} did not", found.lost, names))
    return parts


def percent(value: float) -> str:
    """0.8125 as "81.2"; one decimal, of a hundred."""
    return f"{100 * value:.1f}"


def _success(summary: Summary, title: str) -> Table:
    table = _table(title)
    _columns(table, "success", "%", "95% interval", "stderr", "episodes", "tasks")
    for name, estimate in summary.by_type.items():
        _add(table, name, estimate)
    table.add_section()
    families = summary.by_family.keys() != summary.by_type.keys()
    if families:
        for name, estimate in summary.by_family.items():
            _add(table, name, estimate)
        table.add_section()
    if len(summary.by_family) > 1:
        _add(table, "mean of these" if families else "mean of types", summary.macro)
    for k, estimate in summary.pass_at.items():
        if k > 1:
            _add(table, f"pass@{k}", estimate)
            _add(table, f"pass^{k}", summary.pass_hat[k])
    if summary.failures:
        _add(table, "all, failures as 0", summary.success_failures_as_0)
    _add(table, "all", summary.success, style="bold")
    return table


def _measures(summary: Summary) -> Table:
    table = _table("")
    _columns(table, "per episode", "mean", "95% interval")
    means = {
        "score": summary.score,
        "turns": summary.steps,
        "turns, solved only": summary.steps_solved,
        "sampled tokens": summary.completion_tokens,
        "sampled tokens a turn": summary.completion_tokens_per_turn,
        "prompt tokens": summary.prompt_tokens,
        "seconds": summary.seconds,
    }
    for name, estimate in means.items():
        if estimate is not None:
            table.add_row(name, f"{estimate.value:.2f}", _interval(estimate, percents=False))
    rates = {
        "replies out of form": summary.invalid,
        "replies read leniently": summary.forgiven,
        "actions inadmissible": summary.inadmissible,
    }
    if summary.unsupported is not None and summary.unsupported.value > 0:
        rates["unsupported by the environment"] = summary.unsupported
    if summary.stopped is not None and summary.stopped.value > 0:
        rates["stopped by the environment"] = summary.stopped
    for name, estimate in rates.items():
        if estimate is not None:
            table.add_row(f"{name}, % of turns", percent(estimate.value), _interval(estimate))
    return table


def _account(summary: Summary) -> Text:
    failed = sum(summary.failures.values())
    classes = ", ".join(f"{kind} {count}" for kind, count in summary.failures.items())
    line = f"{summary.episodes} episodes = {summary.scored} scored + {failed} failed outside the model"
    return Text(f"{line}{f' ({classes})' if classes else ''} + {summary.cancelled} cancelled")


def _verdict(found: Comparison) -> str:
    chance = f"{found.test}: p = {_p(found.p_value)}, mid-p = {_p(found.p_mid)}."
    if found.tasks_needed is None:
        return f"{chance} There is no difference to find."
    have = found.difference.tasks
    enough = "enough" if have >= found.tasks_needed else "too few"
    return f"{chance} A difference of this size needs {found.tasks_needed} tasks for 80% power; {have} are {enough}."


def _contrast(table: Table, name: str, contrast: Contrast, style: str = "") -> None:
    gap = contrast.difference
    cells = (percent(contrast.a), percent(contrast.b), _signed(gap.value), _interval(gap, signed=True), str(gap.tasks))
    table.add_row(Text(name), *cells, style=style)


def _left_out(found: Comparison, names: tuple[str, str]) -> list[RenderableType]:
    lines = []
    for name, missing in zip(names, (found.only_a, found.only_b), strict=True):
        if missing:
            some = ", ".join(f"{task} ({why})" for task, why in list(missing.items())[:3])
            lines.append(f"{len(missing)} tasks are scored in {name} only: {some}{', ...' if len(missing) > 3 else ''}")
    if lines:
        lines.append(f"With these counted as unsolved the difference is {_signed(found.difference_missing_as_0)}.")
    if found.unpaired:
        lines.append(f"{found.unpaired} samples of common tasks have no partner of the same number.")
    return [Text(line, style="yellow") for line in lines]


def _forced(differences: Mapping[str, tuple[object, object]]) -> tuple[RenderableType, ...]:
    table = _table("")
    for heading in ("key", "A", "B"):
        table.add_column(heading)
    for key, (a, b) in differences.items():
        table.add_row(Text(key), Text(str(a)), Text(str(b)), style="yellow")
    return Text("Not scored under the same conditions:", style="bold yellow"), table


def _flips(title: str, flips: tuple[Flip, ...], names: tuple[str, str]) -> RenderableType:
    if not flips:
        return Text(f"{title}: none")
    lines = [f"{title}: {len(flips)}"]
    for flip in flips[:SHOWN_FLIPS]:
        lines.append(f"  {flip.task}#{flip.sample}")
        lines += [f"    {name}: {row.link or row.id}" for name, row in zip(names, (flip.a, flip.b), strict=True)]
    if len(flips) > SHOWN_FLIPS:
        lines.append(f"  and {len(flips) - SHOWN_FLIPS} more; --json lists them all")
    return Text("\n".join(lines))


def _add(table: Table, name: str, estimate: Estimate | None, style: str = "") -> None:
    if estimate is None:
        table.add_row(Text(name), "-", "-", "-", "0", "0", style=style)
        return
    stderr = "-" if estimate.stderr is None else percent(estimate.stderr)
    count = (str(estimate.n), str(estimate.tasks))
    table.add_row(Text(name), percent(estimate.value), _interval(estimate), stderr, *count, style=style)


def _interval(estimate: Estimate, *, signed: bool = False, percents: bool = True) -> str:
    if estimate.low is None or estimate.high is None:
        return "-"
    shown = _signed if signed else percent if percents else (lambda value: f"{value:.2f}")
    return f"{shown(estimate.low)} to {shown(estimate.high)}"


def _signed(value: float) -> str:
    return f"{100 * value:+.1f}"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"


def _table(title: str) -> Table:
    name = Text(title, no_wrap=True) if title else None
    # Two blanks between columns: with the usual three, ALFWorld's names of types do not fit into 80.
    return Table(
        title=name, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1)
    )


def _columns(table: Table, first: str, *others: str) -> None:
    """Names to the left, which are cut where there is no room; numbers to the right, which never are."""
    table.add_column(first, no_wrap=True, overflow="ellipsis")
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True, min_width=len(heading))
