"""Windows that SQLite refuses or does not have are answered as MySQL answers them, or are our own limit."""

from __future__ import annotations

import pytest
from sandbox_helpers import TASK

from envs.dbbench.sandbox import Sandbox


@pytest.mark.parametrize(
    ("call", "number"),
    [
        ("SUM(Goals) OVER (ROWS UNBOUNDED FOLLOWING)", "3584"),
        ("SUM(Goals) OVER (ROWS BETWEEN UNBOUNDED FOLLOWING AND 1 PRECEDING)", "3584"),
        ("SUM(Goals) OVER (ROWS BETWEEN CURRENT ROW AND UNBOUNDED PRECEDING)", "3585"),
        ("SUM(Goals) OVER (ROWS 1 FOLLOWING)", "3586"),
        ("SUM(Goals) OVER (ROWS BETWEEN 1 FOLLOWING AND 1 PRECEDING)", "3586"),
        ("SUM(Goals) OVER (RANGE 1 PRECEDING)", "3587"),
        ("SUM(Goals) OVER (ORDER BY Goals RANGE 1 PRECEDING)", "3587"),
        ("SUM(Goals) OVER (ORDER BY Goals+0, Fee+0 RANGE 1 PRECEDING)", "3587"),
        ("SUM(Goals) OVER (ORDER BY DATE(Born) RANGE 1 PRECEDING)", "3588"),
        ("NTILE(0) OVER ()", "1210"),
        ("NTILE(NULL) OVER ()", "1210"),
        ("NTILE(Goals) OVER ()", "1210"),
        ("NTH_VALUE(Name, 0) OVER ()", "1210"),
        ("LAG(Name, -1) OVER ()", "1210"),
        ("STD(Goals) OVER (ROWS 1 PRECEDING)", "Not "),
        ("BIT_OR(Goals) OVER (ORDER BY Name ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING)", "Not "),
        ("JSON_ARRAYAGG(Name) OVER w", "Not "),
        ("NTILE(@n) OVER ()", "Not "),
    ],
)
def test_a_frame_or_a_number_that_is_refused(call: str, number: str) -> None:
    with Sandbox(TASK) as db:
        error = db.execute(f"SELECT {call} FROM Players WINDOW w AS (ROWS 1 PRECEDING)").error
    assert error is not None
    assert error.startswith(number)


@pytest.mark.parametrize(
    ("call", "answers"),
    [
        ("COUNT(*) OVER (ROWS 99999999999999999999 PRECEDING)", [1, 2, 3, 4, 5, 6]),
        ("SUM(1) OVER (ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)", [2, 3, 3, 3, 3, 2]),
        ("COUNT(*) OVER (ORDER BY CAST(Goals AS DECIMAL(5,1)) RANGE BETWEEN 3 PRECEDING AND CURRENT ROW)",
         [1, 1, 2, 2, 1, 2]),
        ("JSON_ARRAYAGG(1) OVER (ORDER BY Name ROWS UNBOUNDED PRECEDING)",
         ["[1]", "[1, 1]", "[1, 1, 1]", "[1, 1, 1, 1]", "[1, 1, 1, 1, 1]", "[1, 1, 1, 1, 1, 1]"]),
        ("NTILE(2) OVER (ORDER BY Name)", [1, 1, 1, 2, 2, 2]),
    ],
)  # fmt: skip
def test_a_frame_that_is_answered(call: str, answers: list[object]) -> None:
    with Sandbox(TASK) as db:
        reply = db.execute(f"SELECT {call} FROM Players")
    assert reply.error is None
    assert [row[0] for row in reply.rows] == answers
