"""Strict mode: what MySQL only warns of in a query is an error in a change, and undoes it."""

from __future__ import annotations

import pytest
from sandbox_helpers import TASK, after, error, one, rows

from envs.dbbench.sandbox import Sandbox

REFUSED = [
    ("CAST(Fee AS SIGNED)", "1292 (22007): Truncated incorrect INTEGER value: '1,234.50'"),
    ("CAST(Note AS UNSIGNED)", "1292 (22007): Truncated incorrect INTEGER value: 'captain'"),
    ("CONVERT(`Height (m)`, SIGNED)", "1292 (22007): Truncated incorrect INTEGER value: '1.85'"),
    ("CAST('8 ' AS SIGNED)", "1292 (22007): Truncated incorrect INTEGER value: '8 '"),
    ("CAST('' AS SIGNED)", "1292 (22007): Truncated incorrect INTEGER value: ''"),
    ("CAST(Name AS DECIMAL(10, 2))", "1366 (HY000): Incorrect DECIMAL value: '0' for column '' at row -1"),
    ("CAST('x' AS DECIMAL(10, 2))", "1292 (22007): Truncated incorrect DECIMAL value: 'x'"),
    ("CAST(1000 AS DECIMAL(4, 2))", "1264 (22003): Out of range value for column 'cast' at row 1"),
    ("CAST(Name AS CHAR(2))", "1292 (22007): Truncated incorrect CHAR(2) value: 'José'"),
    ("CAST(Name AS BINARY(2))", "1292 (22007): Truncated incorrect BINARY(2) value: 'José'"),
    ("UNHEX(Note)", "1411 (HY000): Incorrect string value: ''captain'' for function unhex"),
    ("INET_ATON(Name)", "1411 (HY000): Incorrect string value: ''José'' for function inet_aton"),
    ("INET6_ATON(Name)", "1411 (HY000): Incorrect string value: ''José'' for function inet6_aton"),
    ("CAST('1800' AS YEAR)", "1292 (22007): Truncated incorrect YEAR value: '1800'"),
    ("Fee DIV 2", "1366 (HY000): Incorrect DECIMAL value: '0' for column '' at row -1"),
    ("1 / 0", "1365 (22012): Division by 0"),
    ("Goals / 0", "1365 (22012): Division by 0"),
    ("1 / (Goals - 12)", "1365 (22012): Division by 0"),
    ("7 DIV 0", "1365 (22012): Division by 0"),
    ("7 % 0", "1365 (22012): Division by 0"),
    ("MOD(Goals, 0)", "1365 (22012): Division by 0"),
    ("MOD(7.5, 0)", "1365 (22012): Division by 0"),
    ("'seven' + 1", "1292 (22007): Truncated incorrect DOUBLE value: 'seven'"),
    ("'7 goals' * 2", "1292 (22007): Truncated incorrect DOUBLE value: '7 goals'"),
    ("'a' AND Team = 'Ajax'", "1292 (22007): Truncated incorrect DOUBLE value: 'a'"),
    ("ROUND('x')", "1292 (22007): Truncated incorrect DOUBLE value: 'x'"),
    ("LEFT(Name, 'two')", "1292 (22007): Truncated incorrect INTEGER value: 'two'"),
    ("CONV(Note, 10, 2)", "1292 (22007): Truncated incorrect DECIMAL value: 'captain'"),
    ("BIN(Note)", "1292 (22007): Truncated incorrect DECIMAL value: 'captain'"),
    ("SEC_TO_TIME(Note)", "1366 (HY000): Incorrect DECIMAL value: '0' for column '' at row -1"),
    ("FROM_UNIXTIME(Note)", "1366 (HY000): Incorrect DECIMAL value: '0' for column '' at row -1"),
    ("(SELECT GROUP_CONCAT(REPEAT(City, 200)) FROM Clubs)", "1260 (HY000): Row 1 was cut by GROUP_CONCAT()"),
    ("MAKETIME(1, 2, 'x')", "1292 (22007): Truncated incorrect DECIMAL value: 'x'"),
    ("TIMESTAMP(Name)", "1292 (22007): Incorrect datetime value: 'José'"),
    ("LN(0)", "3020 (2201E): Invalid argument for logarithm"),
    ("LOG(1, 5)", "3020 (2201E): Invalid argument for logarithm"),
    ("YEAR(Born)", "1292 (22007): Truncated incorrect date value: '12 May 1991'"),
    ("DATE('2021-02-29')", "1292 (22007): Truncated incorrect date value: '2021-02-29'"),
    ("DATE('0000-00-00')", "1292 (22007): Truncated incorrect date value: '0000-00-00'"),
    ("DATE('2021-03-00')", "1292 (22007): Truncated incorrect date value: '2021-03-00'"),
    ("DATE('2021-03-01 noon')", "1292 (22007): Truncated incorrect date value: '2021-03-01 noon'"),
    ("CAST(Name AS DATE)", "1292 (22007): Truncated incorrect date value: 'José'"),
    ("CAST(Name AS DATETIME)", "1292 (22007): Incorrect datetime value: 'José'"),
    ("CAST(Name AS TIME)", "1292 (22007): Truncated incorrect time value: 'José'"),
    ("MONTHNAME(Team)", "1292 (22007): Truncated incorrect date value: 'Real Madrid'"),
    ("DAYOFWEEK(Goals)", "1292 (22007): Truncated incorrect date value: '12'"),
    ("LAST_DAY(Name)", "1292 (22007): Truncated incorrect date value: 'José'"),
    ("WEEK(Name, 1)", "1292 (22007): Truncated incorrect date value: 'José'"),
    ("TO_DAYS('x')", "1292 (22007): Truncated incorrect date value: 'x'"),
    ("DATEDIFF(Born, '1990-01-01')", "1292 (22007): Truncated incorrect date value: '12 May 1991'"),
    ("DATE_FORMAT(Born, '%Y')", "1292 (22007): Incorrect datetime value: '12 May 1991'"),
    ("TIMESTAMPDIFF(YEAR, Born, '2020-01-01')", "1292 (22007): Incorrect datetime value: '12 May 1991'"),
    ("DATE_ADD(Born, INTERVAL 1 DAY)", "1292 (22007): Incorrect datetime value: '12 May 1991'"),
    ("DATE_ADD('9999-12-31', INTERVAL 1 DAY)", "1441 (22008): Datetime function: datetime field overflow"),
    ("NOW() + INTERVAL 'two' DAY", "1292 (22007): Truncated incorrect INTEGER value: 'two'"),
    ("NOW() + INTERVAL Note SECOND", "1366 (HY000): Incorrect DECIMAL value: '0' for column '' at row -1"),
    ("HOUR(Name)", "1292 (22007): Truncated incorrect time value: 'José'"),
    ("TIME_TO_SEC('10:99:00')", "1292 (22007): Truncated incorrect time value: '10:99:00'"),
    ("EXTRACT(MINUTE FROM Name)", "1292 (22007): Truncated incorrect time value: 'José'"),
    ("STR_TO_DATE(Born, '%Y-%m-%d')", "1411 (HY000): Incorrect datetime value: '12 May 1991' for function str_to_date"),
    ("STR_TO_DATE('31.04.2021', '%d.%m.%Y')",
     "1411 (HY000): Incorrect datetime value: '31.04.2021' for function str_to_date"),
    ("STR_TO_DATE('2021', '%Y')", "1411 (HY000): Incorrect datetime value: '2021' for function str_to_date"),
    ("STR_TO_DATE('', '%Y')", "1411 (HY000): Incorrect datetime value: '' for function str_to_date"),
    ("STR_TO_DATE('2021-03-04!', '%Y-%m-%d')", "1292 (22007): Truncated incorrect date value: '2021-03-04!'"),
    ("Born > DATE '1990-01-01'", "1292 (22007): Truncated incorrect date value: '12 May 1991'"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "refusal"), REFUSED)
