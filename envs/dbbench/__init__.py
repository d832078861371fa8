"""DB-Bench without Docker: a SQL sandbox that answers as MySQL does, the benchmark's tasks and verdicts.

from envs.dbbench import Sandbox, grade, load_tasks
tasks = load_tasks("standard.jsonl")
with Sandbox(tasks[0]) as db:
    reply = db.execute("SELECT 1")     # .rows, .error, .text
grade(["1"], tasks[0].label, rule="fc")
"""

from envs.dbbench.backend import Reply
from envs.dbbench.generator import generate_task, generated_tasks
from envs.dbbench.grading import grade
from envs.dbbench.loader import load_tasks
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask, Table

__all__ = ["DBTask", "Reply", "Sandbox", "Table", "generate_task", "generated_tasks", "grade", "load_tasks"]
