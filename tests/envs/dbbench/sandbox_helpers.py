"""A small task for tests of the sandbox, and a way to ask it."""

from __future__ import annotations

from typing import Any

from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask, Table

PLAYERS = Table(
    "Players",
    ("Name", "Team", "Goals", "Fee", "Born", "Height (m)", "Note"),
    (
        ("José", "Real Madrid", "12", "1,234.50", "1990-05-17", "1.85", "captain"),
        ("jose", "Real madrid", "7", "£3.5m", "12 May 1991", "1.8", "a_b%c"),
        ("Anna", "Ajax", "07", "", "1988/01/31", "1.90", None),
        ("Øystein", "Ajax", "-3", "100", "2000-02-30", "abc", ""),
        ("Zoë", "FC Porto", "15", "20%", "19991231", "1.85", "O'Neil"),
        ("bob", "fc porto", None, "5", "1995-12-01 10:20:30", "2", "x-y z"),
    ),
)
CLUBS = Table("Clubs", ("Team", "City"), (("Ajax", "Amsterdam"), ("FC Porto", "Porto"), ("Unknown", None)))
TASK = DBTask(id="unit/0", split="test", type="other", tables=(PLAYERS, CLUBS))


def rows(sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query, which must not fail."""
    with Sandbox(TASK) as db:
        reply = db.execute(sql)
        assert reply.error is None, reply.error
        return reply.rows


def one(expression: str) -> Any:
    """The value of an expression."""
    return rows(f"SELECT {expression}")[0][0]


def column(sql: str) -> list[Any]:
    return [row[0] for row in rows(sql)]


def error(sql: str) -> str:
    """The refusal of a statement, which must be refused."""
    with Sandbox(TASK) as db:
        reply = db.execute(sql)
        assert reply.error is not None, reply.text
        assert reply.text == reply.error
        assert reply.rows == []
        return reply.error


def after(*changes: str, query: str = "SELECT * FROM Players") -> list[tuple[Any, ...]]:
    """What a query finds after changes, none of which may fail."""
    with Sandbox(TASK) as db:
        for change in changes:
            reply = db.execute(change)
            assert (reply.error, reply.text) == (None, "[]"), reply.text
        return db.execute(query).rows
