"""Hostile statements, each run in a process whose memory and files are watched (attack_statements.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
ATTACKS = Path(__file__).with_name("attack_statements.py")
MEGABYTES = 200


@pytest.fixture(scope="module", params=["mysql", "sqlite"])
def outcomes(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(ATTACKS), request.param],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_no_statement_breaks_out(outcomes: list[dict[str, Any]]) -> None:
    assert len(outcomes) > 45
    fat = [o["name"] for o in outcomes if o["peak"] - o["base"] > MEGABYTES]
    files = [o["name"] for o in outcomes if o["files"]]
    harmed = [o["name"] for o in outcomes if not o["unharmed"]]
    assert (fat, files, harmed) == ([], [], [])


@pytest.mark.slow
def test_what_reaches_beyond_the_tables_is_refused_in_words(outcomes: list[dict[str, Any]]) -> None:
    allowed = {
        "format",
        "long list",
        "like backtracking",
        "glob backtracking",
        "load_file",
        "doubling",
        "repeat",
        "lpad",
        "replace growth",
        "regexp",
        "format digits",
        "internal mark",
        "reset timeout",  # MySQL's setting; the sandbox's deadline is not the session's
        "reindex",
        "savepoint",  # of the MySQL layer's own; SQLite's are refused (test_sandbox.py)
    }
    assert [o["name"] for o in outcomes if o["error"] is None and o["name"] not in allowed] == []
    assert all(o["text"].strip() for o in outcomes)
