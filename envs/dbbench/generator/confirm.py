"""Running a generated task's gold once more, on any backend."""

from __future__ import annotations

from envs.dbbench.generator.making import label_text
from envs.dbbench.grading import grade, verdict
from envs.dbbench.hashing import combined_hash
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.state import same_state
from envs.dbbench.task import DBTask


def confirm_gold(task: DBTask, *, backend: str = "sqlite://", dialect: str = "mysql") -> str:
    """Why the gold query does not give the task's label or hash on this backend; "" if it does.

    The result must be right under `fc` and `strict`; a question must leave the tables alone, a change must change them.
    """
    before = [table.rows for table in task.tables]
    with Sandbox(task, backend=backend, dialect=dialect) as db:
        reply = db.execute(task.gold_sql)
        after = db.state() or ()
    if reply.error is not None:
        return f"{task.id}: the gold query fails: {reply.error}: {task.gold_sql}"
    if task.is_mutation:
        if combined_hash(after) == combined_hash(before):
            return f"{task.id}: the gold query changes nothing: {task.gold_sql}"
        right = all(verdict(task, [], after, rule) for rule in ("fc", "strict"))
        return "" if right else f"{task.id}: the gold query leaves other tables: {task.gold_sql}"
    items = [label_text(cell) for row in reply.rows for cell in row]
    if same_state(after, before) and grade(items, task.label, "fc") and grade(items, task.label, "strict"):
        return ""
    return f"{task.id}: the label is {task.label} but the gold query gives {items}: {task.gold_sql}"
