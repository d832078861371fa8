"""SHOW, DESCRIBE and EXPLAIN."""

from __future__ import annotations

import datetime

import pytest
from sandbox_helpers import TASK, column, error, rows

from envs.dbbench.sandbox import Sandbox


def test_the_status_of_a_table_counts_its_rows() -> None:
    ((name, engine, *_, made, changed, _, collation, _, _, _),) = rows("SHOW TABLE STATUS LIKE 'clu%'")
    assert (name, engine, collation) == ("Clubs", "InnoDB", "utf8mb4_0900_ai_ci")
    assert isinstance(made, datetime.datetime)
    assert isinstance(changed, datetime.datetime)
    with Sandbox(TASK) as db:
        db.execute("DELETE FROM Clubs LIMIT 1")
        found = db.execute("SHOW TABLE STATUS WHERE Name = 'Clubs'").rows[0]
        assert found[4:7] == (2, 8192, 16384)
        db.execute("DELETE FROM Clubs")
        assert db.execute("SHOW TABLE STATUS WHERE Name = 'Clubs'").rows[0][4:7] == (0, 0, 16384)


def test_where_takes_any_condition_on_the_columns_of_the_answer() -> None:
    assert column("SHOW COLUMNS FROM Players WHERE CHAR_LENGTH(Field) > 5 OR Field = 'note'") == ["Height (m)", "Note"]
    assert rows("SHOW TABLES WHERE Tables_in_dbbx LIKE 'c%' AND NOT 0") == [("Clubs",)]
    assert error("SHOW TABLES WHERE Name = 'x'") == "1054 (42S22): Unknown column 'Name' in 'where clause'"


def test_variables_are_shown_with_the_sessions_values() -> None:
    assert rows("SHOW VARIABLES LIKE 'autocommit'") == [("autocommit", "ON")]
    assert column("SHOW VARIABLES WHERE Variable_name LIKE 'collation%'") == [
        "collation_connection",
        "collation_database",
        "collation_server",
    ]
    with Sandbox(TASK) as db:
        assert db.execute("SHOW VARIABLES LIKE 'sql_notes'").rows == [("sql_notes", "ON")]
        db.execute("SET sql_notes = OFF")
        assert db.execute("SHOW VARIABLES LIKE 'sql_notes'").rows == [("sql_notes", "OFF")]
        assert db.execute("SHOW GLOBAL VARIABLES LIKE 'sql_notes'").rows == [("sql_notes", "ON")]
    assert rows("SHOW VARIABLES LIKE 'no_such_variable'") == []


def test_the_last_error_is_shown_until_the_next_statement() -> None:
    with Sandbox(TASK) as db:
        db.execute("SELECT * FROM nowhere")
        missing = ("Error", 1146, "Table 'dbbx.nowhere' doesn't exist")
        assert db.execute("SHOW WARNINGS").rows == [missing]
        assert db.execute("SHOW ERRORS LIMIT 1").rows == [missing]
        assert db.execute("SHOW COUNT(*) ERRORS").rows == [(1,)]
        db.execute("SELECT 1")
        assert db.execute("SHOW WARNINGS").rows == []


def test_the_server_lists_what_it_has() -> None:
    assert ("InnoDB", "DEFAULT") in [row[:2] for row in rows("SHOW ENGINES")]
    assert len(rows("SHOW CHARACTER SET")) == 41
    assert rows("SHOW CHARSET LIKE 'utf8mb4'") == [("utf8mb4", "UTF-8 Unicode", "utf8mb4_0900_ai_ci", 4)]
    assert rows("SHOW COLLATION LIKE 'utf8mb4_bin'") == [("utf8mb4_bin", "utf8mb4", 46, "", "Yes", 1, "PAD SPACE")]
    assert column("SHOW DATABASES") == ["dbbx", "information_schema", "performance_schema"]
    assert column("SHOW SCHEMAS LIKE 'db%'") == ["dbbx"]
    assert rows("SHOW GRANTS") == rows("SHOW GRANTS FOR CURRENT_USER()")


def test_a_scan_of_a_whole_table_is_explained_by_its_rows() -> None:
    assert rows("EXPLAIN SELECT Team FROM Clubs c") == [("-> Table scan on c  (cost=0.55 rows=3)\n",)]
    assert rows("EXPLAIN Clubs") == rows("DESCRIBE Clubs")
    assert error("EXPLAIN SELECT nothing FROM Clubs") == "1054 (42S22): Unknown column 'nothing' in 'field list'"


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        ("SHOW EVENTS", "1044 (42000): Access denied for user 'agent'@'localhost' to database 'dbbx'"),
        ("SHOW TABLES FROM mysql", "1044 (42000): Access denied for user 'agent'@'localhost' to database 'mysql'"),
        (
            "SHOW ENGINE INNODB STATUS",
            "1227 (42000): Access denied; you need (at least one of) the PROCESS privilege(s) for this operation",
        ),
        ("SHOW CREATE PROCEDURE p", "1305 (42000): PROCEDURE p does not exist"),
        ("SHOW CREATE VIEW Clubs", "1347 (HY000): 'dbbx.Clubs' is not VIEW"),
    ],
)
def test_refused_lists_have_mysqls_number_and_text(sql: str, refusal: str) -> None:
    assert error(sql) == refusal
