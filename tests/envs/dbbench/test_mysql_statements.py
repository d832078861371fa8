"""The MySQL layer against statements on messy tables and what MySQL 9.7 answered (recordings in the shared folder)."""

from __future__ import annotations

import json
import lzma
import re
from pathlib import Path
from typing import Any

from envs.dbbench.backend import Reply
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask, Table

ALIKE = 0.985


def tasks_and_statements(path: Path) -> tuple[dict[str, DBTask], list[dict[str, Any]]]:
    with lzma.open(path, "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    tasks = {}
    for line in lines:
        if "data" in line:
            tables = tuple(
                Table(name, tuple(table["columns"]), tuple(map(tuple, table["rows"])))
                for name, table in line["data"].items()
            )
            tasks[line["tables"]] = DBTask(id=line["tables"], split="test", type="other", tables=tables)
    return tasks, [line for line in lines if "data" not in line]


def error_number(text: str | None) -> str | None:
    """The number of an error in the words of a connector; that of the sandbox's own is its text."""
    found = re.match(r"\w*:? ?\(?(\d+)", text or "")
    return found.group(1) if found else text


def is_alike(statement: dict[str, Any], reply: Reply) -> bool:
    """The same rows or error number, as the account of the recording or as root is answered."""
    for account in ("", "_as_root"):
        if f"rows{account}" in statement:
            error = statement[f"error{account}"]
            same_rows = error is not None or repr(reply.rows) == statement[f"rows{account}"]
            if error_number(reply.error) == error_number(error) and same_rows:
                return True
    return False


def test_statements_on_messy_tables_are_answered_alike(shared: Path) -> None:
    tasks, statements = tasks_and_statements(shared / "dbbench/mysql_statements.jsonl.xz")
    assert len(statements) == 684
    different = []
    for statement in statements:
        with Sandbox(tasks[statement["tables"]]) as db:
            for before in statement["before"]:
                db.execute(before)
            reply = db.execute(statement["sql"])
        if not is_alike(statement, reply):
            different.append(f"{'; '.join([*statement['before'], statement['sql']])} -> {reply.text[:200]}")
    assert len(different) <= (1 - ALIKE) * len(statements), "\n".join(different)
