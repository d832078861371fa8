"""What planning a statement may take: time, and text of SQL. Some statements of a few hundred characters would fill the
memory otherwise, since an expression or a common table is copied to where it is used."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from time import monotonic

from envs.dbbench.mysql.errors import MySQLError

MAX_SQL = 300_000  # characters of one expression, block or statement for SQLite
MAX_COLUMNS = 4096  # MySQL's limit of a table or a select list
MAX_TABLES = 61  # MySQL's limit of a join
MAX_WINDOWS = 127  # of one block: SQLite plans them in quadratic time
_MAX_WRITTEN = 20_000_000  # characters of all expressions and blocks
_MAX_INLINED = 100_000
_DERIVED_COLUMN = re.compile(r"a\d+\.o\d+")


class PlanningTimeout(Exception):
    """Planning took longer than the statement may: says nothing about the statement on another day."""


class Budget:
    """The time and text of one statement's plan.

    Args:
        seconds: that parsing and translating may take together.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self._end = monotonic() + seconds
        self._left = _MAX_WRITTEN
        self._sizes: dict[str, int] = {}
        self._columns: dict[str, list[int]] = {}

    def check(self) -> None:
        """Raises PlanningTimeout when the time is used up."""
        if monotonic() > self._end:
            raise PlanningTimeout

    def spend(self, characters: int) -> None:
        """Counts text of SQL. Raises 1436, MySQL's error for what is too complex, or PlanningTimeout."""
        self.check()
        self._left -= characters
        if characters > MAX_SQL or self._left < 0:
            raise MySQLError(1436, 1028576)

    def note_sizes(self, query: str, sizes: Sequence[int]) -> None:
        """Notes how large each column of a query's SQL is once inlined."""
        self._columns[query] = [*map(max, self._columns.get(query, sizes), sizes)]

    def copy_sizes(self, query: str, other: str) -> None:
        """Notes that another query has the columns of the first, perhaps with more in each."""
        self.note_sizes(other, self._columns.get(query, ()))

    def derive(self, alias: str, query: str) -> None:
        """Notes that a query's columns are `{alias}.o0`, `{alias}.o1` ..."""
        self._sizes.update((f"{alias}.o{i}", size) for i, size in enumerate(self._columns.get(query, ())))

    def inlined(self, sql: str) -> int:
        """The size of SQL once SQLite has put the columns' expressions in place of derived tables' columns, which it
        does while it compiles and nothing can stop it. Raises 1436 where that grows without bounds."""
        size = 1 + sum(self._sizes.get(column, 1) for column in _DERIVED_COLUMN.findall(sql))
        if size > _MAX_INLINED:
            raise MySQLError(1436, 1028576)
        return size
