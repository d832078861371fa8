"""MySQL for an intent. The same for the generator's gold and for the expert, who has to find the layout out first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from envs.dbbench.generator.intent import Condition, Intent, Layout, Value

ISO = "%Y-%m-%d"
_COMPARE = {"over": ">", "under": "<", "at least": ">=", "at most": "<=", "after": ">", "before": "<", "is": "="}
_AGGREGATE = {"sum": "SUM({})", "min": "MIN({})", "max": "MAX({})", "avg": "ROUND(AVG({}), 2)"}


def quote_name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def quote_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


class Query:
    """The SQL of one intent on one layout.

    Args:
        name: how to write a table's or a column's name; backticks unless told otherwise.
    """

    def __init__(self, intent: Intent, layout: Layout, name: Callable[[str], str] = quote_name) -> None:
        self.intent, self.layout, self.name = intent, layout, name
        used = [intent.target, intent.measure, *(condition.column for condition in intent.conditions)]
        homes = {layout.home(column, intent.table) for column in used if column}
        self.joined = sorted(homes - {intent.table}) if intent.kind not in ("insert", "update", "delete") else []

    def sql(self) -> str:
        """The statement that answers the question or makes the change."""
        intent, table = self.intent, self.name(self.intent.table)
        if intent.kind == "insert":
            columns = ", ".join(self.name(column) for column, _ in intent.settings)
            return f"INSERT INTO {table} ({columns}) VALUES ({', '.join(quote_text(v) for _, v in intent.settings)})"
        if intent.kind == "update":
            changes = ", ".join(f"{self.name(column)} = {quote_text(cell)}" for column, cell in intent.settings)
            return f"UPDATE {table} SET {changes}{self.where()}"
        if intent.kind == "delete":
            return f"DELETE FROM {table}{self.where()}"
        return f"SELECT {self.selected()}{self.source()}{self.where()}{self.order()}"

    def selected(self) -> str:
        intent = self.intent
        if intent.kind == "count":
            return "COUNT(*)"
        if intent.kind == "distinct":
            return f"COUNT(DISTINCT {self.column(intent.target)})"
        if intent.kind in _AGGREGATE:
            return _AGGREGATE[intent.kind].format(self.scale(intent.measure))
        return self.column(intent.target or self.key)

    @property
    def key(self) -> str:
        return self.layout.columns[self.intent.table][0]

    def source(self) -> str:
        main = self.name(self.intent.table)
        joins = ""
        for other in self.joined:
            link = self.name(self.layout.link(self.intent.table, other))
            joins += f" JOIN {self.name(other)} ON {main}.{link} = {self.name(other)}.{link}"
        return f" FROM {main}{joins}"

    def where(self) -> str:
        intent = self.intent
        tests = [self.test(condition) for condition in intent.conditions]
        if intent.kind == "compare":
            tests.append(f"{self.column(self.key)} IN ({', '.join(map(quote_text, intent.names))})")
        if intent.kind == "above":
            key, scale = self.column(self.key), self.scale(intent.measure)
            other = f"SELECT {scale}{self.source()} WHERE {key} = {quote_text(intent.names[0])}"
            tests.append(f"{scale} {'>' if intent.descending else '<'} ({other})")
        if intent.kind == "rank":
            tests.append(f"{self.column(intent.measure)} IS NOT NULL")
        return " WHERE " + " AND ".join(tests) if tests else ""

    def order(self) -> str:
        intent = self.intent
        if intent.kind not in ("compare", "rank"):
            return ""
        offset = f" OFFSET {intent.place - 1}" if intent.place > 1 else ""
        direction = "DESC" if intent.descending else "ASC"
        return f" ORDER BY {self.scale(intent.measure)} {direction} LIMIT {intent.size}{offset}"

    def test(self, condition: Condition) -> str:
        """One condition; of another table's column by a subquery where the statement cannot join."""
        home = self.layout.home(condition.column, self.intent.table)
        if home == self.intent.table or home in self.joined:
            return self.comparison(condition)
        link = self.name(self.layout.link(self.intent.table, home))
        return f"{link} IN (SELECT {link} FROM {self.name(home)} WHERE {self.comparison(condition)})"

    def comparison(self, condition: Condition) -> str:
        column = self.column(condition.column)
        if condition.op in ("missing", "known"):
            return f"{column} IS {'NOT ' if condition.op == 'known' else ''}NULL"
        first = condition.values[0]
        if condition.op == "contains":
            return f"{column} LIKE {quote_text(f'%{first}%')}"
        if isinstance(first, str):
            return f"{column} {'<>' if condition.op == 'is not' else '='} {quote_text(first)}"
        scale = self.scale(condition.column)
        if condition.op == "between":
            return f"{scale} BETWEEN {_literal(first)} AND {_literal(condition.values[1])}"
        return f"{scale} {_COMPARE[condition.op]} {_literal(first)}"

    def scale(self, column: str) -> str:
        """A cell as something that can be ordered: a number, or a date."""
        written = self.column(column)
        pattern = self.layout.dates.get(column)
        if pattern is not None:
            return written if pattern == ISO else f"STR_TO_DATE({written}, {quote_text(pattern)})"
        for piece in self.layout.junk.get(column, ()):
            written = f"REPLACE({written}, {quote_text(piece)}, '')"
        return f"CAST({written} AS DECIMAL(15,2))"

    def column(self, column: str) -> str:
        if not self.joined:
            return self.name(column)
        return f"{self.name(self.layout.home(column, self.intent.table))}.{self.name(column)}"


def _literal(value: Value) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return quote_text(value.isoformat() if isinstance(value, date) else value)
