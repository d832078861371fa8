"""Reading the benchmark's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from envs.dbbench.loader import load_tasks, read_records
from envs.errors import DataError

HASH = "0123456789abcdef0123456789abcdef"
TABLE = {
    "table_name": "Shop List",
    "table_info": {"columns": [{"name": "Shop", "type": "TEXT"}, {"name": "Sales", "type": "INT"}], "rows": [["A", 3]]},
}


def record(**changes: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "description": "How many?",
        "add_description": "About shops.",
        "label": ["3"],
        "type": ["counting"],
        "table": TABLE,
        "sql": {"query": "SELECT 3", "length": 8},
    }
    return {key: value for key, value in (entry | changes).items() if value is not ...}


def mutation(**changes: Any) -> dict[str, Any]:
    return record(type=["UPDATE"], label=["UPDATE x"], answer_md5=f"[('{HASH}',)]", sql=..., **changes)


def written(path: Path, *lines: object) -> Path:
    file = path / "standard.jsonl"
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return file


@pytest.mark.parametrize(("name", "tasks", "mutations"), [("standard", 300, 200), ("dev", 60, 40)])
def test_the_benchmarks_files_load_whole_and_in_order(shared: Path, name: str, tasks: int, mutations: int) -> None:
    path = shared / "dbbench" / f"{name}.jsonl"
    loaded = load_tasks(path)
    records = [json.loads(line) for line in path.open(encoding="utf-8")]
    assert len(loaded) == tasks
    assert sum(task.is_mutation for task in loaded) == mutations
    assert [task.description for task in loaded] == [entry["description"] for entry in records]
    assert [task.type for task in loaded] == [entry["type"][0] for entry in records]
    assert loaded[42].id == f"{name}-0042"
    assert {task.split for task in loaded} == {name}
    for task, entry in zip(loaded, records, strict=True):
        assert [list(row) for row in task.tables[0].rows] == [
            [str(cell) for cell in row] for row in entry["table"]["table_info"]["rows"]
        ]
        if task.is_mutation:
            assert task.answer_hash is not None
            assert task.answer_hash in entry["answer_md5"]
            assert task.gold_sql == entry["label"][0]
        else:
            assert list(task.label) == entry["label"]
            assert task.gold_sql == entry["sql"]["query"]


@pytest.mark.parametrize("form", [f"[('{HASH}',)]", f'[("{HASH}",)]', HASH, f" {HASH} ", HASH.upper()])
def test_every_form_of_the_hash_is_the_same_hash(tmp_path: Path, form: str) -> None:
    (task,) = load_tasks(written(tmp_path, {**mutation(), "answer_md5": form}))
    assert task.answer_hash == HASH


def test_the_hash_of_several_tables_stays_joined(tmp_path: Path) -> None:
    second = {**TABLE, "table_name": "Other"}
    entry = {**mutation(), "answer_md5": f"{HASH}_{HASH}", "table": [TABLE, second]}
    (task,) = load_tasks(written(tmp_path, entry))
    assert task.answer_hash == f"{HASH}_{HASH}"
    assert [table.name for table in task.tables] == ["Shop List", "Other"]


def test_cells_become_text_and_null_stays_null(tmp_path: Path) -> None:
    info = {**TABLE["table_info"], "rows": [[None, 1.5], ["x", 2]]}  # type: ignore[dict-item]
    (task,) = load_tasks(written(tmp_path, record(table={**TABLE, "table_info": info})))
    assert task.tables[0].rows == ((None, "1.5"), ("x", "2"))


@pytest.mark.parametrize("label", ["3", 3, ["3"], [3]])
def test_a_label_may_be_a_text_a_number_or_a_list(tmp_path: Path, label: object) -> None:
    (task,) = load_tasks(written(tmp_path, record(label=label)))
    assert task.label == ("3",)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"description": "cut o', "no JSON"),
        ("[1, 2]", "the record is no object"),
        ("9" * 5000, "digits|no object"),
        ("[" * 100_000, "recursion|JSON"),
        (record(description=...), "no 'description'"),
        (record(label=...), "no 'label'"),
        (record(label=[{}]), "label's item"),
        (record(type=["insert"]), r"unknown type \['insert'\]"),
        (record(type=[]), r"unknown type \[\]"),
        (record(table=...), "no 'table'"),
        (record(table=[]), "no table"),
        (record(table=[TABLE, TABLE]), "two tables have the same name"),
        (record(table={"table_name": "x"}), "no 'table_info'"),
        (record(table={"table_name": "x", "table_info": {"columns": [], "rows": []}}), "no column"),
        (
            record(table={"table_name": "x", "table_info": {"columns": [{"name": "a"}, {"name": "A"}], "rows": []}}),
            "two columns of the same name",
        ),
        (
            record(table={"table_name": "x", "table_info": {"columns": [{"name": "a"}], "rows": [["1"], ["2", "3"]]}}),
            "row 2 of table 'x' has 2 cells for 1 columns",
        ),
        (record(table={"table_name": "x", "table_info": {"columns": [{"name": "a"}], "rows": [[[]]]}}), "a cell is"),
        ({**mutation(), "answer_md5": "zzz"}, "answer_md5 is no hash"),
        ({k: v for k, v in mutation().items() if k != "answer_md5"}, "no 'answer_md5'"),
    ],
)
def test_a_bad_record_is_reported_by_its_line(tmp_path: Path, line: object, reason: str) -> None:
    file = written(tmp_path, record(), line, record())
    tasks, bad = read_records(file)
    assert [task.id for task in tasks] == ["standard-0000", "standard-0002"]
    assert [entry.line for entry in bad] == [2]
    with pytest.raises(DataError, match=rf"standard\.jsonl: 1 bad record of 3: line 2: .*({reason})"):
        load_tasks(file)


def test_all_bad_lines_are_listed_not_only_the_first(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 bad records of 3: line 1: .*; line 3: "):
        load_tasks(written(tmp_path, "{", record(), "{}"))


def test_blank_lines_and_windows_line_ends_are_no_records(tmp_path: Path) -> None:
    file = tmp_path / "dev.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(record()).encode() + b"\r\n\r\n" + json.dumps(record()).encode())
    assert [task.id for task in load_tasks(file)] == ["dev-0000", "dev-0001"]


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "no record"), (b"\xff\xfe\x00", "no UTF-8 text"), (None, "cannot be read")]
)
def test_a_file_that_is_no_text_or_empty_or_missing_is_named(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "standard.jsonl"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=rf"standard\.jsonl: {reason}"):
        load_tasks(file)


def test_tables_may_hold_line_separators_inside_their_text(tmp_path: Path) -> None:
    file = tmp_path / "standard.jsonl"
    file.write_text(json.dumps(record(description="a\u2028b"), ensure_ascii=False) + "\n", encoding="utf-8")
    assert load_tasks(file)[0].description == "a\u2028b"
