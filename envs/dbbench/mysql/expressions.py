"""MySQL's grammar of expressions by recursive descent, in the levels of sql_yacc.yy.

The levels (expr, boolean primary, predicate, bit expression, simple expression) are the manual's, "Expressions".
They matter beyond precedence: a syntax error is reported at the first token that cannot continue what was read, and
the agent sees the text from there. General parsers accept more than MySQL does and so cannot tell where it stops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from envs.dbbench.mysql.callsyntax import CallParser
from envs.dbbench.mysql.castsyntax import cast_type
from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.tokens import MAX_DEPTH
from envs.dbbench.mysql.tree import (
    Assignment,
    Call,
    Case,
    Cast,
    Column,
    Interval,
    Literal,
    Node,
    Operation,
    Row,
    Subquery,
    Variable,
)
from envs.dbbench.mysql.words import RESERVED_FUNCTIONS, WINDOW_FUNCTIONS

if TYPE_CHECKING:
    from envs.dbbench.mysql.tree import Query

_COMPARISONS = {"=": "=", "<=>": "<=>", ">=": ">=", ">": ">", "<=": "<=", "<": "<", "<>": "<>", "!=": "<>"}
_BIT_LEVELS: tuple[dict[str, str], ...] = (
    {"|": "|"},
    {"&": "&"},
    {"<<": "<<", ">>": ">>"},
    {"+": "+", "-": "-"},
    {"*": "*", "/": "/", "%": "%", "DIV": "div", "MOD": "%"},
    {"^": "^"},
)


_CHARACTER_SETS = frozenset({"UTF8MB4", "UTF8", "UTF8MB3", "LATIN1", "ASCII", "BINARY"})


class ExpressionParser(CallParser):
    """Reads expressions from a statement's tokens."""

    def query_expression(self) -> Query:
        raise NotImplementedError

    # --- expr

    def expression(self) -> Node:
        self.budget.check()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise MySQLError(1436, 1028576)
        left = self._series("or", ("OR", "||"), self._xor)
        self.depth -= 1
        return left

    def _series(self, operator: str, keys: tuple[str, ...], below: Callable[[], Node]) -> Node:
        operands: list[Node] = [below()]
        while self.key in keys:
            self.at += 1
            operands.append(below())
        return operands[0] if len(operands) == 1 else Operation(operator, operands)

    def _xor(self) -> Node:
        left = self._and()
        while self.accept("XOR"):
            left = Operation("xor", [left, self._and()])
        return left

    def _and(self) -> Node:
        return self._series("and", ("AND", "&&"), self._not)

    def _not(self) -> Node:
        if self.accept("NOT"):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise MySQLError(1436, 1028576)
            negated = Operation("not", [self._not()])
            self.depth -= 1
            return negated
        left = self._boolean_primary()
        if self.key == "IS":
            self.at += 1
            negated_test = self.accept("NOT")
            if self.key not in ("TRUE", "FALSE", "UNKNOWN"):
                self.fail()
            self.at += 1
            return Operation(f"is {self.keys[self.at - 1].lower()}", [left], negated_test)
        return left

    # --- boolean primary

    def _boolean_primary(self) -> Node:
        left = self._predicate()
        while True:
            if self.key == "IS" and "NULL" in (self.ahead(), self.ahead(2) if self.ahead() == "NOT" else ""):
                self.at += 1
                negated = self.accept("NOT")
                self.expect("NULL")
                left = Operation("is null", [left], negated)
            elif self.key in _COMPARISONS:
                operator = _COMPARISONS[self.key]
                self.at += 1
                if self.key in ("ALL", "ANY", "SOME") and self.ahead() == "(":
                    quantifier = "all" if self.key == "ALL" else "any"
                    self.at += 1
                    left = Operation(operator, [left, self._subquery(quantifier)])
                else:
                    left = Operation(operator, [left, self._predicate()])
            else:
                return left

    # --- predicate

    def _predicate(self) -> Node:
        left = self.bits()
        negated = self.key == "NOT"
        if negated:
            self.at += 1
        if self.accept("IN"):
            return self._in(left, negated)
        if self.accept("BETWEEN"):
            low = self.bits()
            self.expect("AND")
            return Operation("between", [left, low, self._predicate()], negated)
        if self.accept("LIKE"):
            operands = [left, self._simple()]
            if self.accept("ESCAPE"):
                operands.append(self._simple())
            return Operation("like", operands, negated)
        if self.accept("REGEXP") or self.accept("RLIKE"):
            return Operation("regexp", [left, self.bits()], negated)
        if negated:
            self.fail()
        if self.accept("MEMBER"):
            self.accept("OF")
            self.expect("(")
            call = Call("MEMBER OF", [left, self._simple()])
            self.expect(")")
            return call
        if self.accept("SOUNDS"):
            self.expect("LIKE")
            return Operation("=", [Call("SOUNDEX", [left]), Call("SOUNDEX", [self.bits()])])
        return left

    def _in(self, left: Node, negated: bool) -> Node:
        if self.starts_query():
            return Operation("in", [left, self._subquery("in")], negated)
        self.expect("(")
        items = self.expressions()
        self.expect(")")
        return Operation("in", [left, *items], negated)

    def _subquery(self, test: str = "") -> Subquery:
        self.expect("(")
        query = self.query_expression()
        self.expect(")")
        return Subquery(query, test)

    # --- bit expression

    def bits(self, level: int = 0) -> Node:
        if level == len(_BIT_LEVELS):
            return self._simple()
        left = self.bits(level + 1)
        while (key := self.key) in _BIT_LEVELS[level]:
            self.at += 1
            if key in "+-" and self.key == "INTERVAL":
                self.at += 1
                left = self.interval(left, -1 if key == "-" else 1)
            else:
                left = Operation(_BIT_LEVELS[level][key], [left, self.bits(level + 1)])
        return left

    # --- simple expression

    def _simple(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise MySQLError(1436, 1028576)
        node = self._unary()
        while self.accept("COLLATE"):
            name = self.string() if self.token.kind == "string" else self._collation_name()
            node = Operation("collate", [node, Literal(name.lower(), "string")])
        self.depth -= 1
        return node

    def _collation_name(self) -> str:
        return "binary" if self.accept("BINARY") else self.identifier()

    def _unary(self) -> Node:
        key = self.key
        if key in ("-", "+", "~", "!"):
            self.at += 1
            operand = self._simple()
            return operand if key == "+" else Operation({"-": "negate", "~": "~", "!": "not"}[key], [operand])
        if key == "BINARY":
            self.at += 1
            return Cast(self._simple(), "BINARY")
        return self._primary()

    def _primary(self) -> Node:
        token, key = self.token, self.key
        if token.kind == "string":
            return self._string_literal()
        if token.kind == "number":
            self.at += 1
            return _number(token.text)
        if token.kind == "bytes":
            self.at += 1
            return Literal(token.text, "bytes")
        if key == "(":
            return self._parenthesised()
        if key == "@":
            return self._variable()
        if key == "{":
            return self._odbc()
        if key.startswith("_") and key[1:] in _CHARACTER_SETS and self.tokens[self.at + 1].kind in ("string", "bytes"):
            return self._introduced()
        if special := getattr(self, f"_primary_{key.lower()}", None) if key.isalpha() else None:
            assert callable(special)
            if (node := special()) is not None:
                assert isinstance(node, Node)
                return node
        if key in WINDOW_FUNCTIONS or key in RESERVED_FUNCTIONS:
            return self.function()
        node = self.name()
        if isinstance(node, Column) and self.key in ("->", "->>"):
            return self._json_path(node)
        return node

    def _json_path(self, column: Column) -> Node:
        """`column->'$.path'` is JSON_EXTRACT, with `->>` also unquoted."""
        unquoted = self.key == "->>"
        self.at += 1
        call = Call("JSON_EXTRACT", [column, Literal(self.string(), "string")])
        return Call("JSON_UNQUOTE", [call]) if unquoted else call

    def _introduced(self) -> Node:
        """`_utf8mb4'text'`: a literal with its character set."""
        binary = self.key == "_BINARY"
        self.at += 2
        return Literal(self.tokens[self.at - 1].text, "bytes" if binary else "string")

    def _odbc(self) -> Node:
        """`{d '2020-01-01'}`, `{t ..}`, `{ts ..}`; with any other word only what is behind it counts."""
        self.expect("{")
        kind = {"D": "date", "T": "time", "TS": "datetime"}.get(self.key)
        self.identifier()
        dated = kind is not None and self.token.kind == "string"
        node = Literal(self.string(), kind) if dated and kind else self.expression()
        self.expect("}")
        return node

    def _string_literal(self) -> Node:
        text = self.string()
        while self.token.kind == "string":
            text += self.string()
        return Literal(text, "string")

    def _parenthesised(self) -> Node:
        if self.ahead() in ("SELECT", "WITH", "TABLE") or (self.ahead() == "VALUES" and self.ahead(2) == "ROW"):
            return self._subquery()
        self.at += 1
        items = self.expressions()
        self.expect(")")
        return items[0] if len(items) == 1 else Row(items)

    def _variable(self) -> Node:
        variable = self.variable()
        if variable.system or not self.accept(":="):
            return variable
        return Assignment(variable.name, self.expression())

    def variable(self) -> Variable:
        """`@name`, `@'name'`, `@@name`, `@@global.name`. User variables are named without regard to case."""
        self.expect("@")
        if not self.accept("@"):
            if self.token.kind not in ("word", "quoted", "string"):
                self.fail()
            self.at += 1
            parts = [self.tokens[self.at - 1].text]
            while self.key == "." and self.tokens[self.at + 1].kind in ("word", "quoted"):
                self.at += 2
                parts.append(self.tokens[self.at - 1].text)
            return Variable(".".join(parts).lower(), False)
        name, scope = self.identifier(), ""
        if self.accept("."):
            name, scope = self.identifier(), name.lower()
        return Variable(name, True, scope)

    def _primary_null(self) -> Node:
        self.at += 1
        return Literal("", "null")

    def _primary_true(self) -> Node:
        self.at += 1
        return Literal("1", "boolean")

    def _primary_false(self) -> Node:
        self.at += 1
        return Literal("0", "boolean")

    def _primary_date(self) -> Node | None:
        return self._temporal("date")

    def _primary_time(self) -> Node | None:
        return self._temporal("time")

    def _primary_timestamp(self) -> Node | None:
        return self._temporal("datetime")

    def _temporal(self, kind: str) -> Node | None:
        if self.tokens[self.at + 1].kind != "string":
            return None
        self.at += 1
        return Literal(self.string(), kind)

    def _primary_exists(self) -> Node:
        self.at += 1
        if not self.starts_query():
            self.expect("(")
            self.fail()
        return self._subquery("exists")

    def _primary_case(self) -> Node:
        self.at += 1
        operand = None if self.key == "WHEN" else self.expression()
        branches = []
        if self.key != "WHEN":
            self.fail()
        while self.accept("WHEN"):
            condition = self.expression()
            self.expect("THEN")
            branches.append((condition, self.expression()))
        otherwise = self.expression() if self.accept("ELSE") else None
        self.expect("END")
        return Case(operand, branches, otherwise)

    def _primary_cast(self) -> Node | None:
        if self.ahead() != "(" or not self.is_tight():
            return None
        self.at += 2
        operand = self.expression()
        self.expect("AS")
        cast = cast_type(self, operand)
        self.expect(")")
        return cast

    def _primary_convert(self) -> Node:
        self.at += 1
        self.expect("(")
        operand = self.expression()
        if self.accept("USING"):
            cast = Cast(operand, "BINARY" if self.character_set() == "binary" else "CHAR")
        else:
            self.expect(",")
            cast = cast_type(self, operand)
        self.expect(")")
        return cast

    def _primary_interval(self) -> Node | None:
        if self.ahead() == "(":
            return None
        self.at += 1
        amount = self.expression()
        unit = self.unit()
        self.expect("+")
        return Interval(self.expression(), amount, unit, 1)

    def _primary_row(self) -> Node:
        self.at += 1
        self.expect("(")
        items = [self.expression()]
        self.expect(",")
        items += self.expressions()
        self.expect(")")
        return Row(items)

    def _primary_match(self) -> Node:
        self.at += 1
        parenthesis = self.accept("(")
        columns: list[Node] = [self.name()]
        while self.accept(","):
            columns.append(self.name())
        if parenthesis:
            self.expect(")")
        self.expect("AGAINST", "(")
        self.bits()
        if not self.accept("IN", "BOOLEAN", "MODE"):
            self.accept("IN", "NATURAL", "LANGUAGE", "MODE")
            self.accept("WITH", "QUERY", "EXPANSION")
        self.expect(")")
        return Call("MATCH", columns)


def _number(digits: str) -> Literal:
    if "e" in digits or "E" in digits:
        return Literal(digits, "double")
    # Beyond an unsigned BIGINT a literal is a DECIMAL.
    return Literal(digits, "int" if digits.isdigit() and int(digits[:40]) < 2**64 else "decimal")
