"""Every function with values at the edges of its types: no failure of the layer's own, and no change where it fails."""

from __future__ import annotations

import os
import random

import pytest
from sandbox_helpers import TASK

from envs.dbbench.mysql import calls
from envs.dbbench.mysql.functions import FUNCTIONS
from envs.dbbench.sandbox import Sandbox
from envs.errors import InternalError

STATEMENTS = int(os.environ.get("TRAIN_AGENT_FUZZ", "2000"))
"""20,000 for the whole measurement."""

NAMES = [*(name for name in FUNCTIONS if name.isupper()), *calls.HANDLERS, "COUNT", "AVG", "MAX", "BIT_OR",
         "GROUP_CONCAT", "VAR_SAMP"]  # fmt: skip
EDGES = [
    "NULL", "0", "-1", "1", "1.5", "-0.5", "1e308", "-1e308", "1e-320", "18446744073709551615", "9223372036854775807",
    "-9223372036854775808", "99999999999999999999999999.99", "'9e999'", "''", "'abc'", "'İ'", "'😀'", "x'ff'", "~0",
    "'2020-02-30'", "'2020-01-01 25:61:61'", "DATE '2020-01-01'", "TIME '-838:59:59'", "Name", "Goals", "Fee", "Born",
    "Note", "'-838:59:59.999'", "'9999-12-31'", "'0000-00-00'", "1/3", "'%'", "'(['", r"'\\'", "CHAR(0)", "55296",
    "1114111", "2000000000", "-2000000000", "TRUE", "SUM(Goals)", "(SELECT Name FROM Players LIMIT 1)", "'1,2,3'",
    "NOW()", "'%Y-%m-%d %H'",
]  # fmt: skip
SHAPES = [
    "SELECT {e}", "SELECT {e} FROM Players", "SELECT * FROM Players WHERE {e} > {x}", "UPDATE Players SET Note = {e}",
    "SELECT Team FROM Players GROUP BY Team, {e}", "SELECT Name FROM Players ORDER BY {e} LIMIT 2",
    "DELETE FROM Players WHERE {e} = {x}", "SELECT MAX({e}), {x} FROM Players", "INSERT INTO Clubs VALUES ({e}, {x})",
]  # fmt: skip


def call(rng: random.Random, depth: int = 0) -> str:
    name = rng.choice(NAMES)
    least, most = calls.arity(name) or (1, 1)
    arguments = [
        call(rng, depth + 1) if depth < 2 and rng.random() < 0.15 else rng.choice(EDGES)
        for _ in range(rng.randint(least, min(most, least + 2)))
    ]
    return f"{name}({', '.join(arguments)})"


@pytest.mark.parametrize("seed", range(2))
def test_no_function_fails_inside(seed: int) -> None:
    rng = random.Random(seed)
    failed = []
    with Sandbox(TASK) as db:
        for _ in range(STATEMENTS // 2):
            sql = rng.choice(SHAPES).format(e=call(rng), x=rng.choice(EDGES))
            db.reset()
            before = db.state()
            try:
                reply = db.execute(sql)
            except InternalError as error:
                failed.append((sql, str(error)))
                continue
            if reply.error is not None and db.state() != before:
                failed.append((sql, reply.error))
    assert failed == []


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("BIN(~0)", "1" * 64),
        ("HEX(~0)", "F" * 16),
        ("LEFT('abc', ~0)", "abc"),
        ("SUBSTRING('abc', ~0)", ""),
        ("REPEAT('a', ~0)", None),
        ("SUBSTRING_INDEX('a,b', ',', ~0)", "a,b"),
        ("CAST(LAST_DAY('9999-12-31') AS CHAR)", "9999-12-31"),
        ("CEILING(1e300)", 1e300),
        ("CONNECTION_ID() > 0", 1),
    ],
)
def test_values_beyond_sqlites_integers(expression: str, value: object) -> None:
    with Sandbox(TASK) as db:
        assert db.execute(f"SELECT {expression}").rows == [(value,)]
