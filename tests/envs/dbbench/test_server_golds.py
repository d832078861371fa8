"""The benchmark's gold queries and the generator's on real servers, beside recorded MySQL and the default backend."""

from __future__ import annotations

import json
import lzma
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from envs.dbbench.backend import Reply
from envs.dbbench.generator import generated_tasks
from envs.dbbench.generator.confirm import confirm_gold
from envs.dbbench.grading import grade
from envs.dbbench.loader import load_tasks
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask

# `System` is a reserved word of MySQL's and none of MariaDB's.
MARIADB_DIFFERS = {("std_fc", 65)}
# PostgreSQL orders and compares text by its bytes or its locale: case, accents and no-break spaces count, and so does
# which of several equal rows comes first.
POSTGRES_DIFFERS = {("std_fc", 2), ("std_fc", 55), ("std_fc", 85), ("std_fc", 206), ("dev", 1)}
# It compares no TEXT with a number, adds none up and averages none: what most golds ask of TEXT columns.
UNTYPED = "42883"


@pytest.fixture(scope="module")
def golds(shared: Path) -> list[tuple[dict[str, Any], DBTask]]:
    """The recorded gold runs with their tasks."""
    folder = shared / "dbbench"
    tasks = {"std_fc": load_tasks(folder / "standard.jsonl"), "dev": load_tasks(folder / "dev.jsonl")}
    with lzma.open(folder / "mysql_gold.jsonl.xz", "rt", encoding="utf-8") as lines:
        return [(record, tasks[record["set"]][record["index"]]) for record in map(json.loads, lines)]


def run(task: DBTask, sql: str, url: str, dialect: str) -> tuple[Reply, str | None]:
    with Sandbox(task, url, dialect) as db:
        return db.execute(sql), db.table_hash() if task.is_mutation else None


def number(error: str | None) -> str:
    """The error's number: in the recording behind the class's name, in a reply in front."""
    return (error or "").partition("(")[2].partition(",")[0] if error and not error[0].isdigit() else (error or "")[:4]


def is_same(reply: Reply, table_hash: str | None, record: dict[str, Any]) -> bool:
    rows = None if reply.error is not None else json.loads(json.dumps(reply.rows, default=str))
    outcome = (number(reply.error), rows, table_hash)
    return outcome == (number(record["error"]), record["rows"], record["table_hash"])


@pytest.mark.slow
def test_mariadb_answers_every_gold_as_mysql_did_but_one(
    mariadb: str, golds: list[tuple[dict[str, Any], DBTask]]
) -> None:
    verdicts, others = set(), set()
    for record, task in golds:
        reply, table_hash = run(task, record["sql"], mariadb, "mysql")
        right = table_hash == task.answer_hash if task.is_mutation else grade(reply.text, task.label, "fc")
        right = right and reply.error is None
        key = (record["set"], record["index"])
        verdicts |= {key} if right != bool(record["verdict_fc"]) else set()
        others |= set() if is_same(reply, table_hash, record) else {key}
    assert len(golds) == 360
    assert verdicts == others == MARIADB_DIFFERS


@pytest.mark.slow
def test_postgres_answers_the_golds_that_it_can_read(postgres: str, golds: list[tuple[dict[str, Any], DBTask]]) -> None:
    """Those that MySQL accepts, with names quoted for PostgreSQL: it refuses those that need TEXT to be a number."""
    import sqlglot

    same: Counter[str] = Counter()
    differs, errors = set(), Counter[str]()
    for record, task in golds:
        if record["error"] is not None:
            continue
        sql = sqlglot.transpile(record["sql"], read="mysql", write="postgres", identify=True)[0]
        reply, table_hash = run(task, sql, postgres, "postgres")
        if reply.error is not None:
            errors[reply.error[:5]] += 1
        elif is_same(reply, table_hash, record):
            same[task.type if task.is_mutation else "SELECT"] += 1
        else:
            differs.add((record["set"], record["index"]))
    assert set(errors) == {UNTYPED}
    assert differs <= POSTGRES_DIFFERS
    assert same["INSERT"] == 120
    assert same["UPDATE"] >= 109
    assert same["SELECT"] >= 31


@pytest.mark.slow
def test_generated_golds_are_confirmed_on_mariadb(mariadb: str) -> None:
    failures, different = [], []
    for split in ("train", "valid"):
        for task in generated_tasks(split, 200):
            failures += [why] if (why := confirm_gold(task, backend=mariadb)) else []
            here, there = (run(task, task.gold_sql, url, "mysql") for url in ("sqlite://", mariadb))
            different += [] if (here[0].text, here[1]) == (there[0].text, there[1]) else [task.id]
    assert (failures, different) == ([], [])
