"""Shaping for DB-Bench by execution: pure functions of an episode and its task. Each gives a number in [0, 1].

What an episode did is found out by running its statements again in a fresh sandbox, so nothing is taken from the
episode's word but the actions themselves.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterable
from functools import lru_cache

from envs.dbbench.env import ANSWER
from envs.dbbench.grading import grade
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask
from envs.errors import InternalError
from rollout.trajectory import Trajectory

_BACKEND = "sqlite://"


def valid_sql(trajectory: Trajectory, task: DBTask) -> float:
    """The share of the episode's different statements that the database executed.

    Hack: one trivial statement and nothing else, or `SELECT 1` many times. Guard: a statement counts once however
    often it is sent, and only if it names one of the task's tables.
    """
    statements = dict.fromkeys(_statements(trajectory))
    if not statements:
        return 0.0
    with Sandbox(task, backend=_BACKEND) as db:
        good = sum(_executes(db, sql) and _names_a_table(sql, task) for sql in statements)
    return good / len(statements)


def distinct_sql(trajectory: Trajectory, task: DBTask) -> float:
    """The share of the episode's statements that were not sent before: 1 without repetition, 0 without statements.

    Hack: the same query with another blank in it. Guard: blanks and case do not make a statement another.
    """
    statements = [" ".join(sql.split()).lower() for sql in _statements(trajectory)]
    return len(set(statements)) / len(statements) if statements else 0.0


def result_f1(trajectory: Trajectory, task: DBTask) -> float:
    """F1 of what the episode left behind: the answer's items against the label's, or, where the task is to change the
    tables, their rows against those that the gold query leaves; in both cases as multisets.

    Hack: an answer with every value of the table has full recall; a change of nothing keeps most rows right. Guard:
    precision counts as much as recall; rows that the task leaves as they are count on neither side.
    """
    if not task.is_mutation:
        answer = _answer(trajectory)
        return 0.0 if answer is None else _item_f1(_items(answer), list(task.label))
    start, gold = _rows(task, ()), _rows(task, (task.gold_sql,))
    after = _rows(task, tuple(_statements(trajectory)))
    return f1(*(_change(start, rows) for rows in (after, gold)))


def f1(found: Counter[Hashable], wanted: Counter[Hashable]) -> float:
    """2PR / (P + R) of two multisets; 1 if both are empty."""
    if not found and not wanted:
        return 1.0
    return 2 * (found & wanted).total() / (found.total() + wanted.total())


def _item_f1(found: list[str], label: list[str]) -> float:
    """F1 of items, each matched with at most one of the label's that the strict rule takes for the same."""
    left = list(label)
    for item in found:
        match = next((i for i, other in enumerate(left) if grade([item], [other], "strict")), None)
        if match is not None:
            del left[match]
    total = len(found) + len(label)
    return 2 * (len(label) - len(left)) / total if total else 1.0


def _items(answer: str) -> list[str]:
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return [answer.strip()]
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _change(before: Counter[Hashable], after: Counter[Hashable]) -> Counter[Hashable]:
    """The rows that went and the rows that came."""
    gone = Counter({("gone", row): count for row, count in (before - after).items()})
    come = Counter({("come", row): count for row, count in (after - before).items()})
    changed: Counter[Hashable] = Counter()
    changed.update(gone)
    changed.update(come)
    return changed


@lru_cache(maxsize=512)
def _rows(task: DBTask, statements: tuple[str, ...]) -> Counter[Hashable]:
    """Every row of every table after some statements; a group of episodes asks for the same start and gold."""
    with Sandbox(task, backend=_BACKEND) as db:
        for sql in statements:
            _executes(db, sql)
        rows: Counter[Hashable] = Counter()
        for table, cells in zip(task.tables, db.state() or (), strict=False):
            rows.update((table.name, *row) for row in cells)
    return rows


def _executes(db: Sandbox, sql: str) -> bool:
    """Whether a statement runs without an error. The episode may have run on another database, so that a failure of
    this one's is not the episode's."""
    try:
        return db.execute(sql).error is None
    except InternalError:
        return False


def _statements(trajectory: Trajectory) -> Iterable[str]:
    for step in trajectory.steps:
        yield from (action for action in step.actions if not action.lstrip().startswith(ANSWER))


def _answer(trajectory: Trajectory) -> str | None:
    actions = [action.lstrip() for step in trajectory.steps for action in step.actions]
    return actions[-1].removeprefix(ANSWER) if actions and actions[-1].startswith(ANSWER) else None


def _names_a_table(sql: str, task: DBTask) -> bool:
    return any(table.name.lower() in sql.lower() for table in task.tables)