def test_a_change_is_refused_where_a_query_only_warns(expression: str, refusal: str) -> None:
    rows(f"SELECT {expression} FROM Players")
    with Sandbox(TASK) as db:
        before = db.table_hash()
        for change in (
            f"UPDATE Players SET Note = {expression}",
            f"DELETE FROM Players WHERE ({expression}) IS NULL OR 1",
            f"INSERT INTO Players (Note) SELECT {expression} FROM Players",
        ):
            assert db.execute(change).error == refusal, change
            assert db.table_hash() == before


@pytest.mark.parametrize(
    "expression",
    [
        "Fee + 0", "Note * 1", "-Fee", "Fee / 2", "Fee % 2", "ROUND(Fee, 1)", "CAST(Fee AS DOUBLE)", "Fee AND 1",
        "REPLACE(Fee, '%', '') + 0", "CAST('7 goals' AS DECIMAL)", "CAST(' 7' AS SIGNED)", "CAST('-7' AS SIGNED)",
        "' 7 ' + 1", "NULL / 0", "NULL % 0", "CAST(NULL AS SIGNED)", "STR_TO_DATE(NULL, '%Y')", "MAKEDATE(2021, 0)",
        "YEAR('2021-00-00')", "DATE('2021-03-04 10:20')", "SQRT(-1)", "STR_TO_DATE('4.3.21', '%d.%m.%y')",
        "CURDATE() + INTERVAL Note DAY", "IF(0, 1 / 0, 2)", "CASE WHEN 1 THEN 1 ELSE CAST('x' AS SIGNED) END",
        "Note > 5", "CONV('7 goals', 10, 2)",
    ],
)  # fmt: skip
def test_a_change_may_do_what_mysql_does_not_warn_of(expression: str) -> None:
    after(f"UPDATE Players SET Note = {expression}")


