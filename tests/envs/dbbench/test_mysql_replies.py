"""The MySQL layer against what a real MySQL 9.7 answered (recordings in the shared folder)."""

from __future__ import annotations

import ast
import json
import lzma
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask, Table


@pytest.fixture(scope="module")
def tasks(shared: Path) -> dict[tuple[str, int], DBTask]:
    loaded = {}
    for name in ("standard", "dev"):
        for index, line in enumerate((shared / f"dbbench/{name}.jsonl").read_text("utf-8").splitlines()):
            record = json.loads(line)
            found = record["table"] if isinstance(record["table"], list) else [record["table"]]
            tables = tuple(
                Table(
                    table["table_name"],
                    tuple(column["name"] for column in table["table_info"]["columns"]),
                    tuple(
                        tuple(None if cell is None else str(cell) for cell in row)
                        for row in table["table_info"]["rows"]
                    ),
                )
                for table in found
            )
            loaded[name, index] = DBTask(id=f"{name}/{index}", split=name, type="other", tables=tables)
    return loaded


def recordings(path: Path) -> list[dict[str, Any]]:
    with lzma.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def recorded_error(text: str | None) -> tuple[int, str] | None:
    """`ProgrammingError: (1146, "...")` as (1146, "...")."""
    if text is None:
        return None
    number, message = ast.literal_eval(text[text.index("(") :])
    return number, message


def differences(records: list[dict[str, Any]], tasks: dict[tuple[str, int], DBTask]) -> list[str]:
    """One line for each recording that the layer does not answer to the letter, by its reason."""
    found = []
    for record in records:
        name = "dev" if record.get("set") == "dev" else "standard"
        with Sandbox(tasks[name, record["index"]]) as db:
            reply = db.execute(record["sql"])
            changed = db.table_hash() if record["table_hash"] is not None else None
        error = recorded_error(record["error"])
        if error is not None:
            same = reply.error is not None and re.fullmatch(r"(\d+) \(\w{5}\): (.*)", reply.error, re.DOTALL)
            equal = bool(same) and (int(same[1]), same[2]) == error
        else:
            text = record.get("rows_text")
            plain = json.loads(json.dumps(reply.rows, default=str))
            equal = reply.error is None and (plain == record["rows"] if text is None else reply.text == text)
        if not equal or changed != record["table_hash"]:
            catalogue = "information_schema" in record["sql"] and Counter(reply.rows) == Counter(
                map(tuple, record["rows"])
            )
            reason = "order of information_schema" if catalogue else "other"
            found.append(f"{reason}: {name}/{record['index']} {record['sql']} -> {reply.text[:200]}")
    return found


def test_99_of_100_recorded_replies_are_identical(shared: Path, tasks: dict[tuple[str, int], DBTask]) -> None:
    records = recordings(shared / "dbbench/mysql_replies.jsonl.xz")
    different = differences(records, tasks)
    assert len(different) <= 0.01 * len(records), "\n".join(different)
    # The server reads the columns from one of two indexes, by name or by place; which one nobody can tell.
    assert [line for line in different if not line.startswith("order of information_schema")] == []


def test_all_gold_queries_answer_as_recorded(shared: Path, tasks: dict[tuple[str, int], DBTask]) -> None:
    records = recordings(shared / "dbbench/mysql_gold.jsonl.xz")
    assert len(records) == 360
    assert differences(records, tasks) == []
