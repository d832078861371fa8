"""Random statements: whatever comes, the answer is a Reply, in time, and the next episode is unharmed."""

from __future__ import annotations

import logging
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sandbox_helpers import TASK

from envs.dbbench.sandbox import Reply, Sandbox

COLUMNS = ["Name", "Goals", "Team", "`Height (m)`", "p.Fee", "Born", "nosuch", "rowid", "*"]
LITERALS = [
    "1",
    "0",
    "-1",
    "1.5",
    "1e3",
    "'a'",
    "'12abc'",
    '"x"',
    "NULL",
    "TRUE",
    "'2020-01-01'",
    "x'41'",
    "9223372036854775807",
    "''",
    "DATE '2020-01-01'",
    "0x",
]
BINARY = [
    "+",
    "-",
    "*",
    "/",
    "DIV",
    "MOD",
    "%",
    "=",
    "<=>",
    "<",
    ">=",
    "<>",
    "AND",
    "OR",
    "XOR",
    "||",
    "&",
    "<<",
    "^",
    "LIKE",
    "NOT LIKE",
    "REGEXP",
    "IS",
    "COLLATE",
]
FUNCTIONS = [
    "LEFT",
    "CONCAT",
    "SUM",
    "COUNT",
    "MAX",
    "AVG",
    "GROUP_CONCAT",
    "IF",
    "COALESCE",
    "ROUND",
    "SUBSTRING",
    "YEAR",
    "STR_TO_DATE",
    "DATE_FORMAT",
    "REPLACE",
    "LPAD",
    "REPEAT",
    "GREATEST",
    "FORMAT",
    "FIELD",
    "NOSUCH",
    "REGEXP_REPLACE",
    "RANK",
    "CONV",
    "CHAR",
    "DATE",
    "DATE_ADD",
    "INSERT",
    "TRUNCATE",
    "MAKETIME",
    "FROM_UNIXTIME",
    "WEEK",
    "ELT",
    "LOCATE",
    "SUBSTRING_INDEX",
    "SEC_TO_TIME",
    "MAKEDATE",
    "FROM_DAYS",
    "POW",
    "EXP",
    "HEX",
    "MOD",
    "PERIOD_ADD",
]
SNIPPETS = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "(",
    ")",
    ",",
    ";",
    "'",
    "`",
    '"',
    "--",
    "/*",
    "*/",
    "LIMIT",
    "UNION",
    "JOIN",
    "ON",
    "USING",
    "AS",
    "IN",
    "NOT",
    "BETWEEN",
    "CASE",
    "WHEN",
    "END",
    "WITH",
    "OVER",
    "DISTINCT",
    "@",
    "@@version",
    ".",
    "\x00",
    "\x01",
    "é",
    "INTERVAL",
    "ROLLUP",
    "SET",
    "VALUES",
]


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(BINARY), inner).map(" ".join),
        st.tuples(st.sampled_from(FUNCTIONS), st.lists(inner, max_size=4)).map(lambda f: f"{f[0]}({', '.join(f[1])})"),
        inner.map(lambda e: f"({e})"),
        inner.map(lambda e: f"NOT {e}"),
        inner.map(lambda e: f"- {e}"),
        inner.map(lambda e: f"{e} IS NULL"),
        inner.map(lambda e: f"CAST({e} AS DECIMAL(10, 2))"),
        inner.map(lambda e: f"CAST({e} AS UNSIGNED)"),
        inner.map(lambda e: f"DATE_ADD({e}, INTERVAL 1 DAY)"),
        inner.map(lambda e: f"COUNT(DISTINCT {e})"),
        inner.map(lambda e: f"RANK() OVER (ORDER BY {e})"),
        inner.map(lambda e: f"(SELECT {e} FROM Clubs LIMIT 1)"),
        st.tuples(inner, inner, inner).map(lambda e: f"CASE {e[0]} WHEN {e[1]} THEN {e[2]} END"),
        st.tuples(inner, inner, inner).map(lambda e: f"{e[0]} BETWEEN {e[1]} AND {e[2]}"),
        st.tuples(inner, st.lists(inner, min_size=1, max_size=3)).map(lambda e: f"{e[0]} IN ({', '.join(e[1])})"),
    )


