"""The state of a task's tables: all rows of each, and the state that the task asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import Cell, DBTask
from envs.errors import DataError

_DEADLINE = 30.0  # seconds for the task's own statement, however busy the machine is

State = Sequence[Sequence[Sequence[Cell]]]
"""The rows of each table, tables in the task's order, rows in any."""


def same_state(left: State, right: State) -> bool:
    """Whether every table has the same rows, each as often. NULL is no empty text, and the columns' borders count."""
    return len(left) == len(right) and all(
        Counter(map(tuple, rows)) == Counter(map(tuple, others)) for rows, others in zip(left, right, strict=True)
    )


def gold_state(task: DBTask) -> State:
    """What a mutation's gold statement leaves, on the default backend, which answers as MySQL does.

    Raises:
        DataError: the task has no gold statement, or one that fails: nothing but its hash is known.
    """
    with Sandbox(task, deadline=_DEADLINE) as db:
        reply = db.execute(task.gold_sql)
        state = db.state()
    if reply.error is not None or state is None:
        raise DataError(
            f"the gold statement leaves no tables to compare with: {reply.error}: {task.gold_sql!r}",
            where=task.id,
            remedy="Use the rule fc or v02, which compare hashes.",
        )
    return state
