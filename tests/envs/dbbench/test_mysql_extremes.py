"""Numbers of thousands of digits, and other values at the ends of what MySQL reads: no failure of the layer's own."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sandbox_helpers import TASK

from envs.dbbench.sandbox import Sandbox

NINES = "9" * 5000
LARGEST = Decimal("9" * 65)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (NINES, LARGEST),
        (f"0 - {NINES}", Decimal(f"-{LARGEST}")),
        ("(SELECT COUNT(*) FROM Clubs GROUP BY COERCIBILITY(1))", 3),
        ("(SELECT Team FROM Clubs ORDER BY COERCIBILITY(1) LIMIT 1)", "Ajax"),
        (f"CAST('{NINES}' AS DECIMAL(65))", LARGEST),
        ("CAST('1e99999999999999999999' AS DECIMAL(10,2))", Decimal("99999999.99")),
        ("CAST('-1e99999999999999999999' AS DECIMAL(10,2))", Decimal("-99999999.99")),
        ("CAST('1e-99999999999999999999' AS DECIMAL(10,2))", Decimal("0.00")),
        (f"SUBSTRING('abc', '{NINES}')", ""),
        (f"DATE_ADD('2020-01-01', INTERVAL {NINES} DAY)", None),
        (f"DATE_ADD('2020-01-01', INTERVAL '{NINES}:1' MINUTE_SECOND)", None),
        (f"YEAR('2020-{'0' * 5000}1-1')", 2020),
        ("INET_ATON('²')", None),
        (f"INET_ATON('1.1.1.{'0' * 5000}')", 2**24 + 2**16 + 2**8),
        ("JSON_VALID(CONCAT('[', REPEAT('1', 400), ']'))", 0),
        (f"{'1' * 40} + 1", Decimal("1" * 39 + "2")),
        (f"(SELECT SUM({'1' * 40}) FROM Clubs)", Decimal("3" * 40)),
        (f"(SELECT COUNT(DISTINCT n) FROM (SELECT {'1' * 40} AS n UNION SELECT {'1' * 39 + '2'}) AS d)", 2),
        (f"(SELECT MAX(n) FROM (SELECT {'1' * 40} AS n UNION ALL SELECT {'1' * 39 + '2'} ORDER BY n LIMIT 1) AS d)",
         Decimal("1" * 40)),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_values(expression: str, value: object) -> None:
    with Sandbox(TASK) as db:
        reply = db.execute(f"SELECT {expression}")
    assert reply.error is None
    assert reply.rows == [(value,)]


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        (f"SELECT {'9' * 80} * {'9' * 80}", "1690"),
        (f"SELECT CAST(1 AS CHAR({NINES}))", "1439"),
        (f"SELECT CAST(1 AS BINARY({NINES}))", "1439"),
        (f"SELECT CHAR({NINES})", "1690"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_refusals(sql: str, number: str) -> None:
    with Sandbox(TASK) as db:
        error = db.execute(sql).error
    assert error is not None
    assert error.startswith(number)


def test_settings_beyond_sqlites_integers() -> None:
    with Sandbox(TASK) as db:
        for value in ("DEFAULT", "18446744073709551615", "~0", "@@max_join_size"):
            assert db.execute(f"SET max_join_size = {value}").error is None
            assert db.execute("SELECT @@max_join_size").rows == [(2**64 - 1,)]
            assert db.execute("SHOW VARIABLES LIKE 'max_join_size'").rows == [("max_join_size", str(2**64 - 1))]


def test_groups_by_a_column_of_an_outer_query() -> None:
    with Sandbox(TASK) as db:
        assert db.execute("SELECT (SELECT c.Team GROUP BY c.Team) FROM Clubs c").rows == [
            ("Ajax",), ("FC Porto",), ("Unknown",),
        ]  # fmt: skip
        counted = "SELECT (SELECT COUNT(*) FROM Players p WHERE p.Team = c.Team GROUP BY c.Team) FROM Clubs c"
        assert db.execute(counted).rows == [(2,), (2,), (None,)]
        both = "SELECT (SELECT 1 FROM Players p GROUP BY CONCAT(p.Team, c.Team) LIMIT 1) FROM Clubs c"
        assert db.execute(both).unsupported
        before = db.state()
        assert db.execute("DELETE FROM Clubs WHERE (SELECT 0 FROM Players p GROUP BY Clubs.Team LIMIT 1)").error is None
        assert db.state() == before


def test_orders_by_a_column_of_an_outer_query() -> None:
    with Sandbox(TASK) as db:
        assert db.execute("SELECT (SELECT c.Team ORDER BY c.Team LIMIT 1) FROM Clubs c").rows[0] == ("Ajax",)
        derived = "SELECT (SELECT n FROM (SELECT 2 AS n UNION SELECT 1) d ORDER BY {} LIMIT 1) FROM Clubs c LIMIT 1"
        assert db.execute(derived.format("c.Team, n")).rows == [(1,)]
        assert db.execute(derived.format("CONCAT(c.Team, n)")).unsupported


def test_subqueries_of_several_columns() -> None:
    with Sandbox(TASK) as db:
        for sql in ("(SELECT 1, 2) IN (SELECT 1, 2)", "(SELECT 1, 2) > ALL (SELECT 1, 2 UNION SELECT 3, 4)"):
            assert db.execute(f"SELECT {sql}").unsupported
        assert db.execute("SELECT (1, 2) IN (SELECT 1, 2)").rows == [(1,)]
