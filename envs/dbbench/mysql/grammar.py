"""MySQL's grammar of statements: `parse` gives the tree, or raises the error that MySQL answers."""

from __future__ import annotations

from collections.abc import Callable

from envs.dbbench.mysql.budget import Budget
from envs.dbbench.mysql.commandsyntax import COMMANDS, CommandParser
from envs.dbbench.mysql.setsyntax import read_set
from envs.dbbench.mysql.showsyntax import read_describe, read_show
from envs.dbbench.mysql.tree import (
    Column,
    Delete,
    Explain,
    Insert,
    Literal,
    Node,
    OrderItem,
    SelectInto,
    Statement,
    TableName,
    Update,
)


def parse(sql: str, budget: Budget) -> Statement:
    """The tree of one statement. Raises MySQLError: 1064, 1065 (empty), 1153 (too long), 1436 (too deep)."""
    return _Parser(sql, budget).statement()


class _Parser(CommandParser):
    def statement(self) -> Statement:
        """The whole text."""
        statement = self._statement()
        self.accept(";")
        if self.token.kind != "end":
            self.fail()
        return statement

    def _statement(self) -> Statement:
        readers: dict[str, Callable[[], Statement]] = {
            "INSERT": self._insert,
            "REPLACE": self._insert,
            "UPDATE": self._update,
            "DELETE": self._delete,
            "SHOW": lambda: read_show(self),
            "DESCRIBE": self._describe,
            "DESC": self._describe,
            "EXPLAIN": self._describe,
            "SET": lambda: read_set(self),
        }
        key = self.key
        if key in readers:
            return readers[key]()
        if key in ("SELECT", "WITH", "VALUES", "TABLE", "("):
            query = self.query_expression()
            return SelectInto(query, self.into) if self.into else query
        return self.command() if key in COMMANDS else self.fail()

    # --- changes

    def _insert(self) -> Insert:
        replace = self.key == "REPLACE"
        self.at += 1
        if self.key in ("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY"):
            self.at += 1
        ignore = self.accept("IGNORE")
        self.accept("INTO")
        insert = Insert(self.table_name(), None, None, None, replace, ignore)
        if self.key == "(" and not self.starts_query():
            insert.columns = [] if self.accept("(", ")") else self._insert_columns()
        if self.accept("SET") and insert.columns is None:
            assignments = self._assignments()
            insert.columns = [column.name for column, _ in assignments]
            insert.rows = [[value for _, value in assignments]]
        elif self.key in ("VALUES", "VALUE"):
            self.at += 1
            insert.rows = self._insert_rows()
            if self.accept("AS"):
                self.identifier()
        elif self.starts_query() or self.key in ("SELECT", "WITH", "TABLE"):
            insert.query = self.query_expression()
        else:
            self.fail()
        if self.accept("ON"):
            self.expect("DUPLICATE", "KEY", "UPDATE")
            self._assignments()
            insert.duplicate_updates = True
        return insert

    def _insert_columns(self) -> list[str]:
        self.expect("(")
        names = []
        while True:
            parts = [self.identifier()]
            while self.accept("."):
                parts.append(self.identifier())
            names.append(parts[-1])
            if not self.accept(","):
                break
        self.expect(")")
        return names

    def _insert_rows(self) -> list[list[Node]]:
        rows = []
        while True:
            self.accept("ROW")
            self.expect("(")
            row: list[Node] = []
            if self.key != ")":
                row.append(self._value_or_default())
                while self.accept(","):
                    row.append(self._value_or_default())
            self.expect(")")
            rows.append(row)
            if not self.accept(","):
                return rows

    def _value_or_default(self) -> Node:
        if self.key == "DEFAULT" and self.ahead() != "(":
            self.at += 1
            return Literal("", "null")  # every column's default is NULL here
        return self.expression()

    def _assignments(self) -> list[tuple[Column, Node]]:
        assignments = []
        while True:
            column = self.name() if self.at_identifier() else self.fail()
            if not isinstance(column, Column):
                self.fail()
            if not self.accept(":="):
                self.expect("=")
            assignments.append((column, self._value_or_default()))
            if not self.accept(","):
                return assignments

    def _update(self) -> Update:
        self.at += 1
        self.accept("LOW_PRIORITY")
        ignore = self.accept("IGNORE")
        source = self._from()
        self.expect("SET")
        assignments = self._assignments()
        return Update(source, assignments, *self._affected(), ignore)

    def _delete(self) -> Delete:
        self.at += 1
        ignore = False
        while self.key in ("LOW_PRIORITY", "QUICK", "IGNORE"):
            ignore |= self.key == "IGNORE"
            self.at += 1
        delete = self._delete_rows()
        delete.ignore = ignore
        return delete

    def _delete_rows(self) -> Delete:
        if self.key != "FROM":
            return self._delete_joined()
        self.expect("FROM")
        table = self._delete_target()
        if self.key in (",", "USING"):
            return self._delete_joined(table)
        table.alias = self._table_alias()
        return Delete(table, [table.alias or table.name], *self._affected())

    def _delete_joined(self, first: TableName | None = None) -> Delete:
        """DELETE a, b FROM a JOIN b .., or DELETE FROM a, b USING a JOIN b .."""
        targets = [first or self._delete_target()]
        while self.accept(","):
            targets.append(self._delete_target())
        self.expect("USING" if first else "FROM")
        source = self._from()
        where = self.expression() if self.accept("WHERE") else None
        return Delete(source, [target.name for target in targets], where, [], None)

    def _delete_target(self) -> TableName:
        """A table's name, to which `.*` may be added."""
        parts = [self.identifier()]
        while self.accept("."):
            if self.accept("*"):
                break
            parts.append(self.identifier())
        return TableName(parts[-1], database=parts[0] if len(parts) > 1 else None)

    def _affected(self) -> tuple[Node | None, list[OrderItem], Node | None]:
        where = self.expression() if self.accept("WHERE") else None
        order = self._order()
        limit: Node | None = Literal(str(self.integer()), "int") if self.accept("LIMIT") else None
        return where, order, limit

    def _describe(self) -> Statement:
        """DESCRIBE a table, or EXPLAIN a statement, which are the same word."""
        self.at += 1
        analyze = self.accept("ANALYZE")
        form = ""
        if self.accept("FORMAT"):
            self.expect("=")
            form = (self.string() if self.token.kind == "string" else self.identifier()).lower()
        if analyze or form or self.key in ("SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH", "TABLE", "("):
            return Explain(self._statement(), form, analyze)
        return read_describe(self)
