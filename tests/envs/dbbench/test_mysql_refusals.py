"""What the MySQL layer refuses, by number and to the letter."""

from __future__ import annotations

import pytest
from sandbox_helpers import after, column, error, rows

NEAR = (
    "1064 (42000): You have an error in your SQL syntax; check the manual that corresponds to your MySQL server "
    "version for the right syntax to use near '{}' at line {}"
)


@pytest.mark.parametrize(
    ("sql", "near"),
    [
        ('SELECT Name FROM "Players" WHERE 1', '"Players" WHERE 1'),
        ("SELECT Name FROM 'Players'", "'Players'"),
        ("SELECT [Name] FROM Players", "[Name] FROM Players"),
        ("SELECT Name, FROM Players", "FROM Players"),
        ("SELEC 1", "SELEC 1"),
        ("SELECT 1; SELECT 2", "SELECT 2"),
        ("SELECT * FROM Players WHERE", ""),
        ("SELECT Name FROM Players ORDER Name", "Name"),
        ("SELECT 1 FROM Players WHERE Name == 'a'", "= 'a'"),
        ("SELECT CAST(Goals AS INT) FROM Players", "INT) FROM Players"),
        ("SELECT Name FROM Players LIMIT -1", "-1"),
        ("SELECT MAX(Release) FROM Players", "Release) FROM Players"),
        ("SELECT 1 FROM a b c", "c"),
        ("SELECT 1 WHERE Match > 16", "> 16"),
        ("SELECT 1 FROM t WHERE a BETWEEN 4 AND 17ORDER BY b", "BY b"),
        ("SELECT Song(s) — Weeks FROM t", "Weeks FROM t"),
        ("SELECT # everything", ""),
        ("SELECT 'open", "'open"),
        ("SELECT COUNT (*) FROM t", "*) FROM t"),
        ("SELECT a FROM t GROUP BY a DESC", "DESC"),
        ("SELECT a, * FROM t", "* FROM t"),
        ("SELECT 1 LIMIT 1 UNION SELECT 2", "UNION SELECT 2"),
        ("UPDATE t SET a = 1, WHERE b = 2", "WHERE b = 2"),
        ("INSERT INTO t VALUES", ""),
        ("SELECT rank FROM t", "FROM t"),
        ("SELECT left FROM t", "FROM t"),
        ("DELETE t", ""),
        ("SELECT left(Name) FROM Players", ") FROM Players"),
        ("SELECT YEAR() FROM t", ") FROM t"),
        ("SELECT IF(a, 1) FROM t", ") FROM t"),
        ("SELECT REPLACE(a, 'b', 'c', 'd')", ", 'd')"),
        ("SELECT Role(s) FROM t", "(s) FROM t"),
        ("SELECT Language (x) FROM t", "(x) FROM t"),
        ("SELECT PASSWORD('x')", "('x')"),
        ("SELECT a::text FROM t", ":text FROM t"),
    ],
)
def test_a_syntax_error_quotes_the_statement_from_where_mysql_stops(sql: str, near: str) -> None:
    found = error(sql)
    assert found in (NEAR.format(near, 1), NEAR.format(":" + near, 1))


