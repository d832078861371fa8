"""Single calls of functions that would take minutes or gigabytes: no clock of SQLite's stops those meanwhile."""

from __future__ import annotations

import resource

import pytest
from sandbox_helpers import TASK

from envs.dbbench.sandbox import Sandbox

MEGABYTES = 400
MANY = "CAST(CONCAT('[', REPEAT('{}', 60000), '1]') AS JSON)"
CALLS = [
    f"JSON_CONTAINS({MANY.format('[0],')}, {MANY.format('[2],')})",
    f"JSON_CONTAINS({MANY.format('[[0,1,2,3]],')}, {MANY.format('[[4]],')})",
    f"JSON_CONTAINS(JSON_ARRAY({MANY.format('0,')}), {MANY.format('[1],')})",
    "JSON_EXTRACT('1', CONCAT('$', REPEAT('[0]', 300000)))",
    f"JSON_EXTRACT(CONCAT(REPEAT('[', 90), REPEAT('[],', 90000), '1', REPEAT(']', 90)), '${'**[*]' * 60}')",
    f"JSON_SET('[]', '$[0]', {MANY.format('[],')}, '$[1]', {MANY.format('{{}},')})",
    "LPAD('', 1000000, REPEAT('b', 30000))",
    "RPAD('', 1000000, REPEAT('b', 30000))",
    "'b' LIKE CONCAT(REPEAT('_a', 490000), 'b')",
    f"(SELECT GROUP_CONCAT('' SEPARATOR '{'x' * 30000}') FROM Players a, Players b, Players c, Players d, Players e, "
    "Players f)",
]  # fmt: skip


def most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[:40])
def test_a_call_that_would_take_long_or_much_memory_ends_early(call: str) -> None:
    before = most_memory()
    with Sandbox(TASK) as db:
        db.execute(f"SELECT LENGTH({call})")
        assert db.execute("SELECT 1").rows == [(1,)]
    assert most_memory() - before < MEGABYTES


def test_documents_contain_each_other_as_before() -> None:
    nested = '\'[1, [2, 3], {"a": [4, 5]}, "x", null, true]\''
    wanted = {"1": 1, "2": 0, "[[3]]": 1, "[3]": 0, '{"a": 4}': 1, '{"a": 6}': 0, '[1, "x", null]': 1, "true": 1,
              "[true, 1, [2]]": 1, "false": 0, "1.0": 1}  # fmt: skip
    with Sandbox(TASK) as db:
        assert {text: db.execute(f"SELECT JSON_CONTAINS({nested}, '{text}')").rows[0][0] for text in wanted} == wanted


def test_long_patterns_and_paths_do_not_stay_in_memory() -> None:
    with Sandbox(TASK) as db:
        for i in range(3):
            assert db.execute(f"SELECT 'b' LIKE CONCAT(REPEAT('%_a', 700), '{i}')").stopped == "time"
            assert db.execute(f"SELECT JSON_EXTRACT('1', CONCAT('$', REPEAT('[0]', 400), '[{i}]'))").stopped == "size"
        assert db.execute("SELECT REPEAT('ab', 900) LIKE REPEAT('_b', 900)").rows == [(1,)]
