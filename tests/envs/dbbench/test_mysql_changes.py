"""UPDATE and DELETE of several tables, and INSERT ... SET."""

from __future__ import annotations

from sandbox_helpers import TASK, after, error

from envs.dbbench.sandbox import Sandbox

JOINED = "Players p JOIN Clubs c ON p.Team = c.Team"


def test_an_update_changes_all_tables_that_it_assigns_to() -> None:
    change = f"UPDATE {JOINED} SET p.Note = c.City, c.City = CONCAT(c.City, '!')"
    assert after(change, query="SELECT Name, Note FROM Players")[2:] == [
        ("Anna", "Amsterdam"),
        ("Øystein", "Amsterdam"),
        ("Zoë", "Porto"),
        ("bob", "Porto"),
    ]
    # Each club is joined to two players and changed once.
    assert after(change, query="SELECT City FROM Clubs") == [("Amsterdam!",), ("Porto!",), (None,)]


def test_a_row_that_a_join_finds_twice_takes_what_is_found_first() -> None:
    assert after(f"UPDATE {JOINED} SET c.City = p.Name", query="SELECT City FROM Clubs") == [
        ("Anna",),
        ("Zoë",),
        (None,),
    ]


def test_a_delete_takes_rows_from_all_tables_that_it_names() -> None:
    for change in (
        f"DELETE p, c FROM {JOINED} WHERE c.Team = 'Ajax'",
        f"DELETE FROM p, c.* USING {JOINED} WHERE c.Team = 'Ajax'",
    ):
        assert after(change, query="SELECT COUNT(*) FROM Players") == [(4,)]
        assert after(change, query="SELECT Team FROM Clubs") == [("FC Porto",), ("Unknown",)]


def test_an_outer_join_without_a_match_deletes_from_one_side() -> None:
    change = "DELETE c, p FROM Clubs c LEFT JOIN Players p ON p.Team = c.Team WHERE c.Team = 'Unknown'"
    assert after(change, query="SELECT COUNT(*) FROM Players") == [(6,)]
    assert after(change, query="SELECT COUNT(*) FROM Clubs") == [(2,)]


def test_row_count_is_of_all_tables() -> None:
    with Sandbox(TASK) as db:
        db.execute(f"UPDATE {JOINED} SET p.Note = 'x', c.City = 'y'")
        assert db.execute("SELECT ROW_COUNT()").rows == [(6,)]


def test_a_change_of_several_tables_that_fails_changes_none() -> None:
    with Sandbox(TASK) as db:
        before = db.table_hash()
        reply = db.execute(
            f"UPDATE {JOINED} SET c.City = 'x', p.Note = (SELECT Name FROM (SELECT Name FROM Players) q)"
        )
        assert reply.error == "1242 (21000): Subquery returns more than 1 row"
        assert db.table_hash() == before


def test_changes_of_what_is_no_table_are_refused() -> None:
    assert error("DELETE x, c FROM Clubs c") == "1109 (42S02): Unknown table 'x' in MULTI DELETE"
    assert error("UPDATE Clubs c, (SELECT 1 AS n) d SET c.City = 1, d.n = 2") == (
        "1288 (HY000): The target table d of the UPDATE is not updatable"
    )
    assert error(f"UPDATE {JOINED} SET c.City = (SELECT MAX(Name) FROM Players), p.Note = 1") == (
        "1093 (HY000): You can't specify target table 'Players' for update in FROM clause"
    )


def test_insert_set_fills_the_named_columns() -> None:
    assert after("INSERT INTO Clubs SET City = UPPER('x')", query="SELECT * FROM Clubs")[-1] == (None, "X")


def test_an_update_names_an_unknown_column_of_its_condition_first() -> None:
    change = "UPDATE Clubs SET nosuch = nosuch2 WHERE nosuch3 = 1"
    assert error(change) == "1054 (42S22): Unknown column 'nosuch3' in 'where clause'"
    assert error("UPDATE Clubs SET nosuch = nosuch2") == "1054 (42S22): Unknown column 'nosuch' in 'field list'"
