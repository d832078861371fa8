"""Transactions, prepared statements and other commands of the MySQL layer, and text that is no statement."""

from __future__ import annotations

import pytest
from sandbox_helpers import TASK, error, rows

from envs.dbbench import transactions
from envs.dbbench.sandbox import Sandbox

CLUBS = "SELECT Team FROM Clubs"
ALL = [("Ajax",), ("FC Porto",), ("Unknown",)]


def session(*statements: str) -> list[tuple[object, ...]]:
    """The clubs after statements of one session, none of which may fail."""
    with Sandbox(TASK) as db:
        for statement in statements:
            reply = db.execute(statement)
            assert (reply.error, reply.rows) == (None, []), reply.text
        return db.execute(CLUBS).rows


DELETE = "DELETE FROM Clubs WHERE Team = '{}'"
AJAX, PORTO, UNKNOWN = (DELETE.format(team) for team in ("Ajax", "FC Porto", "Unknown"))


@pytest.mark.parametrize(
    ("statements", "left"),
    [
        (("BEGIN", AJAX, "ROLLBACK"), ALL),
        (("start transaction read write", AJAX, "COMMIT WORK", "ROLLBACK"), ALL[1:]),
        (("BEGIN WORK", AJAX, "BEGIN", PORTO, "ROLLBACK"), ALL[1:]),
        ((AJAX, "ROLLBACK"), ALL[1:]),
        (("BEGIN", AJAX, "ROLLBACK AND CHAIN", PORTO, "ROLLBACK"), ALL),
        (("BEGIN", AJAX, "COMMIT AND CHAIN NO RELEASE", PORTO, "ROLLBACK"), ALL[1:]),
        (("BEGIN", AJAX, "SAVEPOINT a", PORTO, "ROLLBACK TO a", "COMMIT"), ALL[1:]),
        (("BEGIN", "SAVEPOINT a", AJAX, "SAVEPOINT b", PORTO, "ROLLBACK WORK TO SAVEPOINT A"), ALL),
        (("BEGIN", "SAVEPOINT a", AJAX, "ROLLBACK TO a", PORTO, "ROLLBACK TO a", UNKNOWN, "COMMIT"), ALL[:2]),
        (("BEGIN", "SAVEPOINT a", AJAX, "SAVEPOINT a", PORTO, "ROLLBACK TO a"), ALL[1:]),
        (("BEGIN", "SAVEPOINT a", AJAX, "RELEASE SAVEPOINT a", "ROLLBACK"), ALL),
        (("SET autocommit = 0", AJAX, "ROLLBACK"), ALL),
        (("SET autocommit = 0", AJAX, "COMMIT", PORTO, "ROLLBACK"), ALL[1:]),
        (("SET autocommit = 0", AJAX, "SET autocommit = 1", "ROLLBACK"), ALL[1:]),
        (("SET autocommit = 0", AJAX, "SET autocommit = 0", "ROLLBACK"), ALL),
        (("BEGIN", AJAX, "SET autocommit = 1", "ROLLBACK"), ALL),
        (("BEGIN", AJAX, "SET autocommit = 0", "ROLLBACK"), ALL),
        (("SET autocommit = 0", AJAX, "SAVEPOINT a", PORTO, "ROLLBACK TO a", "ROLLBACK"), ALL),
        (("BEGIN", AJAX, "UNLOCK TABLES", "ROLLBACK"), ALL),
    ],
)
def test_a_transaction_goes_back_to_its_start_or_to_a_savepoint(statements: tuple[str, ...], left: object) -> None:
    assert session(*statements) == left


@pytest.mark.parametrize("refused", ["DROP TABLE Clubs", "TRUNCATE Clubs", "CREATE TABLE x (a INT)", "FLUSH TABLES"])
def test_a_refused_definition_has_committed_before(refused: str) -> None:
    with Sandbox(TASK) as db:
        for statement in ("BEGIN", AJAX, refused, "ROLLBACK"):
            reply = db.execute(statement)
            assert (reply.error is not None) == (statement == refused)
        assert db.execute(CLUBS).rows == ALL[1:]


