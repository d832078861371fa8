"""Types, arithmetic, comparisons, collation and functions of the MySQL layer."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox_helpers import column, error, one, rows

from envs.dbbench.mysql.collation import compare, like, sort_key
from envs.dbbench.mysql.filesort import Sorting
from envs.dbbench.mysql.numbers import double_text, fixed


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7 / 2", Decimal("3.5000")),
        ("7 DIV 2", 3),
        ("-7 % 3", -1),
        ("1 / 0", None),
        ("5 % 0", None),
        ("1.5 + 1", Decimal("2.5")),
        ("1.50 * 2.00", Decimal("3.0000")),
        ("1 / 3 * 3", Decimal("1.0000")),
        ("1 / 3", Decimal("0.3333")),
        ("0.1 + 0.2", Decimal("0.3")),
        ("0.1e0 + 0.2e0", 0.30000000000000004),
        ("'12abc' + 1", 13.0),
        ("'1,234' + 0", 1.0),
        ("'' + 0", 0.0),
        ("'1e2' * 1", 100.0),
        ("2 - - 1", 3),
        ("5 & 3 | 8", 9),
        ("1 << 3", 8),
        ("~0", 2**64 - 1),
        ("1 XOR 1", 0),
        ("NOT NULL", None),
        ("1 < 2 < 3", 1),
        ("CAST('-5' AS UNSIGNED)", 2**64 - 5),
        ("-9223372036854775808", -(2**63)),
        ("CAST('1,234' AS SIGNED)", 1),
        ("CAST(12.5 AS SIGNED)", 13),
        ("CAST('3.14' AS FLOAT)", 3.14),
        ("CAST('123456' AS DECIMAL(5,2))", Decimal("999.99")),
        ("CAST('7.255' AS DECIMAL(5,2))", Decimal("7.26")),
        ("ROUND(2.5)", Decimal(3)),
        ("ROUND(2.5e0)", 2.0),
        ("ROUND(1234, -2)", 1200),
        ("ROUND(2 / 3, 6)", Decimal("0.666667")),
        ("TRUNCATE(-1.999, 1)", Decimal("-1.9")),
        ("FORMAT(1234567.891, 2)", "1,234,567.89"),
        ("CONCAT(1.50, 1 / 3)", "1.500.3333"),
        ("CONCAT(1e20, '|', 1e15, '|', 0.00001e0)", "1e20|1e15|0.00001"),
        ("GREATEST(1, 2.50)", Decimal("2.50")),
        ("IF(1, 1, 2.0)", Decimal(1)),
        ("IFNULL(NULL, 'a')", "a"),
        ("NULLIF(1, 1)", None),
        ("COALESCE(NULL, 1, 'a')", "1"),
    ],
)
def test_arithmetic_has_mysqls_types(expression: str, value: object) -> None:
    found = one(expression)
    assert (found, type(found), str(found)) == (value, type(value), str(value))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'a' = 'A'", 1),
        ("'é' = 'e'", 1),
        ("'ß' = 'ss'", 1),
        ("'ø' = 'o'", 1),
        ("'a ' = 'a'", 0),
        ("'\u00a0' = ' '", 1),
        ("'—' = '-'", 0),
        ("'10' > '9'", 0),
        ("'10' > 9", 1),
        ("'abc' = 0", 1),
        ("1 IN ('1', 'x')", 1),
        ("'x' IN (0)", 1),
        ("NULL IN (1)", None),
        ("1 <=> NULL", 0),
        ("'10' BETWEEN 9 AND 11", 1),
        ("'10' BETWEEN '9' AND '11'", 0),
        ("BINARY 'a' = 'A'", 0),
        ("'a' COLLATE utf8mb4_bin = 'A'", 0),
        ("'abc' LIKE 'A_C'", 1),
        ("'a%c' LIKE 'a\\%c'", 1),
        ("'abc' LIKE 'a\\%c'", 0),
        ("'a|b' LIKE 'a||b' ESCAPE '|'", 1),
        ("'ABC' REGEXP 'b'", 1),
        ("'abc' RLIKE '[[:digit:]]'", 0),
        ("DATE('2020-01-01') = '2020-01-01 00:00:00'", 1),
        ("DATE('2020-01-01') > '2019-12-31'", 1),
        ("DATE('2020-01-02') + 0", 20200102),
        ("(1, 2) = (1, 2)", 1),
        ("(1, 2) < (1, 3)", 1),
        ("(1, 2) IN ((1, 2), (3, 4))", 1),
    ],
)
def test_comparisons_follow_the_types_and_the_collation(expression: str, value: object) -> None:
    assert one(expression) == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("LEFT('hello', 2)", "he"),
        ("RIGHT('hello', 2)", "lo"),
        ("SUBSTRING('hello', -3, 2)", "ll"),
        ("SUBSTRING('hello', 0)", ""),
        ("SUBSTRING_INDEX('a.b.c', '.', -2)", "b.c"),
        ("CONCAT_WS('-', 'a', NULL, 'b')", "a-b"),
        ("LPAD('5', 3, '0')", "005"),
        ("INSERT('abcdef', 2, 3, 'XX')", "aXXef"),
        ("TRIM(BOTH 'x' FROM 'xaxx')", "a"),
        ("LOCATE('B', 'abc')", 2),
        ("FIELD('b', 'a', 'B')", 2),
        ("FIND_IN_SET('b', 'a,b')", 2),
        ("LENGTH('é')", 2),
        ("CHAR_LENGTH('é')", 1),
        ("REPEAT('x', 900000000)", None),
        ("YEAR('2012 IBJJF')", None),
        ("YEAR('12/05/20')", 2012),
        ("YEAR('20120131')", 2012),
        ("MONTHNAME('2020-02-01')", "February"),
        ("DATE('1988/1/31')", datetime.date(1988, 1, 31)),
        ("DATE('2001-02-29')", None),
        ("DATEDIFF('2020-03-01', '2020-02-28')", 2),
        ("STR_TO_DATE('12 May 1991', '%d %M %Y')", datetime.date(1991, 5, 12)),
        ("STR_TO_DATE('x', '%Y')", None),
        ("STR_TO_DATE('04/31/2004', '%m/%d/%Y')", None),
        ("DATE_FORMAT('2009-10-04', '%W %D %b %Y')", "Sunday 4th Oct 2009"),
        ("DATE_ADD('2020-01-31', INTERVAL 1 MONTH)", "2020-02-29"),
        ("DATE('2020-01-31') + INTERVAL 1 DAY", datetime.date(2020, 2, 1)),
        ("TIMESTAMPDIFF(YEAR, '1990-05-17', '2020-05-16')", 29),
        ("WEEK('2020-01-01', 3)", 1),
        ("TIME('10:20:30')", datetime.timedelta(seconds=37230)),
        ("EXTRACT(YEAR_MONTH FROM '2020-05-06')", 202005),
        ("REGEXP_REPLACE('a1b22', '[0-9]+', '')", "ab"),
        ("DATABASE()", "dbbx"),
        ("x'41'", b"A"),
        ("'a' 'b'", "ab"),
        ('"it\'s"', "it's"),
        ("'a\\'b'", "a'b"),
        ("CASE 'A' WHEN 'a' THEN 1 END", 1),
    ],
)
def test_functions_answer_as_mysqls(expression: str, value: object) -> None:
    assert one(expression) == value


def test_a_text_column_compares_with_a_number_as_doubles() -> None:
    assert column("SELECT Goals FROM Players WHERE Goals > 8") == ["12", "15"]
    assert column("SELECT Goals FROM Players WHERE Goals > '8'") == []
    assert column("SELECT Goals FROM Players WHERE Goals = 7") == ["7", "07"]


def test_sums_of_text_are_doubles_and_sums_of_integers_decimals() -> None:
    assert rows("SELECT SUM(Goals), AVG(Goals), SUM(Goals > 5), COUNT(*) / 4 FROM Players") == [
        (38.0, 7.6, Decimal(4), Decimal("1.5000"))
    ]
    assert rows("SELECT AVG(CAST(Goals AS SIGNED)) FROM Players") == [(Decimal("7.6000"),)]


def test_a_union_takes_the_common_type_and_keeps_first_appearances() -> None:
    assert column("SELECT 2 UNION SELECT 'b' UNION SELECT 'B' UNION SELECT 1") == ["2", "b", "1"]


def test_a_constant_that_is_no_date_is_refused_beside_a_date() -> None:
    assert error("SELECT 1 FROM Players WHERE DATE(Born) > 'abc'") == "1525 (HY000): Incorrect DATE value: 'abc'"


def test_bigint_and_double_have_an_end() -> None:
    assert error("SELECT 9223372036854775807 + 1").startswith("1690 (22003)")
    assert error("SELECT 1e308 * 10").startswith("1690 (22003)")


def test_group_concat_orders_separates_and_stops_at_1024_bytes() -> None:
    assert one("GROUP_CONCAT(Name ORDER BY Name DESC SEPARATOR '|') FROM Players WHERE Team = 'ajax'") == "Øystein|Anna"
    assert one("GROUP_CONCAT(DISTINCT Team) FROM Players") == "Real Madrid,Ajax,FC Porto"
    assert len(one("GROUP_CONCAT(REPEAT(Name, 100)) FROM Players").encode()) <= 1024


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_the_collation_orders_totally(a: str, b: str, c: str) -> None:
    assert compare(a, b) == -compare(b, a)
    assert compare(a, a) == 0
    if compare(a, b) <= 0 and compare(b, c) <= 0:
        assert compare(a, c) <= 0
    assert (compare(a, b) == 0) == (sort_key(a) == sort_key(b))


@given(st.text("abé%_\\x", max_size=12))
def test_like_matches_itself_when_escaped(text: str) -> None:
    pattern = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    assert like(text, pattern)
    assert like("x" + text + "y", f"%{pattern}%")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_printed_reads_back_the_same(number: float) -> None:
    assert float(double_text(number)) == number


@given(st.decimals(-(10**20), 10**20, places=9), st.integers(0, 9))
def test_decimals_round_half_away_from_zero(number: Decimal, scale: int) -> None:
    assert abs(Decimal(fixed(number, scale)) - number) <= Decimal(5).scaleb(-scale - 1)


@given(st.lists(st.integers(0, 5), max_size=60), st.booleans(), st.none() | st.integers(0, 10), st.integers(0, 5))
def test_sorting_gives_the_right_keys_whatever_the_ties(
    keys: list[int], down: bool, limit: int | None, offset: int
) -> None:
    found = Sorting((down,), limit, offset).apply([(key, key) for key in keys])
    end = None if limit is None else offset + limit
    assert [row[0] for row in found] == sorted(keys, reverse=down)[offset:end]


def test_ties_under_a_limit_fall_as_the_servers_selection_leaves_them() -> None:
    # std::nth_element on 20 rows of which 8, 14, 15, 16 and 17 are smallest picks the one in place 14.
    keys = [3, 3, 3, 2, 4, 3, 1, 2, 0, 1, 2, 2, 1, 1, 0, 0, 0, 0, 3, 2]
    assert Sorting((False,), 1, 0).apply([(i, key) for i, key in enumerate(keys)]) == [(14,)]


def test_an_unsigned_number_beyond_bigint_is_no_date() -> None:
    assert one("DATE_ADD(CAST(-3 AS UNSIGNED), INTERVAL 1 DAY)") is None
