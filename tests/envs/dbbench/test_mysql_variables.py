"""User variables, system variables and what a session remembers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sandbox_helpers import TASK, column, error, one, rows

from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.session import MAX_VARIABLES, Session
from envs.dbbench.mysql.types import INT, TEXT
from envs.dbbench.sandbox import Sandbox


def session(*statements: str) -> list[Any]:
    """What each statement of one session answers: its rows, or its error."""
    with Sandbox(TASK) as db:
        return [reply.rows if (reply := db.execute(sql)).error is None else reply.error for sql in statements]


def test_a_variable_keeps_value_and_type() -> None:
    found = session("SET @i = 5, @d := 1.50, @r = 2e0, @t = 'x', @n = NULL", "SELECT @i, @d, @r, @T, @n, @i / 2")
    assert found == [[], [(5, Decimal("1.50"), 2.0, "x", None, Decimal("2.5000"))]]
    assert [type(cell) for cell in found[1][0]] == [int, Decimal, float, str, type(None), Decimal]


def test_a_variable_before_its_first_assignment_is_null_and_a_binary_string() -> None:
    assert rows("SELECT @new, COALESCE(@new, 'x'), @new + 1") == [(None, b"x", None)]


def test_variables_number_rows() -> None:
    counted = "SELECT @n := @n + 1 AS place, Team FROM Clubs, (SELECT @n := 0) start"
    assert rows(counted) == [(1.0, "Ajax"), (2.0, "FC Porto"), (3.0, "Unknown")]
    found = session("SET @n = 10", "SELECT @n := @n + 1, Team FROM Clubs ORDER BY Team DESC", "SELECT @n")
    assert found[1:] == [[(11, "Unknown"), (12, "FC Porto"), (13, "Ajax")], [(13,)]]


def test_select_into_takes_exactly_one_row() -> None:
    found = session(
        "SELECT COUNT(*), MAX(City) INTO @count, @city FROM Clubs",
        "SELECT @count, @city",
        "SELECT Team FROM Clubs WHERE 0 INTO @count",
        "SELECT Team INTO @count FROM Clubs",
        "SELECT 1, 2 INTO @count",
        "SELECT @count",
    )
    assert found == [
        [],
        [(3, "Porto")],
        [],
        "1172 (42000): Result consisted of more than one row",
        "1222 (21000): The used SELECT statements have a different number of columns",
        [(3,)],
    ]


def test_variables_take_part_in_changes() -> None:
    found = session("SET @team = 'ajax'", "UPDATE Clubs SET City = @c := 'x' WHERE Team = @team", "SELECT @c")
    assert found[2] == [("x",)]
    found = session("SET @team = 'ajax'", "DELETE FROM Clubs WHERE Team = @team", "SELECT COUNT(*) FROM Clubs")
    assert found[2] == [(2,)]


def test_nothing_of_a_session_reaches_the_next_episode() -> None:
    with Sandbox(TASK) as db:
        db.execute("SET @a = 1, sql_mode = ''")
        db.reset()
        assert db.execute("SELECT @a, @@sql_mode = ''").rows == [(None, 0)]
    assert one("@a") is None


def test_a_session_holds_a_bounded_number_of_variables_and_characters() -> None:
    kept = Session()
    for i in range(MAX_VARIABLES):
        kept.assign(f"v{i}", INT, i)
    with pytest.raises(MySQLError):
        kept.assign("one more", INT, 1)
    for i in range(8):
        kept.assign(f"v{i}", TEXT, "x" * 999_999)
    with pytest.raises(MySQLError):
        kept.assign("v9", TEXT, "x" * 999_999)
    kept.assign("v7", TEXT, "y" * 999_999)


def test_system_variables_have_a_fresh_servers_values() -> None:
    assert rows("SELECT @@autocommit, @@global.max_connections, @@SESSION.sql_safe_updates, @@version_compile_os") == [
        (1, 151, 0, "Linux")
    ]
    assert "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES" in one("@@sql_mode")


def test_the_sql_mode_decides_on_bare_columns() -> None:
    query = "SELECT Name, MAX(Goals) FROM Players"
    assert session(query, "SET SESSION sql_mode = ''", query, "SET sql_mode = DEFAULT", query)[1:4] == [
        [],
        [("José", "7")],
        [],
    ]
    trimmed = "SET sql_mode = (SELECT REPLACE(@@sql_mode, 'ONLY_FULL_GROUP_BY', ''))"
    assert session(trimmed, query) == [[], [("José", "7")]]


def test_group_concat_is_as_long_as_its_setting() -> None:
    query = "SELECT LENGTH(GROUP_CONCAT(REPEAT(Name, 200))) FROM Players"
    assert session(query, "SET group_concat_max_len = 2000", query) == [[(1024,)], [], [(2000,)]]


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        ("SELECT @@nosuch", "1193 (HY000): Unknown system variable 'nosuch'"),
        ("SET nosuch = 1", "1193 (HY000): Unknown system variable 'nosuch'"),
        (
            "SET GLOBAL sql_mode = ''",
            "1227 (42000): Access denied; you need (at least one of) the SUPER or SYSTEM_VARIABLES_ADMIN privilege(s) "
            "for this operation",
        ),
        (
            "SET max_connections = 9",
            "1229 (HY000): Variable 'max_connections' is a GLOBAL variable and should be set with SET GLOBAL",
        ),
        ("SET version = '5'", "1238 (HY000): Variable 'version' is a read only variable"),
        ("SET sql_mode = 'FAST'", "1231 (42000): Variable 'sql_mode' can't be set to the value of 'FAST'"),
        ("SET foreign_key_checks = 7", "1231 (42000): Variable 'foreign_key_checks' can't be set to the value of '7'"),
        ("SET group_concat_max_len = 'x'", "1232 (42000): Incorrect argument type to variable 'group_concat_max_len'"),
        ("SET NAMES klingon", "1115 (42000): Unknown character set: 'klingon'"),
        ("SELECT 1 INTO x", "1327 (42000): Undeclared variable: x"),
    ],
)
def test_refused_variables_have_mysqls_number_and_text(sql: str, refusal: str) -> None:
    assert error(sql) == refusal


def test_a_refused_setting_leaves_all_variables_of_the_statement_as_they_were() -> None:
    assert session("SET @a = 1, sql_mode = 'FAST'", "SELECT @a")[1] == [(None,)]


def test_a_longer_time_limit_does_not_lengthen_the_sandboxs() -> None:
    with Sandbox(TASK, deadline=0.05) as db:
        assert db.execute("SET SESSION max_execution_time = 0").error is None
        reply = db.execute("SELECT COUNT(*) FROM " + ", ".join(f"Players p{i}" for i in range(12)))
        assert (reply.error or "").startswith("3024")


def test_row_count_and_found_rows_tell_of_the_statement_before() -> None:
    asked = "SELECT ROW_COUNT(), FOUND_ROWS()"
    assert session(asked) == [[(0, 0)]]
    assert session("SELECT * FROM Clubs", asked)[1] == [(-1, 3)]
    assert session("UPDATE Clubs SET City = 'x' WHERE City > ''", asked)[1] == [(2, 0)]
    assert session("INSERT INTO Clubs (Team) VALUES (1), (2), (3)", "SELECT ROW_COUNT()")[1] == [(3,)]
    assert session("SELECT nothing", "SELECT ROW_COUNT()")[1] == [(-1,)]
    assert session("UPDATE Clubs SET City = City", "SELECT ROW_COUNT()")[1] == [(0,)]


def test_an_assignment_in_where_is_made_row_by_row() -> None:
    assert session("SET @n = 0", "SELECT Team FROM Clubs WHERE (@n := @n + 1) <> 2")[1] == [("Ajax",), ("Unknown",)]


def test_names_of_variables_may_be_quoted_or_reserved_words() -> None:
    assert session("SET @`a b` = 1, @'rank' = 2", "SELECT @'a b', @rank")[1] == [(1, 2)]
    assert column("SELECT @@`sql_auto_is_null`") == [0]


def test_a_statement_is_prepared_from_a_variable_and_run_with_parameters() -> None:
    text = "SET @sql = CONCAT('SELECT Team FROM Clubs WHERE Team ', '= ? OR City = ? -- ?')"
    found = session(
        text,
        "PREPARE s FROM @sql",
        "SET @a = 'ajax', @b = 'Porto'",
        "EXECUTE s USING @a, @b",
        "EXECUTE s USING @a",
        "DEALLOCATE PREPARE s",
        "EXECUTE s",
    )
    assert found[1:4] == [[], [], [("Ajax",), ("FC Porto",)]]
    assert found[4] == "1210 (HY000): Incorrect arguments to EXECUTE"
    assert found[6] == "1243 (HY000): Unknown prepared statement handler (s) given to EXECUTE"
    assert session("PREPARE s FROM @nothing")[0].startswith("1064 (42000)")
    assert session("PREPARE s FROM 'SELECT nosuch FROM Clubs'")[0].startswith("1054 (42S22)")


@pytest.mark.parametrize(
    ("name", "default", "other"),
    [
        ("sql_safe_updates", "0", "1"),
        ("sql_select_limit", "DEFAULT", "1"),
        ("transaction_read_only", "OFF", "ON"),
        ("div_precision_increment", "4", "8"),
        ("time_zone", "'SYSTEM'", "'+05:00'"),
        ("cte_max_recursion_depth", "1000", "5"),
    ],
)
def test_a_setting_without_its_effect_is_our_own_limit(name: str, default: str, other: str) -> None:
    with Sandbox(TASK) as db:
        assert db.execute(f"SET {name} = {default}").error is None
        before = db.execute(f"SELECT @@{name}").rows
        assert db.execute(f"SET {name} = {other}").unsupported
        assert db.execute(f"SELECT @@{name}").rows == before


def test_a_session_of_read_only_transactions_is_our_own_limit() -> None:
    with Sandbox(TASK) as db:
        assert db.execute("SET SESSION TRANSACTION READ ONLY").unsupported
        assert db.execute("SET TRANSACTION READ WRITE, ISOLATION LEVEL READ COMMITTED").error is None
