"""What training refuses: tasks by which models are scored."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from envs import Task, TaskError
from rollout.export import EVALUATION_SPLITS
from rollout.trajectory import Trajectory


def refuse_evaluation_tasks(
    training: Iterable[Task | Trajectory], held_out: Collection[str] = (), *, where: str | Path | None = None
) -> None:
    """Refuse to train on what models are scored by.

    Args:
        training: tasks to be played, or episodes to learn from.
        held_out: ids of the tasks of the run's own evaluation.
        where: the file or folder they come from, for the message.

    Raises:
        TaskError: if one belongs to an evaluation split (`EVALUATION_SPLITS`, and whatever else begins with "valid"),
            or is held out.
    """
    ids = {(item.task if isinstance(item, Trajectory) else item.id): item.split for item in training}
    wrong = {id: split for id, split in ids.items() if split in EVALUATION_SPLITS or split.startswith("valid")}
    if wrong:
        splits = " and ".join(sorted(set(wrong.values())))
        raise TaskError(
            f"{len(wrong)} of {len(ids)} tasks to train on are of {splits}, by which models are scored; the first is "
            f"{next(iter(wrong))}",
            where=where,
            remedy="Train on the split train: --split train.",
        )
    if shared := sorted(ids.keys() & set(held_out)):
        raise TaskError(
            f"{len(shared)} of {len(ids)} tasks to train on are also evaluated; the first is {shared[0]}",
            where=where,
            remedy="Evaluate on another split (--eval-split), or leave those tasks out of training.",
        )
