"""`strict` on changes: it passes exactly what leaves the rows that the gold statement leaves."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from envs.dbbench.generator import generate_task
from envs.dbbench.grading import verdict
from envs.dbbench.hashing import combined_hash
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.state import gold_state, same_state
from envs.dbbench.task import DBTask, Table
from envs.errors import DataError

MUTATIONS = 1000  # a task

Rows = list[tuple[str | None, ...]]
KINDS = ("INSERT", "UPDATE", "DELETE")


def text(cell: str | None) -> str:
    return "NULL" if cell is None else "'" + cell.replace("\\", "\\\\").replace("'", "''") + "'"


def name(of: str) -> str:
    return "`" + of.replace("`", "``") + "`"


class Twin:
    """The gold's tables twice: in a sandbox, changed by SQL, and as lists, changed by the same thoughts in Python."""

    def __init__(self, task: DBTask, db: Sandbox, rng: random.Random) -> None:
        self.task, self.db, self.rng = task, db, rng
        self.run(task.gold_sql)
        self.rows: list[Rows] = [list(map(tuple, rows)) for rows in gold_state(task)]

    def run(self, sql: str) -> None:
        reply = self.db.execute(sql)
        assert reply.error is None, (sql, reply.error)

    def mutate(self) -> None:
        place = self.rng.randrange(len(self.rows))
        changes: list[Callable[[Table, Rows], None]] = [
            self.rewrite, self.rewrite, self.insert, self.delete, self.paste, self.move, self.look,
        ]  # fmt: skip
        self.rng.choice(changes)(self.task.tables[place], self.rows[place])

    def where(self, table: Table, row: tuple[str | None, ...]) -> str:
        tests = [
            f"{name(column)} IS NULL" if cell is None else f"{name(column)} = {text(cell)} COLLATE utf8mb4_bin"
            for column, cell in zip(table.columns, row, strict=True)
        ]
        return " AND ".join(tests) + " LIMIT 1"

    def rewrite(self, table: Table, rows: Rows) -> None:
        """A cell becomes something else, or something that the official hash takes for the same."""
        if not rows:
            return
        at, column = self.rng.randrange(len(rows)), self.rng.randrange(len(table.columns))
        row = rows[at]
        old = row[column] or ""
        new = self.rng.choice([None, "", old, old + " ", old.upper(), old + ",", "0" + old, f"{old},{row[-1]}"])
        self.run(f"UPDATE {name(table.name)} SET {name(table.columns[column])} = {text(new)} "
                 f"WHERE {self.where(table, row)}")  # fmt: skip
        rows[at] = (*row[:column], new, *row[column + 1 :])

    def insert(self, table: Table, rows: Rows) -> None:
        row = self.rng.choice(rows) if rows else (None,) * len(table.columns)
        self.run(f"INSERT INTO {name(table.name)} VALUES ({', '.join(map(text, row))})")
        rows.append(row)

    def delete(self, table: Table, rows: Rows) -> None:
        if rows:
            row = rows.pop(self.rng.randrange(len(rows)))
            self.run(f"DELETE FROM {name(table.name)} WHERE {self.where(table, row)}")

    def move(self, table: Table, rows: Rows) -> None:
        """The same row, at the end."""
        if rows:
            self.delete(table, [row := self.rng.choice(rows)])
            self.run(f"INSERT INTO {name(table.name)} VALUES ({', '.join(map(text, row))})")

    def paste(self, table: Table, rows: Rows) -> None:
        """A row's cells in its first column, joined by commas: the same to the official hash."""
        if rows and len(table.columns) > 1:
            row = rows.pop(self.rng.randrange(len(rows)))
            self.run(f"DELETE FROM {name(table.name)} WHERE {self.where(table, row)}")
            pasted = (",".join(cell for cell in row if cell is not None), *[None] * (len(row) - 1))
            self.run(f"INSERT INTO {name(table.name)} ({name(table.columns[0])}) VALUES ({text(pasted[0])})")
            rows.append(pasted)

    def look(self, table: Table, rows: Rows) -> None:
        self.run(f"SELECT * FROM {name(table.name)}")


def ordered(state: Any) -> list[list[str]]:
    return [sorted(map(repr, map(tuple, rows))) for rows in state]


@pytest.mark.parametrize("kind", KINDS)
def test_strict_passes_exactly_the_mutations_of_the_gold_that_leave_its_rows(kind: str) -> None:
    rng = random.Random(kind)
    task = generate_task(seed=11, task_type=kind, difficulty=4, n_tables=2)
    gold = ordered(gold_state(task))
    passed = fooled = 0
    with Sandbox(task, deadline=30.0) as db:
        for _ in range(MUTATIONS):
            db.reset()
            twin = Twin(task, db, rng)
            for _ in range(rng.choice((1, 1, 2, 3))):
                twin.mutate()
            state = db.state()
            assert state is not None
            assert ordered(state) == ordered(twin.rows)
            right = ordered(twin.rows) == gold
            assert verdict(task, [], state, "strict") is right
            passed += right
            fooled += not right and verdict(task, [], state, "fc")
    assert passed > MUTATIONS / 10
    assert fooled > MUTATIONS / 25  # what the official hash pays


def test_cells_joined_by_commas_solve_no_generated_insert() -> None:
    for seed in range(40):
        task = generate_task(seed=seed, task_type="INSERT")
        table = task.tables[0]
        new = [row for row in gold_state(task)[0] if row not in table.rows]
        assert len(new) == 1
        pasted = ",".join(cell for cell in new[0] if cell is not None)
        with Sandbox(task, deadline=30.0) as db:
            reply = db.execute(f"INSERT INTO {name(table.name)} ({name(table.columns[0])}) VALUES ({text(pasted)})")
            assert reply.error is None
            assert combined_hash(db.state() or ()) == task.answer_hash
            assert not verdict(task, [], db.state(), "strict")


def test_every_row_of_a_long_table_counts() -> None:
    table = Table("t", ("a",), tuple((str(i),) for i in range(400)))
    task = DBTask("t", "DELETE", "test", tables=(table,), gold_sql="DELETE FROM t WHERE a = '7'", answer_hash="?")
    task = replace(task, answer_hash=combined_hash(gold_state(task)))
    solved = []
    for sql in ("SELECT 1", task.gold_sql, "DELETE FROM t WHERE a = '8'"):
        with Sandbox(task, deadline=30.0) as db:
            db.execute(sql)
            solved.append(verdict(task, [], db.state(), "strict"))
    assert solved == [False, True, False]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ([[("a", None)]], [[("a", "")]], False),
        ([[("a", None)]], [[(None, "a")]], False),
        ([[("a",), ("a",)]], [[("a",)]], False),
        ([[("a",), ("b",)]], [[("b",), ("a",)]], True),
        ([[("a",)], []], [[], [("a",)]], False),  # rows belong to their table
        ([[("a",)]], [[("A",)]], False),
        ([[]], [[], []], False),
    ],
)
def test_a_state_is_rows_with_their_nulls_columns_and_tables(left: Any, right: Any, same: bool) -> None:
    assert same_state(left, right) is same


def test_a_task_whose_gold_fails_has_no_strict_verdict() -> None:
    task = DBTask(
        "t", "UPDATE", "test", tables=(Table("t", ("a",), ()),), gold_sql="UPDATE u SET a = 1", answer_hash=""
    )
    with pytest.raises(DataError, match="Use the rule fc or v02"):
        verdict(task, [], [[]], "strict")