def test_an_error_in_a_statement_leaves_the_transaction_open() -> None:
    with Sandbox(TASK) as db:
        for statement in ("BEGIN", AJAX, "UPDATE Clubs SET City = 1 / 0", "SELECT nosuch FROM Clubs"):
            db.execute(statement)
        assert db.execute(CLUBS).rows == ALL[1:]
        db.execute("ROLLBACK")
        assert db.execute(CLUBS).rows == ALL


def test_savepoints_end_with_their_transaction() -> None:
    for before in (
        ["SAVEPOINT a"],
        ["BEGIN", "SAVEPOINT a", "COMMIT"],
        ["BEGIN", "SAVEPOINT a", "RELEASE SAVEPOINT a"],
    ):
        with Sandbox(TASK) as db:
            for statement in before:
                assert db.execute(statement).error is None
            assert db.execute("ROLLBACK TO a").error == "1305 (42000): SAVEPOINT a does not exist"
            assert db.execute("RELEASE SAVEPOINT a").error == "1305 (42000): SAVEPOINT a does not exist"


def test_a_read_only_transaction_refuses_changes() -> None:
    with Sandbox(TASK) as db:
        db.execute("START TRANSACTION READ ONLY")
        assert db.execute(AJAX).error == "1792 (25006): Cannot execute statement in a READ ONLY transaction."
        db.execute("COMMIT")
        assert db.execute(AJAX).error is None


def test_savepoints_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "MAX_BYTES", 100_000)
    with Sandbox(TASK) as db:
        db.execute("BEGIN")
        errors = [db.execute(f"SAVEPOINT s{i}").error for i in range(100)]
        assert errors[0] is None
        assert (errors[-1] or "").startswith("1197 (HY000)")
        assert db.execute("ROLLBACK TO s1").error is None


def test_nothing_of_a_session_is_left_in_the_next_episode() -> None:
    with Sandbox(TASK) as db:
        for statement in ("PREPARE s FROM 'SELECT 1'", "SET autocommit = 0", AJAX):
            assert db.execute(statement).error is None
        db.reset()
        assert db.execute("EXECUTE s").error is not None
        db.execute(PORTO)
        db.execute("ROLLBACK")
        assert db.execute(CLUBS).rows == [ALL[0], ALL[2]]


