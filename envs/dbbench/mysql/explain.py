"""EXPLAIN, as far as what the server answers can be known: the plan that reads one whole table."""

from __future__ import annotations

from envs.dbbench.mysql.errors import Unsupported
from envs.dbbench.mysql.queries import QueryTranslator
from envs.dbbench.mysql.tree import Explain, Select, TableName, descendants


def explain(t: QueryTranslator, node: Explain) -> str:
    """The query for the answer. Raises Unsupported for every other plan: its costs are the optimizer's."""
    select = node.statement
    if node.analyze:
        raise Unsupported("EXPLAIN ANALYZE")
    if node.form not in ("", "tree"):
        raise Unsupported(f"EXPLAIN FORMAT={node.form.upper()}")
    if not isinstance(select, Select) or not isinstance(select.source, TableName) or select.source.database is not None:
        raise Unsupported("EXPLAIN of other than a query of one table")
    clauses = (select.where, select.group, select.having, select.windows, select.order, select.limit, select.distinct)
    calls = any(type(part).__name__ in ("Call", "Subquery", "Derived") for part in descendants(select))
    if any(clauses) or calls:
        raise Unsupported("EXPLAIN of a query with other clauses than SELECT and FROM")
    index = t.schema.index(select.source.name)
    name = t.param(select.source.alias or select.source.name)
    # A page's read costs 0.25 and a row's 0.1; of a table without rows one is expected.
    rows = f"max((SELECT COUNT(*) FROM t{index}), 1)"
    cost = f"rtrim(rtrim(round(0.25 + 0.1 * {rows}, 2), '0'), '.')"
    return (
        f"SELECT '-> Table scan on ' || {name} || '  (cost=' || {cost} || ' rows=' || {rows} || ')' || char(10) AS o0"
    )
