"""The sandbox as a whole: episodes, hashes, transactions, backends."""

from __future__ import annotations

import hashlib
import threading

import pytest
from sandbox_helpers import CLUBS, PLAYERS, TASK

from envs.dbbench.hashing import combined_hash, row_hash, table_hash
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask, Table
from envs.errors import ContractError, TaskError


def test_a_reply_has_rows_and_the_text_that_the_agent_sees() -> None:
    with Sandbox(TASK) as db:
        reply = db.execute("SELECT Name, Goals FROM Players LIMIT 1;")
        assert (reply.rows, reply.error, reply.text) == ([("José", "12")], None, "[('José', '12')]")


def test_an_episode_leaves_nothing_to_the_next() -> None:
    with Sandbox(TASK) as db:
        before = db.table_hash()
        db.execute("DELETE FROM Players")
        db.execute("UPDATE Clubs SET City = 'x'")
        assert db.table_hash() != before
        db.reset()
        assert db.table_hash() == before
    with Sandbox(TASK) as db:
        assert db.table_hash() == before


@pytest.mark.parametrize("dialect", ["mysql", "sqlite"])
@pytest.mark.parametrize(
    "changes",
    [
        ["UPDATE Players SET Goals = NULL WHERE Team = 'Ajax'"],
        ["DELETE FROM Players", "DELETE FROM Clubs", "INSERT INTO Clubs VALUES ('x', 'y')"],
        ["INSERT INTO Players SELECT * FROM Players"] * 14,
        ["SELECT * FROM nowhere", "UPDATE Clubs SET City = City"],
        [],
    ],
)
def test_the_next_episode_finds_the_same_rows_in_the_same_order(dialect: str, changes: list[str]) -> None:
    for _ in range(3):
        with Sandbox(TASK, dialect=dialect) as db:
            assert db.execute("SELECT * FROM Players").rows == list(PLAYERS.rows)
            assert db.execute("SELECT * FROM Clubs").rows == list(CLUBS.rows)
            for change in changes:
                db.execute(change)


def test_a_change_that_is_undone_leaves_the_row_numbers() -> None:
    with Sandbox(TASK, dialect="sqlite") as db:
        db.execute("INSERT INTO Players (rowid, Name) VALUES (9000000000, 'x')")
        db.execute("DELETE FROM Players WHERE Name = 'Anna'")
        db.reset()
        assert db.execute("SELECT rowid FROM Players").rows == [(i + 1,) for i in range(len(PLAYERS.rows))]


