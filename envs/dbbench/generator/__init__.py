"""The embedded default: tasks made from a seed, in all of the benchmark's types and DELETE.

A task's id says all that is needed to make it again: `g1-train-counting-d3-t1-42` is the 42nd counting task of
difficulty 3 about one table of the train split, in the first version of the generator.

Gold is what the sandbox answers to the gold query. A task is kept only if that is also what the values mean
(`meaning`), if its question reads as what was meant (`reading`), and if the label is nothing that a constant hits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from envs.dbbench.generator import train_domains, valid_domains
from envs.dbbench.generator.drawing import Impossible
from envs.dbbench.generator.making import LEVELS, make_task
from envs.dbbench.task import DBTask
from envs.errors import TaskError

VERSION = 1
SPLITS = ("train", "valid")
DOMAINS = {"train": train_domains.DOMAINS, "valid": valid_domains.DOMAINS}
# The benchmark's own shares of 300, and as many DELETEs as one SELECT type has.
SHARES = {
    "other": 17,
    "counting": 17,
    "comparison": 17,
    "ranking": 17,
    "aggregation-SUM": 8,
    "aggregation-MIN": 8,
    "aggregation-MAX": 8,
    "aggregation-AVG": 8,
    "INSERT": 100,
    "UPDATE": 100,
    "DELETE": 17,
}
_ID = re.compile(r"g(\d+)-(\w+)-([\w-]+)-d(\d)-t(\d)-(\d+)")
_ATTEMPTS = 400


def generate_task(
    *,
    seed: int,
    task_type: str | None = None,
    difficulty: int | None = None,
    split: str = "train",
    n_tables: int | None = None,
) -> DBTask:
    """The task of a seed.

    Args:
        seed: 0 or more.
        task_type: one of `SHARES`, or None to draw it in the benchmark's shares.
        difficulty: 1 to 5 (`LEVELS`), or None to draw it.
        split: `train` or `valid`: other domains, other columns, other values.
        n_tables: 1 or 2, or None to draw it by the difficulty.

    Raises:
        TaskError: a setting that does not exist.
        BackendError: the sandbox answers the gold query otherwise than the values mean.
    """
    rng = Random(f"{VERSION} {split} {seed}")
    drawn = rng.choices([*SHARES], weights=[*SHARES.values()])[0], rng.choice([*LEVELS]), rng.random()
    _check(seed, task_type, difficulty, split, n_tables)
    kind, level = task_type or drawn[0], difficulty or drawn[1]
    tables = n_tables or 1 + (drawn[2] < LEVELS[level].joined)
    task_id = f"g{VERSION}-{split}-{kind}-d{level}-t{tables}-{seed}"
    blank = DBTask(task_id, kind, split)
    rng = Random(task_id)
    for _ in range(_ATTEMPTS):
        try:
            task = make_task(blank, LEVELS[level], rng.choice(DOMAINS[split]), tables, rng)
        except Impossible:
            continue
        if task is not None:
            return task
    raise TaskError("no task came of it", where=task_id, remedy="Take another seed, and report this one.")


def task_by_id(task_id: str) -> DBTask:
    """The generated task with this id, made again.

    Raises:
        TaskError: the id is none of this generator's, or of another version's.
    """
    match = _ID.fullmatch(task_id)
    if match is None or int(match[1]) != VERSION:
        raise TaskError(
            f"not an id of generator version {VERSION}: {task_id!r}",
            remedy=f"Ids read g{VERSION}-train-counting-d3-t1-42.",
        )
    return generate_task(
        seed=int(match[6]), task_type=match[3], difficulty=int(match[4]), split=match[2], n_tables=int(match[5])
    )


def generated_tasks(
    split: str = "train",
    count: int = 200,
    *,
    seed: int = 0,
    task_type: str | None = None,
    difficulty: int | None = None,
    n_tables: int | None = None,
) -> Iterator[DBTask]:
    """The tasks of `count` seeds from `seed` on, made one by one; a millisecond or two each."""
    _check(seed, task_type, difficulty, split, n_tables)
    return (
        generate_task(seed=number, task_type=task_type, difficulty=difficulty, split=split, n_tables=n_tables)
        for number in range(seed, seed + count)
    )


def _check(seed: int, task_type: str | None, difficulty: int | None, split: str, n_tables: int | None) -> None:
    for what, value, known in (
        ("split", split, [*DOMAINS]),
        ("task type", task_type, [None, *SHARES]),
        ("difficulty", difficulty, [None, *LEVELS]),
        ("number of tables", n_tables, [None, 1, 2]),
    ):
        if value not in known:
            choices = ", ".join(str(choice) for choice in known if choice is not None)
            raise TaskError(f"no {what} {value!r} in generated tasks", remedy=f"Use one of {choices}.")
    if seed < 0:
        raise TaskError(f"a seed must not be negative: {seed}", remedy="Use 0 or more.")