def test_a_syntax_error_quotes_80_bytes_and_counts_lines() -> None:
    assert error("SELECT 1\nFROM\n'" + "é" * 100) == NEAR.format("'" + "é" * 39, 3)


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        ("", "1065 (42000): Query was empty"),
        (" ; ", "1065 (42000): Query was empty"),
        ("SELECT nosuch FROM Players", "1054 (42S22): Unknown column 'nosuch' in 'field list'"),
        ("SELECT p.x FROM Players p", "1054 (42S22): Unknown column 'p.x' in 'field list'"),
        ("SELECT Players.Name FROM Players p", "1054 (42S22): Unknown column 'Players.Name' in 'field list'"),
        ("SELECT 1 FROM Players WHERE x = 1", "1054 (42S22): Unknown column 'x' in 'where clause'"),
        ("SELECT Name FROM Players ORDER BY x", "1054 (42S22): Unknown column 'x' in 'order clause'"),
        ("SELECT Name FROM Players ORDER BY 2", "1054 (42S22): Unknown column '2' in 'order clause'"),
        ("SELECT Name FROM Players GROUP BY x", "1054 (42S22): Unknown column 'x' in 'group statement'"),
        ("SELECT Name FROM Players HAVING Goals", "1054 (42S22): Unknown column 'Goals' in 'having clause'"),
        ("SELECT 1 FROM Players p JOIN Clubs c ON p.x = 1", "1054 (42S22): Unknown column 'p.x' in 'on clause'"),
        ("SELECT Goals AS g FROM Players WHERE g", "1054 (42S22): Unknown column 'g' in 'where clause'"),
        ("SELECT * FROM nosuch", "1146 (42S02): Table 'dbbx.nosuch' doesn't exist"),
        ("SELECT x FROM players", "1146 (42S02): Table 'dbbx.players' doesn't exist"),
        ("SELECT Team FROM Players, Clubs", "1052 (23000): Column 'Team' in field list is ambiguous"),
        ("SELECT x.* FROM Players", "1051 (42S02): Unknown table 'x'"),
        ("SELECT *", "1096 (HY000): No tables used"),
        ("SELECT 1 FROM Players, Players", "1066 (42000): Not unique table/alias: 'Players'"),
        (
            "SELECT Name, COUNT(*) FROM Players",
            "1140 (42000): In aggregated query without GROUP BY, expression #1 of SELECT list contains "
            "nonaggregated column 'dbbx.Players.Name'; this is incompatible with sql_mode=only_full_group_by",
        ),
        (
            "SELECT Team, Name FROM Players GROUP BY Team",
            "1055 (42000): Expression #2 of SELECT list is not in GROUP BY clause and contains "
            "nonaggregated column 'dbbx.Players.Name' which is not functionally dependent on columns in GROUP BY "
            "clause; this is "
            "incompatible with sql_mode=only_full_group_by",
        ),
        (
            "SELECT DISTINCT Team FROM Players ORDER BY Name",
            "3065 (HY000): Expression #1 of ORDER BY clause is not in SELECT list, "
            "references column 'dbbx.Players.Name' which is not in SELECT list; this is incompatible with DISTINCT",
        ),
        ("SELECT 1 FROM Players WHERE COUNT(*) > 1", "1111 (HY000): Invalid use of group function"),
        ("SELECT MAX(SUM(Goals)) FROM Players", "1111 (HY000): Invalid use of group function"),
        ("SELECT COUNT(*) c FROM Players GROUP BY c", "1056 (42000): Can't group on 'c'"),
        ("SELECT (SELECT Name FROM Players)", "1242 (21000): Subquery returns more than 1 row"),
        ("SELECT (SELECT Name, Team FROM Players LIMIT 1)", "1241 (21000): Operand should contain 1 column(s)"),
        (
            "SELECT 1 FROM Players WHERE Name IN (SELECT Team FROM Clubs LIMIT 1)",
            "1235 (42000): This version of MySQL doesn't yet support 'LIMIT & IN/ALL/ANY/SOME subquery'",
        ),
        (
            "DELETE FROM Players WHERE Goals <> ALL (SELECT 1 UNION (SELECT 2 LIMIT 1))",
            "1235 (42000): This version of MySQL doesn't yet support 'LIMIT & IN/ALL/ANY/SOME subquery'",
        ),
        (
            "SELECT (1, 2) NOT IN (SELECT 1, 2 ORDER BY 1 LIMIT 0, 5)",
            "1235 (42000): This version of MySQL doesn't yet support 'LIMIT & IN/ALL/ANY/SOME subquery'",
        ),
        ("SELECT 1 < ANY (SELECT x FROM Clubs LIMIT 1)", "1054 (42S22): Unknown column 'x' in 'field list'"),
        ("SELECT 1 IN (SELECT 1, 2)", "1241 (21000): Operand should contain 1 column(s)"),
        ("SELECT (1, 2)", "1241 (21000): Operand should contain 1 column(s)"),
        ("SELECT 1 UNION SELECT 1, 2", "1222 (21000): The used SELECT statements have a different number of columns"),
        ("SELECT * FROM (SELECT 1)", "1248 (42000): Every derived table must have its own alias"),
        ("SELECT * FROM (SELECT 1 a, 2 A) x", "1060 (42S21): Duplicate column name 'A'"),
        ("SELECT LEN(Name) FROM Players", "1305 (42000): FUNCTION dbbx.LEN does not exist"),
        (
            "SELECT instr(Name) FROM Players",
            "1582 (42000): Incorrect parameter count in the call to native function 'instr'",
        ),
        (
            "SELECT SUM (Goals) FROM Players",
            "1630 (42000): FUNCTION dbbx.SUM does not exist. Check the 'Function Name Parsing and "
            "Resolution' section in the Reference Manual",
        ),
        ("INSERT INTO Clubs VALUES ('x')", "1136 (21S01): Column count doesn't match value count at row 1"),
        ("INSERT INTO Clubs VALUES ('x', 1), (1)", "1136 (21S01): Column count doesn't match value count at row 2"),
        ("INSERT INTO Clubs (x) VALUES (1)", "1054 (42S22): Unknown column 'x' in 'field list'"),
        ("INSERT INTO Clubs (City, City) VALUES (1, 2)", "1110 (42000): Column 'City' specified twice"),
        ("UPDATE Clubs SET x = 1", "1054 (42S22): Unknown column 'x' in 'field list'"),
        (
            "UPDATE Clubs SET City = (SELECT MAX(City) FROM Clubs)",
            "1093 (HY000): You can't specify target table 'Clubs' for update in FROM clause",
        ),
        ("DROP TABLE Clubs", "1142 (42000): DROP command denied to user 'agent'@'localhost' for table 'Clubs'"),
        (
            "SELECT * FROM mysql.user",
            "1142 (42000): SELECT command denied to user 'agent'@'localhost' for table 'user'",
        ),
        ("SELECT 'a' REGEXP '('", "3691 (HY000): Mismatched parenthesis in regular expression."),
    ],
)
def test_refusals_have_mysqls_number_and_text(sql: str, refusal: str) -> None:
    assert error(sql) == refusal