def test_prepared_statements_are_kept_by_name() -> None:
    with Sandbox(TASK) as db:
        assert db.execute("EXECUTE s").error == "1243 (HY000): Unknown prepared statement handler (s) given to EXECUTE"
        assert db.execute(f"PREPARE s FROM '{CLUBS}'").error is None
        assert db.execute("EXECUTE S").rows == ALL
        assert db.execute("DEALLOCATE PREPARE s").error is None
        assert (db.execute("DROP PREPARE s").error or "").startswith("1243 (HY000)")
        assert (db.execute("PREPARE s FROM 'SELECT nosuch'").error or "").startswith("1054 (42S22)")
        assert (db.execute("PREPARE s FROM 'EXECUTE s'").error or "").startswith("1295 (HY000)")


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("Start by looking at the table", "by looking at the table"),
        ("Check the table first", "the table first"),
        ("Create a query for it", "a query for it"),
        ("Drop that idea", "that idea"),
        ("Begin with the names", "with the names"),
        ("Commit answer", "answer"),
        ("Use the tool", "tool"),
        ("Help me with this", "with this"),
        ("Get the names", "the names"),
        ("Load the file", "the file"),
        ("Call execute_sql now", "now"),
        ("execute[SELECT 1]", "[SELECT 1]"),
        ("Execute the query", "query"),
        ("Grant me access", "access"),
        ("Lock it", "it"),
        ("Flush it", "it"),
        ("Rename the column", "the column"),
        ("Alter nothing", "nothing"),
        ("Analyze Clubs", "Clubs"),
        ("Prepare a list", "list"),
        ("Release me", "me"),
        ("Reset everything", "everything"),
        ("Stop", ""),
        ("Rollback please", "please"),
        ("Truncate table Clubs now", "now"),
        ("Kill", ""),
        ("BEGIN; SELECT 1", "SELECT 1"),
        ("DROP TABLE Clubs; SELECT 1", "SELECT 1"),
        ("Shutdown now", "now"),
        ("Savepoint", ""),
        ("Handler of files", "of files"),
    ],
)
def test_text_that_begins_like_a_statement_is_a_syntax_error(text: str, near: str) -> None:
    found = error(text)
    assert found.startswith("1064 (42000)")
    assert f"near '{near}' at line 1" in found


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        ("CREATE TEMPORARY TABLE x (a INT)",
         "1044 (42000): Access denied for user 'agent'@'localhost' to database 'dbbx'"),
        ("CREATE DATABASE x", "1044 (42000): Access denied for user 'agent'@'localhost' to database 'x'"),
        ("LOCK TABLES Clubs READ", "1044 (42000): Access denied for user 'agent'@'localhost' to database 'dbbx'"),
        ("USE mysql", "1044 (42000): Access denied for user 'agent'@'localhost' to database 'mysql'"),
        ("CREATE OR REPLACE VIEW v AS SELECT 1",
         "1142 (42000): CREATE VIEW command denied to user 'agent'@'localhost' for table 'v'"),
        ("CREATE UNIQUE INDEX i ON Clubs (Team)",
         "1142 (42000): INDEX command denied to user 'agent'@'localhost' for table 'Clubs'"),
        ("ALTER TABLE Clubs ADD x INT",
         "1142 (42000): ALTER command denied to user 'agent'@'localhost' for table 'Clubs'"),
        ("DROP TABLE IF EXISTS x", "1142 (42000): DROP command denied to user 'agent'@'localhost' for table 'x'"),
        ("CALL p(1, 2)", "1370 (42000): execute command denied to user 'agent'@'localhost' for routine 'dbbx.p'"),
        ("GRANT ALL PRIVILEGES ON *.* TO x",
         "1045 (28000): Access denied for user 'agent'@'localhost' (using password: NO)"),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE Clubs",
         "3948 (42000): Loading local data is disabled; this must be enabled on both the client and server sides"),
    ],
)  # fmt: skip
def test_what_the_account_has_no_right_to_is_refused(sql: str, refusal: str) -> None:
    assert error(sql) == refusal


def test_what_mysql_does_and_the_sandbox_does_not_is_said_in_words_of_ours() -> None:
    for sql in ("HELP 'select'", "HANDLER Clubs OPEN", "CHECKSUM TABLE Clubs", "USE information_schema"):
        assert error(sql).startswith("Not supported by this sandbox: ")


def test_maintenance_of_tables_answers_rows() -> None:
    assert rows("CHECK TABLE Clubs FAST") == [("dbbx.Clubs", "check", "status", "OK")]
    assert rows("ANALYZE NO_WRITE_TO_BINLOG TABLE Clubs") == [("dbbx.Clubs", "analyze", "status", "OK")]
    assert [row[2] for row in rows("OPTIMIZE TABLE Clubs, nosuch")] == ["note", "status", "Error", "status"]
    assert [row[2] for row in rows("REPAIR TABLE Clubs")] == ["note"]


def test_do_computes_and_returns_nothing() -> None:
    assert rows("DO 1, CONCAT('a', 'b') AS c") == []
    assert error("DO nosuch").startswith("1054 (42S22)")
    assert error("DO 9223372036854775807 + 1").startswith("1690 (22003)")


@pytest.mark.parametrize("comment", ["-- nothing", "# nothing", "/* nothing */ -- more"])
def test_a_comment_alone_is_a_statement_without_an_answer(comment: str) -> None:
    assert rows(comment) == []
