"""MySQL's grammar of statements: `parse` gives the tree, or raises the error that MySQL answers."""

from __future__ import annotations

from collections.abc import Callable

from envs.dbbench.mysql.budget import Budget
from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.querysyntax import QueryParser
from envs.dbbench.mysql.tree import (
    Column,
    Command,
    Delete,
    Insert,
    Literal,
    Node,
    OrderItem,
    Show,
    Statement,
    TableName,
    Update,
)

# Statements known to the grammar, not taken apart further: none of them is for the agent.
_COMMANDS = frozenset(
    """
    ALTER ANALYZE BEGIN CALL CHANGE CHECK CHECKSUM COMMIT CREATE DEALLOCATE DO DROP EXECUTE EXPLAIN FLUSH GET GRANT
    HANDLER HELP IMPORT INSTALL KILL LOAD LOCK OPTIMIZE PREPARE PURGE RELEASE RENAME REPAIR RESET RESTART REVOKE
    ROLLBACK SAVEPOINT SET SHUTDOWN START STOP TRUNCATE UNINSTALL UNLOCK USE XA
    """.split()  # noqa: SIM905
)


def parse(sql: str, budget: Budget) -> Statement:
    """The tree of one statement. Raises MySQLError: 1064, 1065 (empty), 1153 (too long), 1436 (too deep)."""
    return _Parser(sql, budget).statement()


class _Parser(QueryParser):
    def statement(self) -> Statement:
        readers: dict[str, Callable[[], Statement]] = {
            "INSERT": self._insert,
            "REPLACE": self._insert,
            "UPDATE": self._update,
            "DELETE": self._delete,
            "SHOW": self._show,
            "DESCRIBE": self._describe,
            "DESC": self._describe,
            "EXPLAIN": self._describe,
        }
        key = self.key
        if key in readers:
            statement: Statement = readers[key]()
        elif key in ("SELECT", "WITH", "VALUES", "TABLE", "("):
            statement = self.query_expression()
        elif key in _COMMANDS:
            return self._command()
        else:
            self.fail()
        self.accept(";")
        if self.token.kind != "end":
            self.fail()
        return statement

    # --- changes

    def _insert(self) -> Insert:
        replace = self.key == "REPLACE"
        self.at += 1
        if self.key in ("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY"):
            self.at += 1
        ignore = self.accept("IGNORE")
        self.accept("INTO")
        insert = Insert(self._table_name(), None, None, None, replace, ignore)
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
        self.accept("IGNORE")
        source = self._from()
        self.expect("SET")
        assignments = self._assignments()
        return Update(source, assignments, *self._affected())

    def _delete(self) -> Delete:
        self.at += 1
        while self.key in ("LOW_PRIORITY", "QUICK", "IGNORE"):
            self.at += 1
        if self.key != "FROM":
            return self._delete_joined()
        self.expect("FROM")
        table = self._table_name()
        if self.key in (",", "USING"):
            return self._delete_joined(table)
        table.alias = self._table_alias()
        return Delete(table, table.alias or table.name, *self._affected())

    def _delete_joined(self, first: TableName | None = None) -> Delete:
        """DELETE a FROM a JOIN b .., or DELETE FROM a USING a JOIN b ..; of one table at a time."""
        target = first or self._table_name()
        self.accept(".", "*")
        if self.key == ",":
            raise MySQLError(1235, "DELETE from several tables at once")
        self.expect("USING" if first else "FROM")
        source = self._from()
        where = self.expression() if self.accept("WHERE") else None
        return Delete(source, target.name, where, [], None)

    def _affected(self) -> tuple[Node | None, list[OrderItem], Node | None]:
        where = self.expression() if self.accept("WHERE") else None
        order = self._order()
        limit: Node | None = Literal(str(self.integer()), "int") if self.accept("LIMIT") else None
        return where, order, limit

    # --- looking around

    def _show(self) -> Statement:
        self.expect("SHOW")
        self.accept("EXTENDED")
        full = self.accept("FULL")
        key = self.key
        if self.token.kind != "word":
            self.fail()
        self.at += 1
        if key in ("TABLES", "DATABASES", "SCHEMAS", "VARIABLES", "STATUS", "COLLATION", "CHARSET", "PROCEDURE",
                   "FUNCTION", "TRIGGERS", "EVENTS"):  # fmt: skip
            if key in ("PROCEDURE", "FUNCTION"):
                self.expect("STATUS")
            return self._show_list(Show(key.lower().replace("schemas", "databases"), full=full), key)
        if key in ("GLOBAL", "SESSION") and self.key in ("VARIABLES", "STATUS"):
            self.at += 1
            return self._filtered(Show(self.keys[self.at - 1].lower()))
        if key == "TABLE" and self.accept("STATUS"):
            return self._show_list(Show("table status"), "TABLES")
        if key in ("COLUMNS", "FIELDS", "INDEX", "INDEXES", "KEYS"):
            what = "columns" if key in ("COLUMNS", "FIELDS") else "index"
            return self._filtered(Show(what, self._from_table(), full=full))
        if key == "CREATE" and self.key in ("TABLE", "VIEW", "DATABASE", "SCHEMA"):
            self.at += 1
            what = "create " + self.keys[self.at - 1].lower().replace("schema", "database")
            return Show(what, self._table_name())
        if key in ("WARNINGS", "ERRORS"):
            self._limit()
            return Show("warnings")
        if key in ("GRANTS", "PROCESSLIST", "ENGINES", "PRIVILEGES", "PLUGINS"):
            return Show(key.lower())
        self.at -= 1
        return self.fail()

    def _show_list(self, show: Show, key: str) -> Show:
        if key in ("TABLES", "TRIGGERS", "EVENTS") and self.key in ("FROM", "IN"):
            self.at += 1
            show.table = TableName("", database=self.identifier())
        return self._filtered(show)

    def _from_table(self) -> TableName:
        if self.key not in ("FROM", "IN"):
            self.fail()
        self.at += 1
        table = self._table_name()
        if self.key in ("FROM", "IN"):
            self.at += 1
            table.database = self.identifier()
        return table

    def _filtered(self, show: Show) -> Show:
        if self.accept("LIKE"):
            show.like = self.string()
        elif self.accept("WHERE"):
            show.where = self.expression()
        return show

    def _describe(self) -> Statement:
        if self.ahead() in ("SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH", "FORMAT", "ANALYZE", "("):
            return self._command()
        self.at += 1
        show = Show("columns", self._table_name())
        if self.at_identifier() or self.token.kind == "string":
            show.like = self.token.text
            self.at += 1
        return show

    def _command(self) -> Command:
        verb = self.key
        words = [token.text for token in self.tokens[self.at + 1 :] if token.kind in ("word", "quoted")]
        for i, key in enumerate(self.keys[self.at :], self.at):
            if key == ";":
                # A second statement is refused before the first is looked at.
                self.at = i + 1
                if self.token.kind != "end":
                    self.fail()
        self.at = len(self.tokens) - 1
        return Command(verb, " ".join(words))