@pytest.mark.parametrize(
    ("sql", "name", "clause"),
    [
        ("SELECT a FROM Players p JOIN Clubs c ON p.b = c.Team WHERE d = 1 ORDER BY e", "a", "field list"),
        ("SELECT 1 FROM Players p JOIN Clubs c ON p.b = c.Team WHERE d = 1 GROUP BY e", "d", "where clause"),
        ("SELECT 1 FROM Players p JOIN Clubs c ON p.b = c.Team GROUP BY e HAVING f ORDER BY g", "p.b", "on clause"),
        ("SELECT 1 FROM Players GROUP BY e HAVING f ORDER BY g", "e", "group statement"),
        ("SELECT 1 FROM Players HAVING f ORDER BY g", "f", "having clause"),
        ("SELECT a FROM Players JOIN Clubs USING (nosuch)", "nosuch", "from clause"),
        ("SELECT a FROM Players JOIN (SELECT b FROM Clubs) c ON d = 1", "b", "field list"),
        ("SELECT 1 FROM Players p JOIN Clubs c ON x.City = 1 JOIN Clubs x ON 1", "x.City", "on clause"),
        ("SELECT 1 FROM Players p, Clubs c JOIN Clubs d ON p.Team = d.Team", "p.Team", "on clause"),
        ("UPDATE Players SET a = b ORDER BY d", "a", "field list"),
        ("UPDATE Players SET Note = b ORDER BY d", "b", "field list"),
        ("INSERT INTO Players (a) VALUES (b)", "a", "field list"),
        ("DELETE FROM Players WHERE a = 1 ORDER BY b", "a", "where clause"),
    ],
)
def test_the_unknown_column_that_is_named_is_the_one_that_mysql_resolves_first(
    sql: str, name: str, clause: str
) -> None:
    assert error(sql) == f"1054 (42S22): Unknown column '{name}' in '{clause}'"


