"""How the MySQL layer reads, formats and compares dates and times."""

from __future__ import annotations

import datetime

import pytest
from sandbox_helpers import column, error, one

from envs.dbbench.mysql.temporal import read_time

date, moment, span = datetime.date, datetime.datetime, datetime.timedelta


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("YEAR('0000-00-00')", None),
        ("DATE('0000-00-00')", None),
        ("DATE('2021-00-01')", None),
        ("YEAR('2021-00-01')", 2021),
        ("MONTH('2021-00-01')", 0),
        ("DAYNAME('2021-00-01')", None),
        ("DATE_FORMAT('2021-05-00', '%m/%Y')", "05/2021"),
        ("LAST_DAY('2021-02-00')", date(2021, 2, 28)),
        ("LAST_DAY('2021-00-10')", None),
        ("STR_TO_DATE('0000-00-00', '%Y-%m-%d')", None),
        ("STR_TO_DATE('May 2021', '%M %Y')", None),
        ("STR_TO_DATE('29.2.2023', '%d.%m.%Y')", None),
        ("STR_TO_DATE('29.2.2024 and more', '%d.%m.%Y')", date(2024, 2, 29)),
        ("STR_TO_DATE('7 Monday 2024', '%u %W %Y')", date(2024, 2, 12)),
        ("STR_TO_DATE('10 Sunday 2024', '%V %W %X')", date(2024, 3, 10)),
        ("STR_TO_DATE('366 2023', '%j %Y')", date(2024, 1, 1)),
        ("STR_TO_DATE('v12-3-2024', '%@%d-%m-%Y')", date(2024, 3, 12)),
        ("STR_TO_DATE('4 PM', '%k %p')", None),
        ("STR_TO_DATE('100% 2024', '%d%% %Y')", None),
        ("EXTRACT(HOUR_MINUTE FROM '21:43:05')", 2143),
        ("EXTRACT(DAY_HOUR FROM '2024-03-12 21:43:05')", 1221),
        ("EXTRACT(SECOND_MICROSECOND FROM '21:43:05.5')", 5500000),
        ("EXTRACT(HOUR FROM '-30:00:00')", -30),
        ("EXTRACT(YEAR_MONTH FROM 'x')", None),
        ("TIMESTAMP('2024-03-12', '36:00')", moment(2024, 3, 13, 12)),
        ("ADDTIME('23:00:00', '02:30')", "25:30:00"),
        ("ADDTIME('2024-02-28 23:00:00', '02:30')", "2024-02-29 01:30:00"),
        ("SUBTIME(TIME '10:00', '00:30')", span(hours=9, minutes=30)),
        ("SUBTIME(TIMESTAMP '2024-03-01 00:10:00', '00:30')", moment(2024, 2, 29, 23, 40)),
        ("ADDTIME('x', '1')", None),
        ("TO_SECONDS('2024-01-01 00:00:01')", 63871286401),
        ("CONVERT_TZ('2024-01-01 00:30:00', '+01:00', '-02:30')", moment(2023, 12, 31, 21)),
        ("CONVERT_TZ('2024-01-01', 'Europe/Paris', '+00:00')", None),
        ("GET_FORMAT(DATE, 'eur')", "%d.%m.%Y"),
        ("DATE_FORMAT('2024-03-12', GET_FORMAT(DATE, 'USA'))", "03.12.2024"),
        ("STR_TO_DATE('12.3.2024', GET_FORMAT(DATE, 'EUR'))", date(2024, 3, 12)),
        ("TIMESTAMP('2024-00-12')", None),
        ("FROM_UNIXTIME(86400)", moment(1970, 1, 2)),
        ("CONCAT(FROM_UNIXTIME(1.25))", "1970-01-01 00:00:01.25"),
        ("CONCAT(FROM_UNIXTIME('7 s'))", "1970-01-01 00:00:07.000000"),
        ("FROM_UNIXTIME('90000', '%e %H')", "2 01"),
        ("FROM_UNIXTIME(-1)", None),
        ("SEC_TO_TIME('90.5 s')", span(seconds=90, milliseconds=500)),
        ("MAKETIME(1, '2', 'x')", span(hours=1, minutes=2)),
        ("'2024-02-28' + INTERVAL '1.9' DAY", "2024-02-29"),
        ("'2024-02-28' + INTERVAL 1.9 DAY", "2024-03-01"),
        ("'2024-02-28' + INTERVAL '1.5' SECOND", "2024-02-28 00:00:01.500000"),
        ("TIME('2 10:30')", span(days=2, hours=10, minutes=30)),
        ("TIME('12345')", span(hours=1, minutes=23, seconds=45)),
        ("TIME('900:00:00')", span(hours=838, minutes=59, seconds=59)),
        ("TIME('10:75')", None),
        ("CAST('71' AS YEAR)", 1971),
        ("CAST('0' AS YEAR)", 2000),
        ("CAST(0 AS YEAR)", 0),
        ("CAST(2200 AS YEAR)", None),
        ("TIME '10:00:00' > '9:00:00'", 0),
        ("DATE '2024-03-12' = '2024-3-12'", 1),
        ("DATE '2024-03-12' < '2024-03-12 00:00:01'", 1),
        ("'2024-3-9' < DATE '2024-03-10'", 1),
    ],
)
def test_dates_are_read_as_mysql_reads_them(expression: str, value: object) -> None:
    assert one(expression) == value


