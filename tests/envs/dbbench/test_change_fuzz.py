"""Random changes on random cells: exactly the rows that the statement names change, and nothing where it fails."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from envs.dbbench.mysql.collation import like, sort_key
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask, Table

STATEMENTS = int(os.environ.get("TRAIN_AGENT_FUZZ", "1500"))
"""20,000 for the whole measurement."""

Row = tuple[str | None, ...]
Named = Callable[[Row], bool | None]
COLUMNS = ("a", "b", "c")
ALPHABETS = (
    "abcABC", "iIİıìÎ", "sSßẞſ", "aäÁæÆœŒøØłĐ", "0123٣½²①", " \t\u00a0\u2003-_%.,'\"\\`;",
    "\u0301\u200d\u200b\ufeff\u0000\u001f", "漢字かカﾊ한각", "😀😁🇩🇪𝔘𠀀", "\u0378\ue000\uffff\U0010ffff\U00017000ﷺﬃ",
)  # fmt: skip


def cell(rng: random.Random) -> str | None:
    if rng.random() < 0.1:
        return None
    if rng.random() < 0.2:
        return "".join(chr(rng.choice((rng.randrange(0x2000), rng.randrange(0xE000, 0x110000)))) for _ in range(2))
    return "".join(rng.choice(rng.choice(ALPHABETS)) for _ in range(rng.randrange(4)))


def text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"


def condition(rng: random.Random, known: list[str], depth: int = 0) -> tuple[str, Named]:
    """A condition in SQL, and what it says of a row: true, false or unknown."""
    if depth < 2 and rng.random() < 0.3:
        return combined(rng, known, depth)
    at, other = rng.randrange(3), rng.randrange(3)
    name, value = COLUMNS[at], rng.choice(known) if rng.random() < 0.7 else cell(rng) or "x"
    key = sort_key(value)

    def on(test: Callable[[str], bool]) -> Named:
        return lambda row: None if (found := row[at]) is None else test(found)

    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    kinds: list[tuple[str, Named]] = [
        (f"{name} = {text(value)}", on(lambda found: sort_key(found) == key)),
        (f"{text(value)} = {name}", on(lambda found: sort_key(found) == key)),
        (f"{name} <> {text(value)}", on(lambda found: sort_key(found) != key)),
        (f"{name} < {text(value)}", on(lambda found: sort_key(found) < key)),
        (f"{name} >= {text(value)}", on(lambda found: sort_key(found) >= key)),
        (f"{name} BETWEEN {text(value)} AND {text(value + 'z')}",
         on(lambda found: key <= sort_key(found) <= sort_key(value + "z"))),
        (f"{name} IN ({text(value)}, {text(known[0])})",
         on(lambda found: sort_key(found) in (key, sort_key(known[0])))),
        (f"{name} NOT IN ({text(value)})", on(lambda found: sort_key(found) != key)),
        (f"{name} = {text(value)} COLLATE utf8mb4_bin", on(lambda found: found == value)),
        (f"{name} <=> {text(value)}", lambda row: row[at] is not None and sort_key(row[at] or "") == key),
        (f"{name} IS NULL", lambda row: row[at] is None),
        (f"{name} LIKE {text(escaped)}", on(lambda found: like(found, escaped))),
        (f"{name} = {COLUMNS[other]}",
         lambda row: None if None in (row[at], row[other]) else sort_key(row[at] or "") == sort_key(row[other] or "")),
        (f"{name} IN (SELECT u.b FROM u)", on(lambda found: sort_key(found) == sort_key(known[-1]))),
    ]  # fmt: skip
    return rng.choice(kinds)


def combined(rng: random.Random, known: list[str], depth: int) -> tuple[str, Named]:
    (left_sql, left), (right_sql, right) = (condition(rng, known, depth + 1) for _ in range(2))
    if rng.random() < 0.3:
        return f"NOT ({left_sql})", lambda row: None if (found := left(row)) is None else not found

    def both(row: Row) -> bool | None:
        found = (left(row), right(row))
        return False if False in found else None if None in found else True

    def either(row: Row) -> bool | None:
        found = (left(row), right(row))
        return True if True in found else None if None in found else False

    return rng.choice(
        [(f"({left_sql} AND {right_sql})", both), (f"({left_sql} OR {right_sql})", either)],
    )


def changed(rng: random.Random, rows: list[Row], known: list[str]) -> tuple[str, list[Row]]:
    """A statement and the rows that it must leave."""
    where, named = condition(rng, known)
    if rng.random() < 0.4:
        return f"DELETE FROM t WHERE {where}", [row for row in rows if named(row) is not True]
    new = cell(rng) or "new"
    at = rng.randrange(3)
    after = [(*row[:at], new, *row[at + 1 :]) if named(row) is True else row for row in rows]
    return f"UPDATE t SET {COLUMNS[at]} = {text(new)} WHERE {where}", after


@pytest.mark.parametrize("seed", range(3))
def test_exactly_the_named_rows_change(seed: int) -> None:
    rng = random.Random(seed)
    failed: list[Any] = []
    for _ in range(STATEMENTS // 3):
        rows: list[Row] = [tuple(cell(rng) for _ in COLUMNS) for _ in range(6)]
        known = [value for row in rows for value in row if value is not None] or ["x"]
        other = Table("u", ("b",), ((known[-1],),))
        sql, expected = changed(rng, rows, known)
        with Sandbox(DBTask("t", "UPDATE", "test", tables=(Table("t", COLUMNS, tuple(rows)), other))) as db:
            reply = db.execute(sql)
            state = db.state()
        assert state is not None
        if reply.error is not None or state[0] != expected or state[1] != list(other.rows):
            failed.append((sql, reply.text, rows, state))
    assert failed == []
