"""Types that functions and literals have: numbers that keep their digits, binary strings, bits."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox_helpers import after, error, one, rows

from envs.dbbench.mysql.binary import to_bytes, to_text


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("IF(0, 2.5, 1)", Decimal(1)),
        ("CASE WHEN 1 THEN 1 ELSE 2.50 END", Decimal(1)),
        ("CONCAT(IF(0, 2.5, 1))", "1"),
        ("IFNULL(1, 2.5)", Decimal("1.0")),
        ("COALESCE(1, 2.5)", Decimal("1.0")),
        ("GREATEST('10', 9)", "9"),
        ("LEAST('10', 9)", "10"),
        ("GREATEST(10, 9)", 10),
        ("-'abc'", -0.0),
        ("-'3'", -3.0),
        ("-3", -3),
        ("-(-3)", Decimal(3)),
        ("- - -3", Decimal(-3)),
        ("0x1F + 0", 31),
        ("x'1F' * 2", 62),
        ("b'101' + 1", 6),
        ("0x41 = 65", 1),
        ("0x41 = 'A'", 1),
        ("CAST(0x41 AS UNSIGNED)", 65),
        ("CAST(18446744073709551615 AS SIGNED)", -1),
        ("HEX(18446744073709551615)", "FFFFFFFFFFFFFFFF"),
        ("BIN(18446744073709551615)", "1" * 64),
        ("LEFT('abc', 18446744073709551615)", "abc"),
        ("ABS(18446744073709551615)", 2**64 - 1),
        ("18446744073709551615 % 10", 5),
        ("CAST(5 AS UNSIGNED) % 0", None),
        ("ROUND(2.5, 18446744073709551615)", Decimal("2.5")),
        ("CAST(0x41 AS CHAR)", "A"),
        ("0x41", b"A"),
        ("x'FF00'", b"\xff\x00"),
        ("b'101'", b"\x05"),
        ("CAST('x' AS BINARY)", b"x"),
        ("CAST('xyz' AS BINARY(2))", b"xy"),
        ("CAST('x' AS BINARY(3))", b"x\0\0"),
        ("CONVERT('é' USING binary)", "é".encode()),
        ("BINARY 'x'", b"x"),
        ("CONCAT('a', 0x42)", b"aB"),
        ("COALESCE(NULL, 0x42)", b"B"),
        ("UNHEX('FFFE')", b"\xff\xfe"),
        ("HEX(UNHEX('FFFE'))", "FFFE"),
        ("LENGTH(UNHEX('FFFE'))", 2),
        ("FROM_BASE64(TO_BASE64(x'00FF'))", b"\0\xff"),
        ("CHAR(77, 121)", b"My"),
        ("CHAR(77 USING utf8mb4)", "M"),
        ("'a' COLLATE utf8mb4_bin", "a"),
        ("LOWER('A' COLLATE utf8mb4_bin) = 'A'", 0),
        ("_utf8mb4'x'", "x"),
        ("_binary'x'", b"x"),
        ("LPAD('x', 3, '')", "x"),
        ("MAKE_SET(5, 'a', 'b', 'c')", "a,c"),
        ("MAKE_SET(7, 'a', NULL, 'c')", "a,c"),
        ("EXPORT_SET(5, 'Y', 'N', ',', 4)", "Y,N,Y,N"),
        ("INET_ATON('10.0.0.1')", 167772161),
        ("INET_NTOA(167772161)", "10.0.0.1"),
        ("INET6_NTOA(INET6_ATON('::1'))", "::1"),
        ("IS_IPV4('1.2.3.4') + IS_IPV6('::') + IS_UUID(UUID())", 3),
        (
            "BIN_TO_UUID(UUID_TO_BIN('6ccd780c-baba-1026-9564-5b8c656024db', 1), 1)",
            "6ccd780c-baba-1026-9564-5b8c656024db",
        ),
        ("CHARSET('a')", "utf8mb4"),
        ("CHARSET(0x41)", "binary"),
        ("COLLATION('a' COLLATE utf8mb4_bin)", "utf8mb4_bin"),
        ("COERCIBILITY('a') * 10 + COERCIBILITY(1)", 45),
        ("SLEEP(0)", 0),
    ],
)
def test_values_have_mysqls_types(expression: str, value: object) -> None:
    found = one(expression)
    assert (found, type(found), str(found)) == (value, type(value), str(value))


def test_a_literal_of_bytes_compares_as_the_column_does() -> None:
    assert rows("SELECT Team FROM Clubs WHERE Team = x'616A6178'") == [("Ajax",)]
    assert rows("SELECT Team FROM Clubs WHERE Team = CAST('ajax' AS BINARY)") == []


def test_a_text_column_keeps_the_characters_of_bytes() -> None:
    assert after("INSERT INTO Clubs VALUES (x'414243', b'1000001')", query="SELECT * FROM Clubs")[-1] == ("ABC", "A")


@pytest.mark.parametrize("expression", ["CAST(1 AS UNSIGNED) - 2", "CAST(0 AS UNSIGNED) - 1 + 5"])
def test_an_unsigned_difference_below_0_is_out_of_range(expression: str) -> None:
    assert error(f"SELECT {expression}").startswith("1690 (22003): BIGINT UNSIGNED value is out of range in '(")


def test_grouping_tells_the_rows_of_rollup() -> None:
    sql = "SELECT Team, GROUPING(Team) AS level, COUNT(*) FROM Players GROUP BY Team WITH ROLLUP"
    assert rows(sql)[-2:] == [("Real Madrid", 0, 2), (None, 1, 6)]
    assert rows(f"{sql} HAVING GROUPING(Team)") == [(None, 1, 6)]
    assert error("SELECT GROUPING(Name) FROM Players GROUP BY Team WITH ROLLUP").startswith("1055")
    assert error("SELECT GROUPING(Team) FROM Players GROUP BY Team").startswith("1111")


def test_the_order_of_values_is_checked_and_not_applied() -> None:
    assert rows("VALUES ROW(1), ROW(2) ORDER BY column_0 DESC") == [(1,), (2,)]
    assert error("VALUES ROW(1) ORDER BY nothing") == "1054 (42S22): Unknown column 'nothing' in 'order clause'"


@given(st.binary(max_size=40))
def test_bytes_survive_as_text(data: bytes) -> None:
    assert to_bytes(to_text(data)) == data


def test_a_lateral_query_of_one_row_sees_the_tables_before_it() -> None:
    best = "LATERAL (SELECT MAX(Goals + 0) AS most, COUNT(*) FROM Players p WHERE p.Team = c.Team) t"
    assert rows(f"SELECT c.Team, t.* FROM Clubs c, {best}") == [
        ("Ajax", 7.0, 2),
        ("FC Porto", 15.0, 2),
        ("Unknown", None, 0),
    ]
    assert rows("SELECT x FROM LATERAL (SELECT 1 AS x) t") == [(1,)]


@pytest.mark.parametrize(
    ("operation", "found"),
    [
        ("EXCEPT", ["c", None]),
        ("EXCEPT ALL", ["a", "c", None]),
        ("INTERSECT", ["b", "a"]),
        ("INTERSECT ALL", ["b", "a"]),
        ("UNION", ["b", "a", "c", None]),
    ],
)
def test_set_operations_keep_the_order_of_first_appearance(operation: str, found: list[str | None]) -> None:
    left = "SELECT 'b' UNION ALL SELECT 'a' UNION ALL SELECT 'c' UNION ALL SELECT 'A' UNION ALL SELECT NULL"
    right = "SELECT 'B' UNION ALL SELECT 'á' UNION ALL SELECT 'b'"
    cells = [row[0] for row in rows(f"({left}) {operation} ({right})")]
    assert [cell and cell.lower() for cell in cells] == found


def test_case_changes_one_character_for_one() -> None:
    assert rows("SELECT LOWER('İA'), UPPER('ßéᾳ'), LOWER('Σ')") == [("ia", "ßÉᾼ", "σ")]


def test_a_constant_of_the_session_is_no_place_in_the_select_list() -> None:
    assert rows("SELECT COUNT(*) FROM Players GROUP BY LAST_INSERT_ID()") == [(6,)]
    assert rows("SELECT COUNT(*) FROM Players GROUP BY CONNECTION_ID()") == [(6,)]


def test_an_infinite_number_is_out_of_range() -> None:
    assert error("SELECT FLOOR(POW(10, 400))").startswith("1690 (22003): DOUBLE value is out of range")