def test_subqueries_with_a_limit_are_refused_only_as_sets() -> None:
    limited = "SELECT Team FROM Clubs ORDER BY Team LIMIT 1"
    assert column(f"SELECT Name FROM Players WHERE Team = ({limited})") == ["Anna", "Øystein"]
    assert column(f"SELECT Name FROM Players WHERE EXISTS ({limited}) LIMIT 1") == ["José"]
    assert column(f"SELECT Name FROM Players WHERE Team IN (SELECT Team FROM ({limited}) x)") == ["Anna", "Øystein"]


def test_the_row_that_a_limit_keeps_among_ties_is_the_servers_in_subqueries_too() -> None:
    query = "SELECT Name FROM Players ORDER BY Team = 'nobody' DESC, `Height (m)` LIMIT 2"
    assert column(f"SELECT x.Name FROM ({query}) x") == column(query)
    one = query.replace("LIMIT 2", "LIMIT 1")
    assert column(f"SELECT Name FROM Players WHERE BINARY Name = ({one})") == column(one)
    latest = "SELECT Name FROM Players q WHERE q.Team = p.Team ORDER BY 1 = 1, Born DESC LIMIT 1"
    assert column(f"SELECT ({latest}) FROM Players p WHERE Team = 'Ajax'") == ["Øystein", "Øystein"]
    assert column("SELECT Name FROM (SELECT Name FROM Players WHERE 0 ORDER BY Team LIMIT 1) x") == []


def test_a_row_compares_with_the_row_of_a_subquery() -> None:
    assert column("SELECT Name FROM Players WHERE (Team, Goals) = (SELECT 'ajax', '07')") == ["Anna"]
    assert column("SELECT Name FROM Players WHERE (Team, Goals) <> (SELECT 'ajax', '07') LIMIT 1") == ["José"]
    assert column("SELECT (1, 2) = (SELECT 1, 2 FROM Clubs WHERE 0)") == [None]
    assert error("SELECT (1, 2) = (SELECT 1, 2 FROM Clubs)") == "1242 (21000): Subquery returns more than 1 row"
    assert error("SELECT (1, 2) = (SELECT 1)") == "1241 (21000): Operand should contain 2 column(s)"


def test_a_constant_in_where_determines_a_column_beside_aggregates() -> None:
    assert rows("SELECT Name, COUNT(*) FROM Players WHERE Name = 'anna'") == [("Anna", 1)]


def test_groups_come_in_the_order_of_their_first_rows() -> None:
    assert column("SELECT Team FROM Players GROUP BY Team") == ["Real Madrid", "Ajax", "FC Porto"]
    assert column("SELECT Team FROM Players GROUP BY Team HAVING COUNT(DISTINCT Name) > 1") == ["Ajax", "FC Porto"]


def test_order_by_prefers_the_alias_and_where_the_column() -> None:
    assert column("SELECT -Goals AS Goals FROM Players WHERE Goals > 11 ORDER BY Goals") == [-15.0, -12.0]


def test_show_and_describe() -> None:
    assert rows("SHOW TABLES") == [("Clubs",), ("Players",)]
    assert rows("SHOW TABLES LIKE 'p%'") == [("Players",)]
    assert rows("DESCRIBE Clubs") == [("Team", "text", "YES", "", None, ""), ("City", "text", "YES", "", None, "")]
    assert rows("SHOW COLUMNS FROM Clubs WHERE Field = 'city'") == [("City", "text", "YES", "", None, "")]
    assert error("DESC nosuch") == "1146 (42S02): Table 'dbbx.nosuch' doesn't exist"
    sql = "SELECT column_name FROM information_schema.columns WHERE table_name = 'Clubs' ORDER BY ordinal_position"
    assert column(sql) == ["Team", "City"]