EXPRESSIONS = st.recursive(st.sampled_from(COLUMNS + LITERALS), compound, max_leaves=8)


@st.composite
def statements(draw: st.DrawFn) -> str:
    """Mostly well-formed statements on the tables of the unit task."""
    e = lambda: draw(EXPRESSIONS)  # noqa: E731
    some = lambda text: draw(st.sampled_from(["", text]))  # noqa: E731
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return (
            f"UPDATE Players p SET Goals = {e()}" + some(f" WHERE {e()}") + some(f" ORDER BY {e()}") + some(" LIMIT 2")
        )
    if kind == 1:
        return f"INSERT INTO Clubs (City) VALUES ({e()}), ({e()})"
    if kind == 2:
        return "DELETE FROM Players" + some(f" WHERE {e()}") + some(" LIMIT 1")
    select = f"SELECT {some('DISTINCT ')}{e()}{some(' AS x')}, {e()} FROM Players p" + some(
        " LEFT JOIN Clubs USING (Team)"
    )
    select += some(f" WHERE {e()}") + some(f" GROUP BY {e()}") + some(" WITH ROLLUP") + some(f" HAVING {e()}")
    if kind == 3:
        select = f"{select} UNION {some('ALL ')}SELECT {e()}, {e()}"
    select += some(f" ORDER BY {e()} DESC") + some(" LIMIT 3")
    return f"SELECT * FROM ({select}) AS d" if kind == 4 else select


MUTATED = st.tuples(statements(), st.lists(st.tuples(st.integers(0, 200), st.sampled_from(SNIPPETS)), max_size=3))


def mutate(statement: str, changes: list[tuple[int, str]]) -> str:
    for place, snippet in changes:
        place %= len(statement) + 1
        statement = f"{statement[:place]} {snippet} {statement[place + place % 3 :]}"
    return statement


def check(statement: str, dialect: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.clear()
    with Sandbox(TASK, dialect=dialect) as db:
        clean = db.table_hash()
        before = db.state()
        reply = db.execute(statement)  # raises where the sandbox's own code fails
        assert reply.error is None or db.state() == before
        assert isinstance(reply, Reply)
        assert isinstance(reply.text, str)
        assert reply.text
        assert (reply.error is None) or reply.rows == []
        assert reply.error is None or dialect == "sqlite" or reply.error[:4].isdigit()
        assert reply.error is None or "Unknown error" not in reply.error, reply.error
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    with Sandbox(TASK, dialect=dialect) as db:
        assert db.table_hash() == clean


STATEMENTS = int(os.environ.get("TRAIN_AGENT_FUZZ", "1000"))
"""Of four kinds together; 20,000 for the whole measurement."""
RELAXED = settings(
    max_examples=STATEMENTS // 4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.slow
@RELAXED
@given(statements())
def test_random_statements_of_the_grammar(caplog: pytest.LogCaptureFixture, statement: str) -> None:
    check(statement, "mysql", caplog)


@pytest.mark.slow
@RELAXED
@given(MUTATED)
def test_mutated_statements(caplog: pytest.LogCaptureFixture, parts: tuple[str, list[tuple[int, str]]]) -> None:
    check(mutate(*parts), "mysql", caplog)


@pytest.mark.slow
@RELAXED
@given(st.text(max_size=200))
def test_any_text(caplog: pytest.LogCaptureFixture, text: str) -> None:
    check(text, "mysql", caplog)


@pytest.mark.slow
@RELAXED
@given(MUTATED)
def test_mutated_statements_on_plain_sqlite(
    caplog: pytest.LogCaptureFixture, parts: tuple[str, list[tuple[int, str]]]
) -> None:
    check(mutate(*parts), "sqlite", caplog)
