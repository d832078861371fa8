"""What a callback of the MySQL layer raises inside SQLite ends the statement, undoes it, and is not left in the
interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
# Each way is tried often enough for an error that the driver leaves behind to come to light.
PROGRAM = """
import json, sys
from envs.dbbench.mysql import aggregates, collation, functions, numbers, runtime
from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask, Table
from envs.errors import InternalError

error = None
calls = 0

def failing(call):
    def wrapped(*arguments):
        global calls
        calls += 1
        if error is not None and calls > late:
            raise error
        return call(*arguments)
    return wrapped

if sys.argv[1] == "collation":
    collation.compare = failing(collation.compare)
elif sys.argv[1] == "decimals":
    numbers.compare_decimals = failing(numbers.compare_decimals)
elif sys.argv[1] == "scalar":
    runtime._SCALARS["cast_decimal"] = failing(runtime._SCALARS["cast_decimal"])
elif sys.argv[1] == "step":
    aggregates.GroupConcat.step = failing(aggregates.GroupConcat.step)
else:
    aggregates.GroupConcat.value = failing(aggregates.GroupConcat.value)

WHERE = "a <> 'x' AND CAST(b AS DECIMAL(9, 2)) < CAST(a AS DECIMAL(9, 3)) + 1"
COUNT = "(SELECT GROUP_CONCAT(a) FROM (SELECT * FROM t) AS u)"
STATEMENTS = [
    f"SELECT GROUP_CONCAT(a) FROM t WHERE {WHERE}",
    f"DELETE FROM t WHERE {WHERE} AND {COUNT} <> 'y'",
    f"UPDATE t SET a = 'z' WHERE {WHERE} AND {COUNT} <> 'y'",
    f"INSERT INTO t SELECT b, a FROM t WHERE {WHERE} AND {COUNT} <> 'y'",
]
rows = (("1", "2"), ("3", "3"), ("5", "1"))
task = DBTask(id="unit/0", split="test", type="other", tables=(Table("t", ("a", "b"), rows),))
replies = []
for error in [ZeroDivisionError("on purpose"), MySQLError(3024), KeyboardInterrupt()] * 10 + [None]:
    for late, statement in enumerate(STATEMENTS):
        calls = 0
        with Sandbox(task) as db:
            try:
                text = db.execute(statement).text
            except KeyboardInterrupt:
                text = "stopped"
            except InternalError as failure:
                text = "ours: " + str(failure)
            replies.append([text, db.execute("SELECT * FROM t").text])
print(json.dumps(replies))
"""
CLEAN = "[('1', '2'), ('3', '3'), ('5', '1')]"


@pytest.mark.parametrize("where", ["collation", "decimals", "scalar", "step", "value"])
def test_an_error_inside_sqlite_is_ours_and_changes_nothing(where: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", PROGRAM, where],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    replies: list[Any] = json.loads(done.stdout)
    failed = replies[:-4]
    # A value is asked for once a statement: late failures never come there.
    ended = [reply for reply in failed if reply[0] != "[]"]
    assert len(ended) >= len(failed) // 4
    assert {reply[1] for reply in ended} == {CLEAN}
    texts = [reply[0] for reply in failed[::4]]
    assert [text[:12] for text in texts] == ["ours: a func", "3024 (HY000)", "stopped"] * 10
    assert "ZeroDivisionError: on purpose" in texts[0]
    assert [reply[1] == CLEAN for reply in replies[-4:]] == [True, False, False, False]
