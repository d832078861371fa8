"""What a callback of the MySQL layer raises inside SQLite ends as a reply, and not in the interpreter."""

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

error = None

def failing(call):
    def wrapped(*arguments):
        if error is not None:
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

QUERY = "SELECT GROUP_CONCAT(a) FROM t WHERE a <> 'x' AND CAST(b AS DECIMAL(9, 2)) < CAST(a AS DECIMAL(9, 3)) + 1"
task = DBTask(id="unit/0", split="test", type="other", tables=(Table("t", ("a", "b"), (("1", "2"), ("3", "3"))),))
replies = []
for error in [ZeroDivisionError("on purpose"), MySQLError(3024), KeyboardInterrupt()] * 10 + [None]:
    with Sandbox(task) as db:
        try:
            replies.append(db.execute(QUERY).text)
        except KeyboardInterrupt:
            replies.append("stopped")
        replies.append(db.execute("SELECT a FROM t").text)
print(json.dumps(replies))
"""


@pytest.mark.parametrize("where", ["collation", "decimals", "scalar", "step", "value"])
def test_an_error_inside_sqlite_is_a_reply_and_harms_nothing(where: str) -> None:
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
    assert [reply[:12] for reply in replies[:-2:2]] == ["1105 (HY000)", "3024 (HY000)", "stopped"] * 10
    assert set(replies[1::2]) == {"[('1',), ('3',)]"}
    assert replies[-2] == "[('3',)]"
