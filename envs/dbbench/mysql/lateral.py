"""LATERAL queries that see the tables before them: SQLite has none, but one row is a scalar subquery a column."""

from __future__ import annotations

from envs.dbbench.mysql.errors import Unsupported
from envs.dbbench.mysql.scope import SourceColumn
from envs.dbbench.mysql.translate import Output, contains_aggregate
from envs.dbbench.mysql.tree import Query, Select


def lateral_columns(query: Query, output: Output, names: list[str]) -> list[SourceColumn]:
    """The columns of the query's one row. Raises Unsupported where it may return another number of rows."""
    if (
        not isinstance(query, Select)
        or (query.group or query.having or query.limit)
        or not any(contains_aggregate(item.expression) for item in query.items)
    ):
        raise Unsupported("LATERAL of a query that may return other than one row")
    return [
        SourceColumn(name, type_, f"(SELECT o{i} FROM ({output.sql}))")
        for i, (name, type_) in enumerate(zip(names, output.types, strict=True))
    ]
