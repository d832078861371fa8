"""Statements of plain SQLite's that would double while they are compiled are refused, and those of people are not."""

from __future__ import annotations

import pytest
from sandbox_helpers import TASK

from envs.dbbench.inlining import is_explosive
from envs.dbbench.sandbox import Sandbox


def common_tables(body: str, count: int) -> str:
    tables = [f"c{i} AS ({body.replace('#', f'c{i - 1}' if i else 'Clubs')})" for i in range(count)]
    return f"WITH {', '.join(tables)} SELECT * FROM c{count - 1}"


def derived(body: str, count: int) -> str:
    source = "Clubs"
    for _ in range(count):
        source = f"({body.replace('#', source)}) AS q"
    return f"SELECT * FROM {source}"


@pytest.mark.parametrize(
    "statement",
    [
        common_tables("SELECT City + City AS City FROM #", 40),
        common_tables('SELECT "City" || `City` || [City] AS City FROM #', 20),
        common_tables("SELECT coalesce(City, City, City) AS City FROM #", 20),
        common_tables("SELECT max (City), iif/**/(City, City , City) AS City FROM #", 20),
        common_tables("SELECT (SELECT max(City) FROM #) + (SELECT max(City) FROM #) AS City", 30),
        common_tables("SELECT é + é AS é FROM #", 20),
        derived("SELECT coalesce(City, City, City) AS City FROM #", 14),
        derived("SELECT City -- ' \n + City /* ' */ AS City FROM #", 30),
    ],
)
def test_what_doubles_is_refused(statement: str) -> None:
    with Sandbox(TASK, dialect="sqlite") as db:
        reply = db.execute(statement)
        assert (reply.error, reply.stopped) == ("the statement is too complex", "size")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT a.x, b.y FROM a JOIN b ON a.id = b.id WHERE a.x IN (SELECT x FROM c WHERE y > 3)",
        "WITH a AS (SELECT Team, Goals + 0 AS g FROM Players), b AS (SELECT Team, SUM(g) AS g FROM a GROUP BY Team) "
        "SELECT c.Team, City, g FROM b AS c LEFT JOIN Clubs USING (Team) WHERE g > (SELECT AVG(g) FROM b) ORDER BY g",
        " UNION ".join(["SELECT a, b, CASE WHEN a > 3 THEN b END FROM t"] * 9),
        "SELECT " + ", ".join(["(SELECT MAX(a) FROM t)"] * 12),
        "SELECT " + ", ".join(f"SUM(CASE WHEN x > {i} AND y < {i} THEN z ELSE 0 END)" for i in range(200)) + " FROM t",
        "INSERT INTO t VALUES " + ", ".join(["('a, (SELECT', \"x\")"] * 500),
    ],
)
def test_what_people_write_is_not(statement: str) -> None:
    assert not is_explosive(statement)
