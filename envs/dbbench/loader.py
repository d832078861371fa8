"""Reading the benchmark's files: AgentBench's records as they are, one JSON object a line.

A bad record is never skipped in silence: `load_tasks` refuses the file and lists every bad line, `read_records` hands
back the good tasks together with that list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from envs.dbbench.task import Cell, DBTask, Table
from envs.errors import DataError

TYPES = (
    "other",
    "counting",
    "comparison",
    "ranking",
    "aggregation-SUM",
    "aggregation-MIN",
    "aggregation-MAX",
    "aggregation-AVG",
    "INSERT",
    "UPDATE",
    "DELETE",
)
MUTATIONS = frozenset(("INSERT", "UPDATE", "DELETE"))

_HASH = re.compile(r"[\[\](),'\"\s]*([0-9a-fA-F]{32}(?:_[0-9a-fA-F]{32})*)[\[\](),'\"\s]*")
_SHOWN = 20


class BadRecord(NamedTuple):
    """A line that holds no usable record. `line` counts from 1, as editors do."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


def load_tasks(path: str | Path) -> list[DBTask]:
    """The tasks of a file, in its order.

    A task's id is the file's stem and its record's index from 0 (`standard-0042`), its split the stem.

    Raises:
        DataError: the file is missing, no text, empty, or has a bad record: all of them are listed.
    """
    tasks, bad = read_records(path)
    if bad:
        listed = "; ".join(map(str, bad[:_SHOWN])) + (f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else "")
        count = f"{len(bad)} bad record{'s' if len(bad) > 1 else ''} of {len(bad) + len(tasks)}"
        raise DataError(
            f"{count}: {listed}",
            where=path,
            remedy="Fetch the file again, or take the good ones with envs.dbbench.loader.read_records(path).",
        )
    return tasks


def read_records(path: str | Path) -> tuple[list[DBTask], list[BadRecord]]:
    """The good tasks of a file and its bad records. Ids count bad records too, so they are those of the whole file.

    Raises:
        DataError: the file is missing, no UTF-8 text, or has no record at all.
    """
    path = Path(path)
    tasks: list[DBTask] = []
    bad: list[BadRecord] = []
    lines = [(number, line) for number, line in enumerate(_text(path).split("\n"), start=1) if line.strip()]
    if not lines:
        raise DataError("no record in the file", where=path, remedy="Fetch the file again.")
    for index, (number, line) in enumerate(lines):
        try:
            tasks.append(_task(json.loads(line), f"{path.stem}-{index:04d}", path.stem))
        except json.JSONDecodeError as error:
            bad.append(BadRecord(number, f"no JSON ({error.msg} at column {error.colno})"))
        except (ValueError, RecursionError) as error:
            bad.append(BadRecord(number, str(error)))
    return tasks, bad


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", where=path, remedy="Check the path.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"no UTF-8 text (byte {error.start})", where=path, remedy="Fetch the file again.") from error


def _task(record: object, task_id: str, split: str) -> DBTask:
    record = _mapping(record, "the record")
    kind = _type(record.get("type"))
    tables = tuple(map(_table, _as_list(_need(record, "table"))))
    if not tables:
        raise ValueError("no table")
    if len({table.name for table in tables}) < len(tables):
        raise ValueError("two tables have the same name")
    # A mutation is judged by its hash; its label, if any, is the gold query.
    label = tuple(map(_label_item, _as_list(record.get("label", []) if kind in MUTATIONS else _need(record, "label"))))
    sql = record.get("sql") or {}
    query = str(_mapping(sql, "sql").get("query") or "")
    task = DBTask(
        id=task_id,
        type=kind,
        split=split,
        description=_string(_need(record, "description"), "description"),
        add_description=_string(record.get("add_description") or "", "add_description"),
        tables=tables,
        label=label if kind not in MUTATIONS else (),
        gold_sql=query or (label[0] if label and kind in MUTATIONS else ""),
    )
    return task if kind not in MUTATIONS else _with_hash(task, _need(record, "answer_md5"))


def _with_hash(task: DBTask, answer: object) -> DBTask:
    text = _string(answer, "answer_md5")
    if not text.strip() and task.gold_sql:
        return replace(task, answer_hash=_executed_hash(task))
    match = _HASH.fullmatch(text)
    if match is None:
        raise ValueError(f"answer_md5 is no hash: {text[:60]!r}")
    return replace(task, answer_hash=match[1].lower())


def _executed_hash(task: DBTask) -> str:
    """An empty answer_md5 stands for the hash that the record's own query leaves behind."""
    from envs.dbbench.sandbox import Sandbox

    with Sandbox(task) as db:
        reply = db.execute(task.gold_sql)
        if reply.error is not None:
            raise ValueError(f"answer_md5 is empty and the gold query fails: {reply.error}")
        return db.table_hash()


def _table(entry: object) -> Table:
    table = _mapping(entry, "the table")
    name = _string(_need(table, "table_name"), "table_name")
    info = _mapping(_need(table, "table_info"), "table_info")
    columns = tuple(
        _string(_need(_mapping(column, "a column"), "name"), "a column's name")
        for column in _list(_need(info, "columns"), "columns")
    )
    folded = {column.casefold() for column in columns}
    if not columns or len(folded) < len(columns):
        raise ValueError(f"table {name!r} has {'two columns of the same name' if columns else 'no column'}")
    rows = tuple(tuple(map(_cell, _list(row, "a row"))) for row in _list(_need(info, "rows"), "rows"))
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise ValueError(f"row {number} of table {name!r} has {len(row)} cells for {len(columns)} columns")
    return Table(name, columns, rows)


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return str(value)
    raise ValueError(f"a cell is neither text nor number: {str(value)[:60]!r}")


def _label_item(value: object) -> str:
    if value is None or isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError(f"a label's item is neither text nor number: {str(value)[:60]!r}")


def _type(value: object) -> str:
    kind = value[0] if isinstance(value, list) and value else value
    if kind not in TYPES:
        raise ValueError(f"unknown type {value!r}")
    return str(kind)


def _need(record: Mapping[str, Any], key: str) -> Any:
    if key not in record:
        raise ValueError(f"no {key!r}")
    return record[key]


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no object")
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what} is no list")
    return value


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _string(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} is no text")
    return value