def test_columns_come_by_place_where_the_order_is_nobodys() -> None:
    assert column("SELECT column_name FROM information_schema.columns WHERE table_name = 'Clubs'") == ["Team", "City"]
    schemata = "SELECT schema_name FROM information_schema.schemata ORDER BY 1"
    assert column(schemata) == ["dbbx", "information_schema", "performance_schema"]


def test_recursion_ends_where_the_server_ends_it() -> None:
    endless = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s{}) SELECT {} FROM s{}"
    aborted = (
        "3636 (HY000): Recursive query aborted after 1001 iterations. Try increasing @@cte_max_recursion_depth to a "
        "larger value."
    )
    assert error(endless.format("", "COUNT(*)", "")) == aborted
    assert error(endless.format("", "n", " LIMIT 3")) == aborted
    assert column(endless.format(" LIMIT 3", "n", "")) == [1, 2, 3]
    assert column(endless.format(" WHERE n < 1000", "COUNT(*)", "")) == [1000]


def test_inserts_keep_what_a_text_column_keeps() -> None:
    sql = "INSERT INTO Clubs (Team) VALUES (12.50), (1/3), (TRUE), (1e20), (DATE('2020-01-01')), (NULL), (DEFAULT)"
    found = after(sql, query="SELECT Team FROM Clubs")[3:]
    assert [row[0] for row in found] == ["12.50", "0.3333", "1", "1e20", "2020-01-01", None, None]
    assert after("INSERT INTO Clubs SELECT * FROM Clubs LIMIT 1", query="SELECT * FROM Clubs")[3] == (
        "Ajax",
        "Amsterdam",
    )


def test_updates_assign_from_left_to_right() -> None:
    found = after(
        "UPDATE Clubs SET City = 'x', Team = CONCAT(City, Team) WHERE City = 'porto'", query="SELECT * FROM Clubs"
    )
    assert found[1] == ("xFC Porto", "x")


def test_updates_and_deletes_stop_at_their_limit() -> None:
    found = after("UPDATE Players SET Goals = Goals + 1 ORDER BY Name LIMIT 1", query="SELECT Name, Goals FROM Players")
    assert [row for row in found if row[1] == "8"] == [("Anna", "8")]
    left = after("DELETE FROM Players ORDER BY Goals + 0 DESC LIMIT 1", query="SELECT Name FROM Players")
    assert ("Zoë",) not in left
    assert len(left) == 5


def test_joined_updates_and_deletes_change_one_table() -> None:
    joined = "Players p JOIN Clubs c ON p.Team = c.Team"
    found = after(f"UPDATE {joined} SET p.Note = c.City", query="SELECT Name FROM Players WHERE Note = 'Porto'")
    assert found == [("Zoë",), ("bob",)]
    assert len(after(f"DELETE p FROM {joined} WHERE c.City = 'Porto'")) == 4


def test_subqueries_joins_and_windows() -> None:
    assert column(
        "SELECT Name FROM Players p WHERE EXISTS (SELECT 1 FROM Clubs c WHERE c.Team = p.Team AND City > 'b')"
    ) == ["Zoë", "bob"]
    assert rows("SELECT * FROM Clubs NATURAL LEFT JOIN Players WHERE Name IS NULL")[0][:2] == ("Unknown", None)
    assert column(
        "SELECT Name FROM (SELECT Name, RANK() OVER (ORDER BY Goals + 0 DESC) r FROM Players) x WHERE r = 1"
    ) == ["Zoë"]
    assert column(
        "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 4) SELECT SUM(n) FROM s"
    ) == [10]
    assert rows("SELECT Team, COUNT(*) FROM Players GROUP BY Team WITH ROLLUP")[-1] == (None, 6)
    assert column("SELECT Goals FROM Players WHERE Goals > ALL (SELECT 7)") == ["12", "15"]
