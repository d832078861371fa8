"""Random statements over every function, type and clause: the layer answers, and never fails itself."""

from __future__ import annotations

import random

import pytest
from sandbox_helpers import TASK

from envs.dbbench.mysql import calls
from envs.dbbench.mysql.functions import FUNCTIONS
from envs.dbbench.mysql.handlers import HANDLERS
from envs.dbbench.sandbox import Sandbox

STATEMENTS = 700
NAMES = sorted(name for name in {**HANDLERS, **FUNCTIONS} if name.isupper())
ATOMS = (
    """
1|-3|2.5|1e3|NULL|'abc'|'12x'|''|'[1, {"a": "x"}]'|'{"a": [1, 2]}'|'$.a'|'$[0]'|'$**.a'|0x41|b'101'|x'FF00'|@a|@b|TRUE
@@sql_mode|Name|Goals|Fee|`Height (m)`|CURDATE()|NOW()|DATE '2020-01-02'|TIME '10:00:00'|18446744073709551615|'one'
CAST(5 AS UNSIGNED)|CAST('[1, 2]' AS JSON)|'İ'|'😀'
""".strip()
    .replace("\n", "|")
    .split("|")
)
OPERATORS = "+ - * / % DIV MOD = <> < <=> AND OR XOR | & ^ << LIKE REGEXP".split()  # noqa: SIM905
TYPES = ("SIGNED", "UNSIGNED", "CHAR(2)", "BINARY(3)", "DATE", "TIME", "DATETIME", "DECIMAL(5, 2)", "DOUBLE", "JSON")
AGGREGATES = ("SUM", "AVG", "MIN", "MAX", "COUNT", "GROUP_CONCAT", "JSON_ARRAYAGG", "STD", "BIT_OR")


class Writer:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def expression(self, depth: int = 0) -> str:
        def inner() -> str:
            return self.expression(depth + 1)

        choice = self.random.random()
        if depth > 2 or choice < 0.3:
            return self.random.choice(ATOMS)
        if choice < 0.65:
            name = self.random.choice(NAMES)
            least, most = calls.arity(name) or (0, 0)
            return f"{name}({', '.join(inner() for _ in range(self.random.randint(least, min(most, least + 2))))})"
        if choice < 0.8:
            return f"({inner()} {self.random.choice(OPERATORS)} {inner()})"
        return self.random.choice((
            f"CAST({inner()} AS {self.random.choice(TYPES)})", f"-{inner()}", f"(@a := {inner()})",
            f"CASE WHEN {inner()} THEN {inner()} ELSE {inner()} END", f"({inner()} IN ({inner()}, {inner()}))",
            f"({inner()} BETWEEN {inner()} AND {inner()})", f"({inner()} MEMBER OF ({inner()}))",
        ))  # fmt: skip

    def statement(self) -> str:
        one, two = self.expression(), self.expression()
        aggregate = f"{self.random.choice(AGGREGATES)}({self.expression(1)})"
        return self.random.choice((
            f"SELECT {one}, {two} FROM Players ORDER BY {self.expression(2)}", f"SELECT Name FROM Players WHERE {one}",
            f"SELECT {aggregate} FROM Players GROUP BY {self.expression(1)}", f"SET @b = {one}, @c = {two}",
            f"SELECT {aggregate}, GROUPING(Team) FROM Players GROUP BY Team WITH ROLLUP",
            f"SELECT DISTINCT {one} FROM Players EXCEPT SELECT {self.random.choice(ATOMS[:19])}",
            f"SELECT {one} INTO @b FROM Players LIMIT 1", f"UPDATE Players SET Note = {one} WHERE {two}",
            f"SELECT * FROM (SELECT {one} AS v FROM Players) d WHERE v <=> {self.random.choice(ATOMS[:19])}",
            f"DELETE FROM Players WHERE {one}", f"SHOW TABLE STATUS WHERE {self.random.choice(ATOMS[:19])}",
            f"SELECT @n := {one} FROM Players, (SELECT @n := {self.random.choice(ATOMS[:19])}) x ORDER BY Team",
        ))  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_the_layer_answers_every_statement(seed: int) -> None:
    writer = Writer(seed)
    answered = 0
    for _ in range(STATEMENTS):
        with Sandbox(TASK) as db:
            sql = writer.statement()
            reply = db.execute(sql)  # raises where the layer fails itself
            assert not (reply.error or "").startswith("1105"), sql
            answered += reply.error is None
    assert answered > STATEMENTS / 4