def test_a_text_compares_with_a_date_as_a_date_and_one_that_is_none_comes_first() -> None:
    everyone = ["José", "Anna", "Zoë", "bob"]
    assert column("SELECT Name FROM Players WHERE Born > DATE '1970-01-01'") == everyone
    assert column("SELECT Name FROM Players WHERE Born < NOW()") == ["José", "jose", "Anna", "Øystein", "Zoë", "bob"]
    assert column("SELECT Name FROM Players WHERE Born = CAST('1999-12-31' AS DATE)") == ["Zoë"]
    assert column("SELECT Name FROM Players WHERE CURDATE() < Born") == []
    between = "Born BETWEEN DATE '1988-01-01' AND TIMESTAMP '1995-12-01 10:20:30'"
    assert column(f"SELECT Name FROM Players WHERE {between}") == ["José", "Anna", "bob"]
    assert column("SELECT Name FROM Players WHERE Note = CURDATE()") == []


def test_a_constant_that_is_no_date_cannot_be_compared_with_one() -> None:
    assert error("SELECT CURDATE() > 'soon'") == "1525 (HY000): Incorrect DATE value: 'soon'"
    assert error("SELECT CURDATE() < '2024-00-01'") == "1525 (HY000): Incorrect DATE value: '2024-00-01'"
    assert error("SELECT NOW() = '0000-00-00'") == "1525 (HY000): Incorrect DATETIME value: '0000-00-00'"


def test_periods_have_twelve_months() -> None:
    assert one("PERIOD_ADD(202411, 2)") == 202501
    assert -(2**63) <= one("PERIOD_ADD(101, 9223372036854775807)") < 2**63
    assert error("SELECT PERIOD_ADD(202413, 1)") == "1210 (HY000): Incorrect arguments to period_add"
    assert error("SELECT PERIOD_DIFF(202401, 0)") == "1210 (HY000): Incorrect arguments to period_diff"


@pytest.mark.parametrize(
    ("text", "seconds", "complete"),
    [
        ("10:11:12", 36672, True),
        (" 10:11 ", 36660, True),
        ("-1:00:00", -3600, True),
        ("1 1:00", 90000, True),
        ("2020-01-31", 20 * 60 + 20, False),
        ("2020-01-31 10:00:00", 36000, True),
        ("10:11:12.", 36672, True),
        ("7 pm", 7, False),
        ("839:00:00", 838 * 3600 + 3599, False),
        ("1e3", None, False),
        ("pm", None, False),
        ("", None, False),
        ("-", None, False),
    ],
)
def test_times_are_read_as_far_as_they_go(text: str, seconds: int | None, complete: bool) -> None:
    micros = None if seconds is None else seconds * 1_000_000
    assert read_time(text) == (micros, complete)
