"""What a training run says before it begins: with which model, on what, where, and what will happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from configs import TrainConfig
from rollout.loading import best_device
from rollout.policy import ModelPolicy
from trainers.opening import model_name

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from trainers.session import Session

_ENGINES = {
    "HFEngine": "hf: transformers, in this process",
    "VLLMEngine": "vllm: in this process",
    "VLLMServer": "vllm-server: in a process of its own",
}


def print_header(session: Session, console: Console | None = None) -> None:
    """Print `header` to standard error."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        for name, value in header(session):
            console.print(Text(f"{name}: {value}"), soft_wrap=True)
        return
    table = Table.grid(padding=(0, 3))
    for name, value in header(session):
        table.add_row(Text(name, style="dim"), Text(value))
    console.print(table)


def header(session: Session) -> list[tuple[str, str]]:
    """The lines of a run's header, each a name and a text."""
    config = session.config
    tasks = f"{len(session.env.tasks):,} of {session.env.id}, split {config.split or 'train'}"
    lines = [
        ("model", _model(model_name(config), session.model)),
        ("algorithm", f"{config.algo}, preset {config.preset or 'none'}, learning rate {config.learning_rate:g}"),
        ("device", _device()),
        ("engine", _engine(session)),
        ("tasks", f"{tasks}; protocol {config.protocol}"),
        ("plan", _plan(session)),
        ("evaluation", _evaluation(config)),
        ("folder", str(session.folder)),
    ]
    if session.standing.iteration:
        lines.append(("resumed", f"after iteration {session.standing.iteration} of {config.iterations}"))
    return lines


def _model(name: str, model: PreTrainedModel) -> str:
    total = model.num_parameters()
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    part = "" if trained == total else f", {_large(trained)} of them trained"
    return f"{name}: {_large(total)} parameters, {str(model.dtype).removeprefix('torch.')}{part}"


def _device() -> str:
    import torch

    place = best_device()
    if place.type == "cuda":
        others = torch.cuda.device_count() - 1
        return torch.cuda.get_device_name(place) + (f", and {others} more for engines" if others else "")
    return f"{place.type}, {torch.get_num_threads()} threads" if place.type == "cpu" else place.type


def _engine(session: Session) -> str:
    config, scored = session.config, session.scored
    name = type(scored.engine).__name__ if isinstance(scored, ModelPolicy) else ""
    here = _ENGINES.get(name, name)
    if config.ray == "off":
        return f"{here}; up to {scored.capacity} episodes at once"
    return f"{here} for evaluation; on Ray {config.workers} workers and {config.engines} engines play"


def _plan(session: Session) -> str:
    """How much will be played, at most where an episode or a run may end sooner."""
    config = session.config
    until = f", or {config.max_minutes:g} minutes" if config.max_minutes is not None else ""
    if config.source is not None:
        return f"learn from the episodes of {config.source}"
    each = config.tasks * config.num_generations
    turns = session.rollouts.stage.turns if config.max_turns is None else config.max_turns
    tokens = min(turns * config.max_completion_length, config.max_length)
    episodes = config.iterations * each
    return (
        f"{config.iterations} iterations{until}, each {config.tasks} tasks x {config.num_generations} episodes of at "
        f"most {turns} turns: {episodes:,} episodes, at most {_large(episodes * tokens)} sampled tokens"
    )


def _evaluation(config: TrainConfig) -> str:
    parts = []
    if config.eval_tasks:
        parts.append(f"before and after on {config.eval_tasks} tasks of {config.eval_split} at most")
    if config.select_tasks:
        every = "every iteration" if config.eval_steps == 1 else f"every {config.eval_steps} iterations"
        parts.append(f"{every} on {config.select_tasks} of {config.select_split}, whose best checkpoint is kept")
    return "; ".join(parts) or "none"


def _large(number: float) -> str:
    """1234567 as "1.2 million"."""
    for name, size in (("billion", 1e9), ("million", 1e6)):
        if number >= size:
            return f"{number / size:.1f} {name}"
    return f"{number:,.0f}"