def test_only_rows_that_are_looked_at_count() -> None:
    after("UPDATE Players SET Note = YEAR(Born) WHERE Name = 'Zoë'")
    after("UPDATE Players SET Note = 1 / 0 WHERE Name = 'nobody' AND Goals > 1")
    after("DELETE FROM Players WHERE Name = 'nobody' AND YEAR(Born) = 2000")


def test_ignore_makes_warnings_of_errors() -> None:
    found = after(
        "UPDATE IGNORE Players SET Note = CAST(Goals AS SIGNED) / 0", query="SELECT DISTINCT Note FROM Players"
    )
    assert found == [(None,)]
    assert len(after("INSERT IGNORE INTO Players (Name) VALUES (CAST('x' AS SIGNED))")) == 7
    assert len(after("DELETE IGNORE FROM Players WHERE YEAR(Born) = 1990")) == 5


def test_a_refused_insert_of_several_rows_inserts_none() -> None:
    with Sandbox(TASK) as db:
        reply = db.execute("INSERT INTO Clubs (Team) VALUES ('new'), (1 DIV 0), ('newer')")
        assert reply.error == "1365 (22012): Division by 0"
        assert db.execute("SELECT COUNT(*) FROM Clubs").rows == [(3,)]


def test_changes_of_several_tables_are_refused_as_a_whole() -> None:
    with Sandbox(TASK) as db:
        before = db.table_hash()
        joined = "Players p JOIN Clubs c ON p.Team = c.Team"
        for change in (
            f"UPDATE {joined} SET c.City = 'x', p.Note = CAST(p.Fee AS SIGNED)",
            f"UPDATE {joined} SET p.Note = 'x' WHERE YEAR(p.Born) > 0 OR p.Goals / 0",
            f"DELETE p, c FROM {joined} WHERE YEAR(p.Born) > 0",
            "INSERT INTO Clubs SET Team = 'x', City = 1 / 0",
            "REPLACE INTO Clubs (Team) VALUES ('x' + 1)",
        ):
            assert db.execute(change).error is not None, change
            assert db.table_hash() == before


def test_without_its_sql_mode_a_change_only_warns() -> None:
    found = after("SET sql_mode = ''", "UPDATE Clubs SET City = CAST(Team AS SIGNED)", query="SELECT City FROM Clubs")
    assert found == [("0",), ("0",), ("0",)]


def test_queries_after_a_change_warn_only() -> None:
    with Sandbox(TASK) as db:
        assert db.execute("UPDATE Clubs SET City = 1 / 0").error is not None
        assert db.execute("SELECT 1 / 0, CAST('x' AS SIGNED)").rows == [(None, 0)]


def test_literals_that_are_no_dates_are_refused_everywhere() -> None:
    assert error("SELECT DATE '2021-02-30'") == "1525 (HY000): Incorrect DATE value: '2021-02-30'"
    assert error("SELECT DATE '2021-03-01 10:00:00'") == "1525 (HY000): Incorrect DATE value: '2021-03-01 10:00:00'"
    assert error("SELECT TIMESTAMP '2021-03-01'") == "1525 (HY000): Incorrect DATETIME value: '2021-03-01'"
    assert error("SELECT TIME '10'") == "1525 (HY000): Incorrect TIME value: '10'"
    assert one("TIME '10:20'").total_seconds() == 37_200
