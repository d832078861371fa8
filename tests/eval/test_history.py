"""The history of a training run, as it is read."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from eval.history import flat, number, read_metrics


def test_a_torn_line_is_skipped_with_a_warning_and_the_others_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(
        b'{"iteration":1}\n{"iterat\n[3]\n\n{"kind":"x"}\n{"iteration":2}\n{"itera'
    )
    with caplog.at_level(logging.WARNING):
        assert [record["iteration"] for record in read_metrics(tmp_path)] == [1, 2]
    assert [record.message.split(":")[1] for record in caplog.records] == ["2", "3", "5", "7"]


def test_a_run_without_metrics_has_no_records(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []


def test_numbers_are_found_by_their_paths_and_what_is_none_is_not() -> None:
    record = {"a": 1, "on": True, "nan": float("nan"), "word": "nan", "none": None, "in": {"low": 0.5}}
    assert number(record, "a") == 1.0
    assert number(record, "in", "low") == 0.5
    for keys in (("on",), ("nan",), ("word",), ("none",), ("in",), ("a", "b"), ("absent", "x")):
        assert number(record, *keys) is None


def test_a_record_is_flattened_to_its_numbers() -> None:
    record = {"kind": "iteration", "success": 0.5, "kl": None, "seconds": {"play": 2}, "final": False}
    assert flat(record) == {"success": 0.5, "seconds/play": 2.0}
