"""Data sets are found in every form in which they are passed around; what is wrong is named with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict

from envs.errors import DataError
from rollout import collect
from tests.rollout.corridor import Corridor
from tests.rollout.servers import unused_url
from trainers.conversations.files import is_run, rows

ROWS: list[dict[str, Any]] = [
    {"id": f"row {number}", "messages": [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Ho."}]}
    for number in range(3)
]


def written(folder: Path, form: str) -> Path:
    lines = "\n".join(map(json.dumps, ROWS))
    match form:
        case "jsonl":
            (folder / "a.jsonl").write_text(lines + "\n\n")
            return folder / "a.jsonl"
        case "lines in .json":
            (folder / "a.json").write_text(lines)
            return folder / "a.json"
        case "json":
            (folder / "a.json").write_text("\ufeff" + json.dumps(ROWS, indent=1))
            return folder / "a.json"
        case "json with a key":
            (folder / "a.json").write_text(json.dumps({"version": 1, "data": ROWS}))
            return folder / "a.json"
        case "parquet":
            Dataset.from_list(ROWS).to_parquet(folder / "a.parquet")
            return folder / "a.parquet"
        case "saved":
            Dataset.from_list(ROWS).save_to_disk(folder / "saved")
            return folder / "saved"
        case "saved splits":
            DatasetDict({"train": Dataset.from_list(ROWS), "test": Dataset.from_list(ROWS[:1])}).save_to_disk(
                folder / "saved"
            )
            return folder / "saved"
        case _:
            (folder / "data").mkdir()
            (folder / "dataset_infos.json").write_text("{}")
            Dataset.from_list(ROWS[:2]).to_parquet(folder / "data" / "a-00.parquet")
            (folder / "data" / "b.jsonl").write_text(json.dumps(ROWS[2]))
            return folder


FORMS = ("jsonl", "lines in .json", "json", "json with a key", "parquet", "saved", "saved splits", "downloaded")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows(form: str, tmp_path: Path) -> None:
    source = written(tmp_path, form)
    assert not is_run(source)
    found = list(rows(source))
    assert [row for _, row in found] == ROWS
    assert all(str(source) in where for where, _ in found)
    if form == "jsonl":
        assert found[2][0] == f"{source}:3"


def test_a_run_is_told_from_a_data_set(tmp_path: Path) -> None:
    collect(Corridor(), "expert", output=tmp_path / "run")
    assert is_run(tmp_path / "run")
    assert is_run(tmp_path / "run" / "episodes")
    assert is_run(tmp_path / "run" / "episodes" / "episodes.jsonl")
    (tmp_path / "empty").mkdir()
    assert is_run(tmp_path / "empty")
    assert not is_run(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"messages": []}\n{"messages": ', r"a\.jsonl:2: this line is not JSON"),
        ("a.json", '[\n{"a": 1},\n{"b" 2}]', r"a\.json:3: this is not JSON"),
        ("a.txt", "Hello.", r"a\.txt:1: this line is not JSON .*messages.*conversations"),
        ("a.parquet", "PAR2", r"a\.parquet: this parquet file cannot be read"),
        ("a.json", "[" * 100_000, r"a\.json: this JSON is nested too deeply"),
    ],
)
def test_a_broken_file_is_an_error_that_names_file_and_line(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        list(rows(tmp_path / name))


def test_bytes_that_are_no_text_name_their_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n\xff\n')
    with pytest.raises(DataError, match=r"a\.jsonl:2: this is no UTF-8 text"):
        list(rows(tmp_path / "a.jsonl"))


def test_a_path_that_is_not_there_is_not_looked_for_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for name in ("runs/typo", "./typo", "data.jsonl", "some/data.json", str(tmp_path / "x")):
        with pytest.raises(DataError, match=r"no such file or folder\. --from takes a run's folder"):
            list(rows(Path(name)))


def test_a_name_that_the_hub_cannot_give_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"no data set of this name could be loaded .*hf download owner/nothing"):
        list(rows(Path("owner/nothing:train")))


def test_a_hub_that_cannot_be_reached_is_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", unused_url())
    with pytest.raises(DataError, match=r"could be loaded \(.*refused"):
        list(rows(Path("owner/nothing")))


def test_splits_without_a_train_must_be_chosen(tmp_path: Path) -> None:
    DatasetDict({"os": Dataset.from_list(ROWS), "db": Dataset.from_list(ROWS)}).save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match=r"none is called train: os, db\. Say which: --from .*saved/os"):
        list(rows(tmp_path / "saved"))
    assert len(list(rows(tmp_path / "saved" / "db"))) == 3