@pytest.mark.parametrize("dialect", ["mysql", "sqlite"])
def test_one_connection_serves_tables_of_other_columns(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envs.dbbench.connection.KEPT", 1)
    tasks = [
        DBTask(id=f"unit/{n}", split="test", type="other", tables=(Table("t", names, (names,)),))
        for n, names in enumerate([("a",), ("a", "b", "c"), ("b", "a")])
    ]
    for task in tasks * 3:
        with Sandbox(task, dialect=dialect) as db:
            assert db.execute("SELECT * FROM t").rows == list(task.tables[0].rows)
            db.execute("UPDATE t SET a = 'x'")


def test_sandboxes_do_not_see_each_other() -> None:
    with Sandbox(TASK) as first, Sandbox(TASK) as second:
        first.execute("DELETE FROM Players")
        assert second.execute("SELECT COUNT(*) FROM Players").rows == [(len(PLAYERS.rows),)]


def test_a_sandbox_works_in_another_thread() -> None:
    found = []
    with Sandbox(TASK) as db:
        thread = threading.Thread(target=lambda: found.append(db.execute("SELECT 1").rows))
        thread.start()
        thread.join()
    assert found == [[(1,)]]


def test_a_closed_sandbox_says_so() -> None:
    db = Sandbox(TASK)
    db.close()
    db.close()
    with pytest.raises(ContractError, match="closed"):
        db.execute("SELECT 1")


def test_unknown_backends_and_dialects_name_the_known_ones() -> None:
    with pytest.raises(TaskError, match="sqlite"):
        Sandbox(TASK, backend="oracle://host")
    with pytest.raises(TaskError, match="mysql"):
        Sandbox(TASK, dialect="postgres")


def test_the_plain_dialect_is_sqlite() -> None:
    with Sandbox(TASK, dialect="sqlite") as db:
        assert db.execute("SELECT 7 / 2, 'a' || 'b'").rows == [(3, "ab")]
        assert db.execute('SELECT "Name" FROM "Players" WHERE "Goals" = \'15\'').rows == [("Zoë",)]
        assert db.execute("SELECT name FROM sqlite_master").rows == [("Players",), ("Clubs",)]
        assert [row[1] for row in db.execute("PRAGMA table_info(Clubs)").rows] == ["Team", "City"]
        assert db.execute("DROP TABLE Players").error == "not authorized"
        assert db.execute("SAVEPOINT a").error == "not authorized"
        assert db.execute("SELECT * FROM nosuch").text == "no such table: nosuch"


def test_both_dialects_hash_alike() -> None:
    with Sandbox(TASK) as mysql, Sandbox(TASK, dialect="sqlite") as sqlite:
        assert mysql.table_hash() == sqlite.table_hash()


def test_rollback_takes_back_and_commit_keeps() -> None:
    with Sandbox(TASK) as db:
        clean = db.table_hash()
        db.execute("START TRANSACTION")
        db.execute("DELETE FROM Players")
        db.execute("ROLLBACK")
        assert db.table_hash() == clean
        db.execute("BEGIN")
        db.execute("DELETE FROM Players")
        db.execute("COMMIT")
        db.execute("ROLLBACK")
        assert db.table_hash() != clean


def test_tables_that_mysql_would_not_create_answer_with_its_refusal() -> None:
    task = DBTask(id="unit/1", split="test", type="other", tables=(Table("t", ("a", ""), ()),))
    with Sandbox(task) as db:
        assert db.execute("SELECT * FROM t").error == "1166 (42000): Incorrect column name ''"


def test_the_row_hash_is_five_digits_of_md5_over_cells_without_nulls() -> None:
    assert row_hash(("a", None, "", "b")) == hashlib.md5(b"a,,b").hexdigest()[:5]


def test_the_table_hash_is_md5_over_sorted_row_hashes() -> None:
    rows = [("1", "x"), ("2", None)]
    joined = ",".join(sorted(row_hash(row) for row in rows))
    assert table_hash(rows) == hashlib.md5(joined.encode()).hexdigest() == table_hash(rows[::-1])


def test_the_table_hash_sees_170_rows_as_group_concat_does() -> None:
    hashes = sorted(row_hash((str(i),)) for i in range(300))
    assert table_hash((str(i),) for i in range(300)) == hashlib.md5(",".join(hashes)[:1024].encode()).hexdigest()


def test_several_tables_join_their_sorted_hashes() -> None:
    parts = sorted([table_hash(PLAYERS.rows), table_hash(CLUBS.rows)])
    assert combined_hash([PLAYERS.rows, CLUBS.rows]) == "_".join(parts)


@pytest.mark.parametrize("value", ["CAST(x'ff' AS TEXT)", "x'ff00'", "CAST(x'c328' AS TEXT) || 'é'", "char(0)"])
def test_cells_that_are_no_utf_8_are_read_back_and_are_not_the_tasks(value: str) -> None:
    with Sandbox(TASK, dialect="sqlite") as db:
        clean = db.table_hash()
        db.execute(f"UPDATE Clubs SET City = {value}")
        state = db.state()
        assert state is not None
        assert [len(rows) for rows in state] == [6, 3]
        assert db.table_hash() != clean
        db.execute("SELECT * FROM Clubs")
        db.reset()
        assert db.table_hash() == clean


@pytest.mark.parametrize("dialect", ["mysql", "sqlite"])
def test_a_reply_of_any_size_is_shorter_than_a_host_takes(dialect: str) -> None:
    from rollout.host import MAX_OBSERVATION

    wide = {"mysql": "REPEAT('\U000e0001', 90000)", "sqlite": "replace(hex(zeroblob(9)) || hex(x''), '0', 'x')"}[
        dialect
    ]
    with Sandbox(TASK, dialect=dialect, deadline=20) as db:
        for sql in (
            f"SELECT {wide}, p.*, q.*, {wide} FROM Players p, Players q, Players r",
            "SELECT p.*, q.*, r.*, s.*, u.* FROM Players p, Players q, Players r, Players s, Players u",
            f"SELECT {'x' * 39_000}",
        ):
            reply = db.execute(sql)
            assert len(reply.text) < MAX_OBSERVATION
        assert db.execute("SELECT Name FROM Players").text == str([(row[0],) for row in PLAYERS.rows])


@pytest.mark.parametrize(
    ("sql", "stopped"),
    [
        ("SELECT COUNT(*) FROM Players a, Players b, Players c, Players d, Players e, Players f, Players g, Players h, "
         "Players i, Players j", "time"),
        ("SELECT " + ", ".join(["REPEAT('x', 900000)"] * 10), "size"),
        ("SELECT 1", ""),
        ("SELECT * FROM nowhere", ""),
    ],
)  # fmt: skip
def test_a_reply_says_why_the_sandbox_stopped_a_statement(sql: str, stopped: str) -> None:
    with Sandbox(TASK, deadline=20 if stopped == "size" else 0.3) as db:
        assert db.execute(sql).stopped == stopped


@pytest.mark.parametrize("dialect", ["mysql", "sqlite"])
def test_a_statement_that_fails_half_way_changes_nothing(dialect: str) -> None:
    many = ", ".join(f"Players {name}" for name in "abcdefgh")
    returning = "UPDATE Players SET Goals = '1' RETURNING (SELECT hex(randomblob(9)))"
    failing = {
        "mysql": ["INSERT INTO Clubs SELECT Team, (SELECT Name FROM Players) FROM Players",
                  "UPDATE Players SET Goals = (SELECT Team FROM Clubs WHERE Team < Name)",
                  f"INSERT INTO Players SELECT a.* FROM {many}"],
        "sqlite": [f"INSERT INTO Players SELECT a.* FROM {many}", returning,
                   "UPDATE Players SET Name = CAST(x'ff' AS TEXT) RETURNING Name", "SAVEPOINT x", "RELEASE x"],
    }[dialect]  # fmt: skip
    with Sandbox(TASK, dialect=dialect, deadline=0.3) as db:
        clean = db.state()
        for sql in failing:
            assert db.execute(sql).error is not None
            assert db.state() == clean
        assert db.execute("DELETE FROM Clubs WHERE City IS NULL").error is None
        assert db.state() != clean
