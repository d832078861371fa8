"""Statements of a few kilobytes that would plan for minutes or fill the memory end in an error, early and small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sandbox_helpers import TASK

from envs.dbbench.mysql.budget import MAX_COLUMNS, Budget, PlanningTimeout
from envs.dbbench.mysql.dialect import plan
from envs.dbbench.mysql.scope import Schema
from envs.dbbench.sandbox import Sandbox

ROOT = Path(__file__).parents[3]
MEGABYTES = 150
# Each is measured in a process of its own, that a limit ends before the machine feels it.
PROGRAM = """
import json, os, resource, sys
from envs.dbbench.sandbox import Sandbox
from sandbox_helpers import TASK

def nested(depth, write, inner):
    for _ in range(depth):
        inner = write(inner)
    return inner

COLUMNS = ",".join(f"Name AS a{i}" for i in range(300))
CTES = lambda body, n: "WITH c0 AS (SELECT Name AS x FROM Players)," + ",".join(
    f"c{i + 1} AS ({body.replace('#', f'c{i}')})" for i in range(n)) + f" SELECT * FROM c{n}"
STATEMENTS = {
    "stars of a wide table": "SELECT " + ",".join(["q.*"] * 8000) + f" FROM (SELECT {COLUMNS} FROM Players) q",
    "nested CASE": "SELECT "
    + nested(16, lambda x: f"CASE {x} WHEN 'a' THEN 1 WHEN 'b' THEN 2 WHEN 'c' THEN 3 END", "Name")
    + " FROM Players",
    "nested IN": "SELECT " + nested(16, lambda x: f"({x} IN ('a', 1, 1.5))", "Name") + " FROM Players",
    "nested INTERVAL": "SELECT " + nested(16, lambda x: f"INTERVAL({x}, 1, 2)", "Name") + " FROM Players",
    "nested NULLIF": "SELECT " + nested(24, lambda x: f"NULLIF({x}, Name)", "Name") + " FROM Players",
    "chain of equalities": "SELECT Name, COUNT(*) FROM Players WHERE " + " AND ".join(["Goals=Fee"] * 2800)
    + " GROUP BY Name",
    "rollup of many keys": "SELECT COUNT(*) FROM Players GROUP BY " + ",".join(["Name"] * 6000) + " WITH ROLLUP",
    "wide common tables": f"WITH c AS (SELECT {COLUMNS} FROM Players), "
    + ",".join(f"c{i} AS (SELECT * FROM c)" for i in range(1200)) + " SELECT 1 FROM c3",
    "common tables that double columns": CTES("SELECT x + x AS x FROM #", 40),
    "common tables that treble texts": CTES("SELECT IF(x, x, x) AS x FROM #", 40),
    "common tables that double rows": CTES("SELECT a.x FROM # a JOIN # b", 40),
    "derived tables that double": "SELECT * FROM " + nested(13, lambda x: f"(SELECT IF(x, x, x) AS x FROM {x} q)",
                                                           "(SELECT Name AS x FROM Players)") + " z",
    "many joins": "SELECT 1 FROM " + " JOIN ".join(f"Players a{i}" for i in range(200)),
    "many windows": "SELECT " + ",".join(f"RANK() OVER (ORDER BY Name+{i})" for i in range(450)) + " FROM Players",
    "long CASE": "SELECT CASE CONCAT(" + ",".join(["Name"] * 90) + ") "
    + " ".join(f"WHEN {i} THEN {i}" for i in range(2000)) + " END FROM Players",
    "deep parentheses": "SELECT " + "(" * 19000 + "1" + ")" * 19000,
    "long IN list": "SELECT 1 FROM Players WHERE Name IN (" + ",".join(["1"] * 19000) + ")",
    "many unions": " UNION ".join(["SELECT 1"] * 2400),
    "many columns": "SELECT " + ",".join(["1"] * 5000),
}
results = {}
with Sandbox(TASK) as db:
    db.execute("SELECT 1")
for name, statement in STATEMENTS.items():
    assert len(statement) <= 40_000, name
    reading, writing = os.pipe()
    if os.fork() == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
        before = resource.getrusage(resource.RUSAGE_SELF)
        with Sandbox(TASK, dialect=sys.argv[1]) as db:
            text = db.execute(statement).text
        after = resource.getrusage(resource.RUSAGE_SELF)
        grown = (after.ru_maxrss - before.ru_maxrss) // 1024
        os.write(writing, json.dumps([text[:4], grown, round(after.ru_utime - before.ru_utime, 2)]).encode())
        os._exit(0)
    os.close(writing)
    os.wait()
    results[name] = json.loads(os.read(reading, 1000) or "null")
    os.close(reading)
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "mysql"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}", "PATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_no_statement_takes_the_machine(outcomes: dict[str, Any]) -> None:
    assert [name for name, outcome in outcomes.items() if outcome is None] == []  # ended by the limits of its process
    assert [name for name, (_, grown, _) in outcomes.items() if grown > MEGABYTES] == []


def test_each_is_refused_with_mysqls_own_limit(outcomes: dict[str, Any]) -> None:
    limits = {name: outcome and outcome[0] for name, outcome in outcomes.items()}
    assert limits.pop("stars of a wide table") == limits.pop("many columns") == "1117"
    assert limits.pop("many joins") == "1116"
    answered = {"[('J", "[(0,", "[(No", "[(1,", "[]"}
    assert set(limits.values()) - answered <= {"1436", "3024"}


def test_a_select_list_ends_at_4096_columns() -> None:
    with Sandbox(TASK) as db:
        assert db.execute("SELECT " + ",".join(["1"] * 1900)).error is None
        reply = db.execute("SELECT " + ",".join(["1"] * (MAX_COLUMNS + 1)))
        assert reply.error == "1117 (HY000): Too many columns"


def test_planning_ends_with_its_time_and_what_timed_out_is_not_remembered() -> None:
    schema = Schema((("t", ("a",)),))
    with pytest.raises(PlanningTimeout):
        plan("SELECT a FROM t", schema, seconds=-1.0)
    assert plan("SELECT a FROM t", schema, seconds=60.0).error is None
    with pytest.raises(PlanningTimeout):
        Budget(-1.0).check()


@pytest.mark.parametrize(
    "statement",
    [
        "WITH a AS (SELECT Team, Goals + 0 AS g FROM Players), b AS (SELECT Team, SUM(g) AS g FROM a GROUP BY Team), "
        "c AS (SELECT *, RANK() OVER (ORDER BY g DESC) AS r FROM b) SELECT c.Team, City, g, r FROM c LEFT JOIN Clubs "
        "USING (Team) WHERE r <= 3 AND g > (SELECT AVG(g) FROM b) ORDER BY r, Team",
        "SELECT Name FROM Players WHERE Name IN (" + ", ".join(f"'name {i}'" for i in range(800)) + ")",
        "SELECT " + ", ".join(f"SUM(CASE WHEN Goals > {i} THEN 1 END) g{i}" for i in range(60)) + " FROM Players",
        "INSERT INTO Clubs VALUES " + ", ".join(f"('t{i}', 'c{i}')" for i in range(900)),
    ],
)  # fmt: skip
def test_what_people_write_is_far_from_the_limits(statement: str) -> None:
    with Sandbox(TASK, deadline=10) as db:
        assert db.execute(statement).error is None
