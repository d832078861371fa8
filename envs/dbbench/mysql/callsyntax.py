"""MySQL's grammar of names, function calls and windows. Many functions have a syntax of their own."""

from __future__ import annotations

from envs.dbbench.mysql.castsyntax import cast_type
from envs.dbbench.mysql.errors import MySQLError, Unsupported
from envs.dbbench.mysql.tokens import TokenReader
from envs.dbbench.mysql.tree import Call, Cast, Column, Interval, Literal, Node, OrderItem, Star, Window
from envs.dbbench.mysql.words import (
    AGGREGATES,
    GRAMMAR_FUNCTIONS,
    INTERVAL_UNITS,
    KEYWORDS_THAT_ARE_NO_FUNCTIONS,
    TIGHT_FUNCTIONS,
    WINDOW_FUNCTIONS,
)

NO_PARENTHESES = frozenset({
    "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "LOCALTIME", "LOCALTIMESTAMP", "UTC_DATE",
    "UTC_TIME", "UTC_TIMESTAMP",
})  # fmt: skip


class CallParser(TokenReader):
    """Reads names and calls; the expressions in them are the subclass's (expressions.py)."""

    def expression(self) -> Node:
        raise NotImplementedError

    def bits(self, level: int = 0) -> Node:
        raise NotImplementedError

    def character_set(self) -> str:
        return "binary" if self.accept("BINARY") else self.identifier().lower()

    def is_tight(self) -> bool:
        return self.tokens[self.at].end == self.tokens[self.at + 1].start

    def name(self) -> Node:
        if self.at_identifier() and self.ahead() == "(" and self.token.kind in ("word", "quoted"):
            return self.function()
        parts = [self.identifier()]
        while self.key == "." and len(parts) < 3:
            self.at += 1
            if self.accept("*"):
                return Star(parts[-1])
            parts.append(self.identifier())
        if len(parts) == 2 and self.key == "(":
            return self._function_call(parts[1], False, parts[0])
        return Column(parts[-1], *reversed(parts[:-1]))

    def function(self) -> Node:
        token, key = self.token, self.key
        tight = self.is_tight()
        self.at += 1
        if key in NO_PARENTHESES and self.key != "(":
            return Call(key, [])
        if token.kind == "quoted":
            key, tight = token.text.upper(), False
        elif key in KEYWORDS_THAT_ARE_NO_FUNCTIONS:
            self.fail()
        if key in TIGHT_FUNCTIONS and not tight:
            return self._function_call(token.text, False)
        reader = getattr(self, f"_arguments_{key.lower()}", None)
        if reader is None:
            return self._function_call(token.text, tight)
        self.expect("(")
        assert callable(reader)
        call = reader()
        assert isinstance(call, Node)
        self.expect(")")
        return self._over(call) if isinstance(call, Call) else call

    def _function_call(self, name: str, tight: bool, database: str | None = None) -> Node:
        self.expect("(")
        call = Call(name.upper() if tight else name, [], tight=tight, database=database, written=name)
        if tight and call.name in AGGREGATES:
            call.distinct = self.accept("DISTINCT")
            self.accept("ALL")
            call.arguments = [self.expression()]
        elif name.upper() in GRAMMAR_FUNCTIONS and database is None:
            call.arguments = self._counted_arguments(*GRAMMAR_FUNCTIONS[name.upper()])
        elif self.key != ")":
            call.arguments = self._aliased_arguments()
        self.expect(")")
        return self._over(call)

    def _counted_arguments(self, least: int, most: int) -> list[Node]:
        arguments: list[Node] = []
        while len(arguments) < most and (self.key != ")" or len(arguments) < least):
            if arguments:
                self.expect(",")
            arguments.append(self.expression())
        return arguments

    def _aliased_arguments(self) -> list[Node]:
        # sql_yacc.yy reads f(a b) as an argument with an alias, a leftover of loadable functions.
        arguments = []
        while True:
            arguments.append(self.expression())
            if self.accept("AS"):
                self.identifier()
            elif self.at_identifier() or self.token.kind == "string":
                self.at += 1
            if not self.accept(","):
                return arguments

    def _over(self, call: Call) -> Call:
        if call.name in WINDOW_FUNCTIONS:
            for read, refused in ((("RESPECT", "NULLS"), ("IGNORE", "NULLS")), (("FROM", "FIRST"), ("FROM", "LAST"))):
                if self.accept(*refused):
                    raise MySQLError(1235, " ".join(refused))
                self.accept(*read)
            if self.key != "OVER":
                self.fail()
        if (call.name in WINDOW_FUNCTIONS or call.name in AGGREGATES) and self.accept("OVER"):
            call.window = self.window_specification() if self.key == "(" else Window(self.identifier())
        return call

    def window_specification(self) -> Window:
        self.expect("(")
        window = Window()
        if self.at_identifier() and self.key not in ("PARTITION", "ORDER", "ROWS", "RANGE"):
            window.name = self.identifier()
        if self.accept("PARTITION"):
            self.expect("BY")
            window.partition = self.expressions()
        if self.accept("ORDER"):
            self.expect("BY")
            window.order = self.order_items()
        if self.key in ("ROWS", "RANGE"):
            window.frame = self._frame()
        self.expect(")")
        return window

    def _frame(self) -> str:
        unit = self.key
        self.at += 1
        if self.accept("BETWEEN"):
            start = self._bound()
            self.expect("AND")
            return f"{unit} BETWEEN {start} AND {self._bound()}"
        return f"{unit} {self._bound()}"

    def _bound(self) -> str:
        if self.accept("CURRENT", "ROW"):
            return "CURRENT ROW"
        if self.key == "INTERVAL" or "." in self.token.text:
            raise Unsupported("a window's frame by an interval or a fraction")
        distance = "UNBOUNDED" if self.accept("UNBOUNDED") else str(min(self.integer(), 2**63 - 1))
        if self.key not in ("PRECEDING", "FOLLOWING"):
            self.fail()
        self.at += 1
        return f"{distance} {self.keys[self.at - 1]}"

    def order_items(self) -> list[OrderItem]:
        items = []
        while True:
            expression = self.expression()
            descending = self.accept("DESC")
            if not descending:
                self.accept("ASC")
            items.append(OrderItem(expression, descending))
            if not self.accept(","):
                return items

    # --- functions with a syntax of their own

    def _arguments_count(self) -> Node:
        if self.accept("*"):
            return Call("COUNT", [Star()])
        distinct = self.accept("DISTINCT")
        self.accept("ALL")
        return Call("COUNT", self.expressions() if distinct else [self.expression()], distinct)

    def _arguments_group_concat(self) -> Node:
        call = Call("GROUP_CONCAT", [], self.accept("DISTINCT"))
        call.arguments = self.expressions()
        if self.accept("ORDER"):
            self.expect("BY")
            call.order = self.order_items()
        if self.accept("SEPARATOR"):
            call.separator = self.string()
        return call

    def _arguments_json_arrayagg(self) -> Node:
        return Call("JSON_ARRAYAGG", [self.expression()])

    def _arguments_json_objectagg(self) -> Node:
        name = self.expression()
        self.expect(",")
        return Call("JSON_OBJECTAGG", [name, self.expression()])

    def _arguments_json_value(self) -> Node:
        """JSON_VALUE(document, path [RETURNING type] [NULL ON EMPTY] [NULL ON ERROR])."""
        document = self.expression()
        self.expect(",")
        call: Node = Call("JSON_VALUE", [document, self.expression()])
        if self.accept("RETURNING"):
            call = cast_type(self, call)
        while self.key in ("NULL", "ERROR", "DEFAULT"):
            if self.key != "NULL":
                raise Unsupported(f"JSON_VALUE with {self.key} ON EMPTY or ON ERROR")
            self.expect("NULL", "ON")
            if not self.accept("EMPTY"):
                self.expect("ERROR")
        return call

    def _arguments_weight_string(self) -> Node:
        raise Unsupported("the function WEIGHT_STRING")

    def _arguments_trim(self) -> Node:
        side = self.key if self.key in ("LEADING", "TRAILING", "BOTH") else ""
        if side:
            self.at += 1
        what: Node = Literal(" ", "string")
        if side and self.accept("FROM"):
            return Call(f"TRIM {side}", [self.expression(), what])
        text = self.expression()
        if self.accept("FROM"):
            text, what = self.expression(), text
        elif side:
            self.fail()
        return Call(f"TRIM {side or 'BOTH'}", [text, what])

    def _arguments_substring(self) -> Node:
        arguments = [self.expression()]
        by_word = self.accept("FROM")
        if not by_word:
            self.expect(",")
        arguments.append(self.expression())
        if self.accept("FOR" if by_word else ","):
            arguments.append(self.expression())
        return Call("SUBSTRING", arguments)

    _arguments_substr = _arguments_substring
    _arguments_mid = _arguments_substring

    def _arguments_position(self) -> Node:
        what = self.bits()
        self.expect("IN")
        return Call("LOCATE", [what, self.expression()])

    def _arguments_extract(self) -> Node:
        unit = self.unit()
        self.expect("FROM")
        return Call(f"EXTRACT {unit}", [self.expression()])

    def _arguments_char(self) -> Node:
        call = Call("CHAR", self.expressions())
        return Cast(call, "CHAR") if self.accept("USING") and self.character_set() != "binary" else call

    def _arguments_date_add(self, sign: int = 1) -> Node:
        base = self.expression()
        self.expect(",", "INTERVAL")
        return self.interval(base, sign)

    def _arguments_date_sub(self) -> Node:
        return self._arguments_date_add(-1)

    def _arguments_adddate(self, sign: int = 1) -> Node:
        base = self.expression()
        self.expect(",")
        if self.accept("INTERVAL"):
            return self.interval(base, sign)
        return Interval(base, self.expression(), "DAY", sign)

    def _arguments_subdate(self) -> Node:
        return self._arguments_adddate(-1)

    def _arguments_timestampdiff(self) -> Node:
        unit = self.unit()
        self.expect(",")
        first = self.expression()
        self.expect(",")
        return Call(f"TIMESTAMPDIFF {unit}", [first, self.expression()])

    def _arguments_get_format(self) -> Node:
        kind = self.key
        if kind not in ("DATE", "TIME", "DATETIME", "TIMESTAMP"):
            self.fail()
        self.at += 1
        self.expect(",")
        return Call(f"GET_FORMAT {kind}", [self.expression()])

    def _arguments_timestampadd(self) -> Node:
        unit = self.unit()
        self.expect(",")
        amount = self.expression()
        self.expect(",")
        return Interval(self.expression(), amount, unit, 1)

    def expressions(self) -> list[Node]:
        items = [self.expression()]
        while self.accept(","):
            items.append(self.expression())
        return items

    def interval(self, base: Node, sign: int) -> Interval:
        amount = self.expression()
        return Interval(base, amount, self.unit(), sign)

    def unit(self) -> str:
        if self.key not in INTERVAL_UNITS:
            self.fail()
        self.at += 1
        return self.keys[self.at - 1]
