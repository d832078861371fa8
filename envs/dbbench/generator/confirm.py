"""Running a generated task's gold once more, on any backend."""

from __future__ import annotations

from envs.dbbench.generator.making import label_text
from envs.dbbench.grading import grade
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask


def confirm_gold(task: DBTask, *, backend: str = "sqlite://", dialect: str = "mysql") -> str:
    """Why the gold query does not give the task's label or hash on this backend; "" if it does.

    A question's result must be right under `fc` and `strict` and leave the tables alone; a change must change them.
    """
    with Sandbox(task, backend=backend, dialect=dialect) as db:
        before = db.table_hash()
        reply = db.execute(task.gold_sql)
        after = db.table_hash()
    if reply.error is not None:
        return f"{task.id}: the gold query fails: {reply.error}: {task.gold_sql}"
    if task.is_mutation:
        if after == before:
            return f"{task.id}: the gold query changes nothing: {task.gold_sql}"
        return "" if after == task.answer_hash else f"{task.id}: the gold query leaves other tables: {task.gold_sql}"
    items = [label_text(cell) for row in reply.rows for cell in row]
    if after == before and grade(items, task.label, "fc") and grade(items, task.label, "strict"):
        return ""
    return f"{task.id}: the label is {task.label} but the gold query gives {items}: {task.gold_sql}"
