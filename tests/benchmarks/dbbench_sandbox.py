"""The default sandbox against a MariaDB of one's own, in one run on one thread: resets, queries, whole episodes.

python tests/benchmarks/dbbench_sandbox.py [EPISODES_ON_MARIADB]

An episode is a sandbox of its own, three queries (a look, a count, the gold) and the hash of the tables. MariaDB is
Debian's with its defaults, on loopback; there an episode has its own schema and user. Times are medians.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "envs/dbbench"))

import sql_servers

from envs.dbbench.generator import generated_tasks
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask

TASKS = 100
ROUNDS = 20


def queries(task: DBTask) -> tuple[str, str, str]:
    table = f"`{task.tables[0].name}`"
    return f"SELECT * FROM {table} LIMIT 3", f"SELECT COUNT(*) FROM {table}", task.gold_sql


def episode(task: DBTask, url: str) -> None:
    with Sandbox(task, url) as db:
        for sql in queries(task):
            reply = db.execute(sql)
            assert reply.error is None, reply.error
        db.table_hash()


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def episode_times(tasks: Iterable[DBTask], url: str) -> list[float]:
    return [timed(lambda task=task: episode(task, url)) for task in tasks]  # type: ignore[misc]


def step_times(tasks: list[DBTask], url: str, dialect: str = "mysql") -> tuple[list[float], list[float]]:
    """Seconds of each reset and of each query, in one sandbox that goes from task to task."""
    resets, asked = [], []
    with Sandbox(tasks[0], url, dialect) as db:
        for task in tasks:
            resets.append(timed(lambda task=task: db.reset(task)))  # type: ignore[misc]
            db.execute("SELECT 1")  # a server's session begins here
            asked += [timed(lambda sql=sql: db.execute(sql)) for sql in queries(task)[:2]]  # type: ignore[misc]
            db.execute(task.gold_sql)  # a change, as often as not: the next reset has something to undo
    return resets, asked


def row(what: str, ours: float, theirs: float) -> None:
    print(f"{what:<30}{1e3 * ours:>12.4f} ms{1e3 * theirs:>12.3f} ms{theirs / ours:>11.0f}x")


def main(count: int) -> None:
    tasks = list(generated_tasks("train", TASKS))
    first = episode_times(tasks, "sqlite://")
    ours = episode_times(tasks * ROUNDS, "sqlite://")
    resets, asked = step_times(tasks * ROUNDS, "sqlite://")
    plain = step_times(tasks * ROUNDS, "sqlite://", "sqlite")[1]
    with sql_servers.mariadb() as url:
        episode_times(tasks[:5], url)
        theirs = episode_times(tasks[:count], url)
        their_resets, their_asked = step_times(tasks[:count], url)
    print(f"{'':<30}{'default':>15}{'MariaDB':>15}{'ratio':>12}")
    row("reset", median(resets), median(their_resets))
    row("query", median(asked), median(their_asked))
    row("episode", median(ours), median(theirs))
    row("episode, first of its task", median(first), median(theirs))
    rates = len(ours) / sum(ours), len(theirs) / sum(theirs)
    print(f"{'episodes a second':<30}{rates[0]:>15.0f}{rates[1]:>15.1f}{rates[0] / rates[1]:>11.0f}x")
    cost = 1e3 * (median(asked) - median(plain))
    print(
        f"the layer's own cost a query, its text known: {cost:.4f} ms above plain SQLite's {1e3 * median(plain):.4f} ms"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
