"""MySQL's grammar of queries: query expressions, query blocks, FROM."""

from __future__ import annotations

from collections.abc import Callable

from envs.dbbench.mysql.budget import Budget
from envs.dbbench.mysql.errors import MySQLError, Unsupported
from envs.dbbench.mysql.expressions import ExpressionParser
from envs.dbbench.mysql.tree import (
    CommonTable,
    Derived,
    From,
    Join,
    Literal,
    Node,
    OrderItem,
    Query,
    Select,
    SelectItem,
    SetOperation,
    Star,
    TableName,
    Values,
    With,
)

_SELECT_OPTIONS = {"ALL", "DISTINCT", "DISTINCTROW", "HIGH_PRIORITY", "STRAIGHT_JOIN", "SQL_SMALL_RESULT",
                   "SQL_BIG_RESULT", "SQL_BUFFER_RESULT", "SQL_NO_CACHE", "SQL_CALC_FOUND_ROWS"}  # fmt: skip


class QueryParser(ExpressionParser):
    """Reads queries; statements are the subclass's (grammar.py)."""

    def __init__(self, sql: str, budget: Budget) -> None:
        super().__init__(sql, budget)
        self.into: list[str] = []  # the user variables of SELECT ... INTO

    def query_expression(self) -> Query:
        self.depth += 1
        if self.depth > 30:
            raise MySQLError(1436, 1028576)
        if self.accept("WITH"):
            recursive = self.accept("RECURSIVE")
            tables = [self._common_table()]
            while self.accept(","):
                tables.append(self._common_table())
            if self.key in ("UPDATE", "DELETE"):
                raise Unsupported(f"WITH before {self.key}")
            query: Query = With(tables, recursive, self._ordered(self._union()))
        else:
            query = self._ordered(self._union())
        self.depth -= 1
        return query

    def _common_table(self) -> CommonTable:
        name = self.identifier()
        columns = self._names() if self.key == "(" else None
        self.expect("AS", "(")
        query = self.query_expression()
        self.expect(")")
        return CommonTable(name, columns, query)

    def _names(self) -> list[str]:
        self.expect("(")
        names = [self.identifier()]
        while self.accept(","):
            names.append(self.identifier())
        self.expect(")")
        return names

    def _union(self) -> Query:
        left = self._intersection()
        while self.key in ("UNION", "EXCEPT"):
            operator = self.key.lower()
            self.at += 1
            left = SetOperation(left, *self._right_side(operator, self._intersection))
        return left

    def _intersection(self) -> Query:
        left = self._query_primary()
        while self.accept("INTERSECT"):
            left = SetOperation(left, *self._right_side("intersect", self._query_primary))
        return left

    def _right_side(self, operator: str, below: Callable[[], Query]) -> tuple[Query, str, bool]:
        keep_all = self.accept("ALL")
        if not keep_all:
            self.accept("DISTINCT")
        right: Query = below()
        return right, operator, keep_all

    def _query_primary(self) -> Query:
        if self.accept("("):
            query = self.query_expression()
            self.expect(")")
            # Parentheses keep an inner ORDER BY and LIMIT apart from the outer ones.
            return query
        if self.accept("VALUES"):
            return self._values()
        if self.accept("TABLE"):
            return Select([SelectItem(Star(), None, "*")], self.table_name())
        return self._select()

    def _values(self) -> Values:
        rows = []
        while True:
            self.expect("ROW", "(")
            rows.append(self.expressions())
            self.expect(")")
            if not self.accept(","):
                return Values(rows)

    def _ordered(self, query: Query) -> Query:
        order = self._order()
        limit, offset = self.limit()
        self._locking()
        if not order and limit is None:
            return query
        if isinstance(query, With) or query.order or query.limit is not None:
            star = [SelectItem(Star(), None, "*")]
            query = Select(star, Derived(query, "\0outer"))
        query.order, query.limit, query.offset = order, limit, offset
        return query

    def _order(self) -> list[OrderItem]:
        if not self.accept("ORDER"):
            return []
        self.expect("BY")
        return self.order_items()

    def limit(self) -> tuple[Node | None, Node | None]:
        if not self.accept("LIMIT"):
            return None, None
        first: Node = Literal(str(self.integer()), "int")
        if self.accept(","):
            return Literal(str(self.integer()), "int"), first
        if self.accept("OFFSET"):
            return first, Literal(str(self.integer()), "int")
        return first, None

    def _locking(self) -> None:
        if self.accept("INTO"):
            self._into()
        if self.accept("FOR"):
            if self.key not in ("UPDATE", "SHARE"):
                self.fail()
            self.at += 1
            if not self.accept("NOWAIT"):
                self.accept("SKIP", "LOCKED")
        elif self.key == "LOCK":
            self.expect("LOCK", "IN", "SHARE", "MODE")
        if self.accept("INTO"):
            self._into()

    def _into(self) -> None:
        if self.key in ("OUTFILE", "DUMPFILE"):
            raise MySQLError(1227, "FILE")
        if self.into:
            self.fail()
        if self.depth > 1:
            raise MySQLError(3954)
        while True:
            if self.key != "@":
                raise MySQLError(1327, self.identifier())
            self.into.append(self.variable().name)
            if not self.accept(","):
                return

    def _select(self) -> Select:
        self.expect("SELECT")
        distinct = False
        while self.key in _SELECT_OPTIONS:
            distinct |= self.key in ("DISTINCT", "DISTINCTROW")
            self.at += 1
        select = Select(self.select_items(), distinct=distinct)
        if self.accept("INTO"):
            self._into()
        if self.accept("FROM") and not self.accept("DUAL"):
            select.source = self._from()
        if self.accept("WHERE"):
            select.where = self.expression()
        if self.accept("GROUP"):
            self.expect("BY")
            select.group = self.expressions()
            select.rollup = self.accept("WITH", "ROLLUP")
        if self.accept("HAVING"):
            select.having = self.expression()
        if self.accept("WINDOW"):
            self._named_windows(select)
        if self.accept("QUALIFY"):
            self.expression()
            raise MySQLError(6037, "QUALIFY clause")
        return select

    def _named_windows(self, select: Select) -> None:
        while True:
            name = self.identifier()
            self.expect("AS")
            select.windows[name.lower()] = self.window_specification()
            if not self.accept(","):
                return

    def select_items(self) -> list[SelectItem]:
        items = []
        if self.accept("*"):
            items.append(SelectItem(Star(), None, "*"))
            if not self.accept(","):
                return items
        while True:
            start = self.token.start
            expression = self.expression()
            text = self.sql[start : self.tokens[self.at - 1].end]
            items.append(SelectItem(expression, self._select_alias(expression), text))
            if not self.accept(","):
                return items

    def _select_alias(self, expression: Node) -> str | None:
        if isinstance(expression, Star):
            return None
        explicit = self.accept("AS")
        if self.token.kind == "string":
            return self.string()
        return self.identifier() if explicit or self.at_identifier() else None

    # --- FROM

    def _from(self) -> From:
        left = self._joined()
        while self.accept(","):
            left = Join(left, self._joined(), "inner")
        return left

    def _joined(self) -> From:
        left = self._table_factor()
        while True:
            natural = self.accept("NATURAL")
            if self.key in ("LEFT", "RIGHT"):
                kind = self.key.lower()
                self.at += 1
                self.accept("OUTER")
                self.expect("JOIN")
                join = Join(left, self._table_factor(), kind, natural=natural)
                if not natural and self.key not in ("ON", "USING"):
                    # a LEFT JOIN b JOIN c ON .. ON ..: the inner join belongs to the right side.
                    join.right = self._nested_right(join.right)
            elif self.key in ("INNER", "CROSS", "JOIN", "STRAIGHT_JOIN"):
                if self.key in ("INNER", "CROSS"):
                    self.at += 1
                    self.expect("JOIN")
                else:
                    self.at += 1
                join = Join(left, self._table_factor(), "inner", natural=natural)
            elif natural:
                self.fail()
            else:
                return left
            if not natural:
                self._join_condition(join)
            left = join

    def _nested_right(self, right: From) -> From:
        while self.key in ("INNER", "CROSS", "JOIN"):
            self.accept("INNER") or self.accept("CROSS")
            self.expect("JOIN")
            inner = Join(right, self._table_factor(), "inner")
            self._join_condition(inner)
            right = inner
        return right

    def _join_condition(self, join: Join) -> None:
        if self.accept("ON"):
            join.on = self.expression()
        elif self.accept("USING"):
            join.using = self._names()
        elif join.kind != "inner":
            self.fail()

    def _table_factor(self) -> From:
        lateral = self.accept("LATERAL")
        if lateral and not self.starts_query():
            self.fail()
        if self.key == "JSON_TABLE" and self.ahead() == "(":
            raise Unsupported("JSON_TABLE")
        if self.starts_query():
            return self._derived(lateral)
        if self.accept("("):
            source = self._from()
            self.expect(")")
            return source
        return self._aliased_table()

    def _derived(self, lateral: bool) -> From:
        self.expect("(")
        query = self.query_expression()
        self.expect(")")
        alias = self._table_alias()
        if alias is None:
            raise MySQLError(1248)
        return Derived(query, alias, self._names() if self.key == "(" else None, lateral)

    def _table_alias(self) -> str | None:
        if self.accept("AS") or self.at_identifier():
            return self.identifier()
        return None

    def table_name(self) -> TableName:
        name = self.identifier()
        if self.accept("."):
            return TableName(self.identifier(), database=name)
        return TableName(name)

    def _aliased_table(self) -> TableName:
        table = self.table_name()
        table.alias = self._table_alias()
        while self.key in ("USE", "FORCE", "IGNORE"):
            self.at += 1
            if self.key not in ("INDEX", "KEY"):
                self.fail()
            self.at += 1
            if self.accept("FOR") and not (self.accept("JOIN") or self.accept("ORDER", "BY")):
                self.expect("GROUP", "BY")
            if not self.accept("(", ")"):
                self._names()
        return table
