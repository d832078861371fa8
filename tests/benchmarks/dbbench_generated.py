"""Generated tasks: time to make one, and what the expert solves against a player that sends its first draft.

python tests/benchmarks/dbbench_generated.py [TASKS] [SPLIT]
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from envs.dbbench.expert import DBExpert
from envs.dbbench.generator import SHARES, generated_tasks
from envs.dbbench.generator.intent import Layout
from envs.dbbench.generator.queries import Query
from envs.dbbench.generator.reading import understand
from envs.dbbench.grading import verdict
from envs.dbbench.observed import rows_of
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask


def expert(task: DBTask) -> tuple[bool, int]:
    """Whether the expert solves the task, and in how many actions."""
    observation = f"{task.description}\n{task.add_description}"
    player = DBExpert()
    player.reset(observation)
    with Sandbox(task) as db:
        for step in range(1, 21):
            action = player.act(observation)
            if action.startswith("answer:"):
                return verdict(task, json.loads(action.removeprefix("answer:")), db.state()), step
            observation = db.execute(action).text
    return False, 20


def draft(task: DBTask) -> bool:
    """Whether the query solves the task that takes every cell as it is: what not looking costs."""
    columns = {table.name: table.columns for table in task.tables}
    intent = understand(task.description, columns)
    assert intent is not None
    with Sandbox(task) as db:
        reply = db.execute(Query(intent, Layout(columns, {}, {})).sql())
        answer = [str(cell) for row in rows_of(reply.text) or [] for cell in row]
        return verdict(task, answer, db.state())


def main(count: int, split: str) -> None:
    start = time.perf_counter()
    tasks = list(generated_tasks(split, count))
    made = (time.perf_counter() - start) / count
    start = time.perf_counter()
    played = {task.id: expert(task) for task in tasks}
    per_episode = (time.perf_counter() - start) / count
    drafted = {task.id: draft(task) for task in tasks}
    print(f"{count} tasks of {split}: {1e3 * made:.2f} ms to make one, {1e3 * per_episode:.2f} ms to play one")
    print(f"{'type':<16}{'tasks':>7}{'expert':>9}{'steps':>7}{'first draft':>13}")
    for task_type in SHARES:
        ids = [task.id for task in tasks if task.type == task_type]
        if ids:
            print(f"{task_type:<16}{_summary(ids, played, drafted)}")
    print(f"{'all':<16}{_summary([task.id for task in tasks], played, drafted)}")
    ratio = sum(won for won, _ in played.values()) / sum(drafted.values())
    print(f"ratio of solved tasks, expert to first draft: {ratio:.2f}")


def _summary(ids: list[str], played: dict[str, tuple[bool, int]], drafted: dict[str, bool]) -> str:
    number = len(ids)
    solved, steps = sum(played[i][0] for i in ids) / number, sum(played[i][1] for i in ids) / number
    return f"{number:>7}{solved:>9.1%}{steps:>7.2f}{sum(drafted[i] for i in ids) / number:>13.1%}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000, sys.argv[2] if len(sys.argv) > 2 else "train")
