"""Calls: native functions, aggregates and windows, and those that MySQL does not know."""

from __future__ import annotations

import json

from envs.dbbench.mysql import calls, datecalls, grouping, jsoncalls
from envs.dbbench.mysql.budget import MAX_WINDOWS
from envs.dbbench.mysql.errors import MySQLError, Unsupported
from envs.dbbench.mysql.frames import check_frame, check_moving
from envs.dbbench.mysql.functions import FUNCTIONS
from envs.dbbench.mysql.handlers import HANDLERS
from envs.dbbench.mysql.informationcalls import UNSUPPORTED
from envs.dbbench.mysql.scope import Scope
from envs.dbbench.mysql.translate import Translator
from envs.dbbench.mysql.tree import (
    Call,
    Literal,
    Node,
    OrderItem,
    Star,
    Variable,
    Window,
    descendants,
)
from envs.dbbench.mysql.types import (
    DOUBLE,
    INT,
    NULL,
    TEXT,
    Value,
    as_count,
    as_double,
    as_text,
    sort_key,
)
from envs.dbbench.mysql.words import AGGREGATES, WINDOW_FUNCTIONS

assert datecalls.LIBRARIES  # imported for the handlers that it registers
_WINDOW_ARITY = {"FIRST_VALUE": (1, 1), "LAST_VALUE": (1, 1), "NTH_VALUE": (2, 2), "NTILE": (1, 1), "LAG": (1, 3),
                 "LEAD": (1, 3)}  # fmt: skip
_WINDOW_TYPES = {"CUME_DIST": DOUBLE, "PERCENT_RANK": DOUBLE}


class CallTranslator(Translator):
    """Translates calls."""

    def _call(self, node: Call, scope: Scope) -> Value:
        name = node.name
        if node.database is not None or (not node.tight and calls.arity(name.upper()) is None and _unknown(name)):
            return self._unknown_function(node)
        if name in AGGREGATES and node.tight:
            return self._aggregate(node, scope)
        if name in WINDOW_FUNCTIONS:
            return self._window_function(node, scope)
        special = self._special(node, scope)
        if special is not None:
            return special
        upper = name.upper()
        if upper in HANDLERS:
            arguments = [self.scalar(argument, scope) for argument in node.arguments]
            call = node if upper == name else Call(upper, node.arguments)
            value = HANDLERS[upper][2](self, arguments, call)
        elif upper in FUNCTIONS:
            arguments = [self.scalar(argument, scope) for argument in node.arguments]
            value = calls.plain(FUNCTIONS[upper], arguments)
        else:
            return self._unknown_function(node)
        value.constant = value.constant or (bool(arguments) and all(a.constant for a in arguments))
        return value

    def _special(self, node: Call, scope: Scope) -> Value | None:
        head, _, rest = node.name.partition(" ")
        if not rest and head not in ("MATCH", "VALUES", "DEFAULT", "GROUPING"):
            return None
        if head == "MATCH":
            for column in node.arguments:
                self.value(column, scope)
            raise MySQLError(1191)
        arguments = [self.scalar(argument, scope) for argument in node.arguments]
        if head == "MEMBER":
            return jsoncalls.member_of(arguments[0], node.arguments[0], arguments[1])
        if head == "TRIM":
            return calls.plain(FUNCTIONS[f"trim_{rest.lower()}"], arguments)
        if head == "EXTRACT":
            return calls.extract(self, rest, arguments[0])
        if head == "GET_FORMAT":
            return datecalls.get_format(self, rest, arguments[0])
        if head == "TIMESTAMPDIFF":
            unit = Value(self.param(rest), TEXT)
            return calls.plain(FUNCTIONS["timestampdiff"], [unit, *arguments])
        if head == "GROUPING":
            return grouping.grouping_call(arguments)
        return Value("NULL", NULL)

    def _unknown_function(self, node: Call) -> Value:
        name = f"{node.database or self.schema.database}.{node.written or node.name}"
        if node.database is None and node.name.upper() in UNSUPPORTED:
            raise Unsupported(f"the function {node.name.upper()}")
        if node.name.upper() in AGGREGATES or calls.arity(node.name.upper()) is not None:
            raise MySQLError(1630, name)
        raise MySQLError(1305, "FUNCTION", name)

    def _aggregate(self, node: Call, scope: Scope) -> Value:
        if node.window is not None:
            return self._windowed(node, scope)
        nested, scope.in_aggregate = scope.in_aggregate, True
        arguments = [self.scalar(argument, scope) for argument in node.arguments if not isinstance(argument, Star)]
        if node.name == "GROUP_CONCAT":
            value = self._group_concat(node, arguments, scope)
        else:
            value = calls.aggregate(self, node, arguments)
        scope.in_aggregate = nested
        owner = self._owner(node, scope)
        if not owner.allow_aggregates or owner.in_aggregate:
            raise MySQLError(1111)
        owner.aggregates += 1
        value.sql = owner.finish(value.sql, False)
        return value

    def _owner(self, node: Call, scope: Scope) -> Scope:
        """The block in which an aggregate is computed: an outer one if only its columns are aggregated."""
        bound = [self.bound[id(child)].scope for child in descendants(node) if id(child) in self.bound]
        return scope if not bound or scope in bound else max(bound, key=lambda block: block.number)

    def _group_concat(self, node: Call, arguments: list[Value], scope: Scope) -> Value:
        keys = []
        for item in node.order:
            expression = item.expression
            if isinstance(expression, Literal) and expression.kind == "int":
                place = int(expression.value)
                if not 1 <= place <= len(arguments):
                    raise MySQLError(1054, expression.value, "order clause")
                keys.append(arguments[place - 1])
            else:
                keys.append(self.scalar(expression, scope))
        settings = [node.separator, node.distinct, len(arguments), [item.descending for item in node.order],
                    [key.type.kind for key in keys]]  # fmt: skip
        cells = [self.param(json.dumps(settings)), *map(as_text, arguments), *(key.sql for key in keys)]
        return Value(f"m_group_concat({', '.join(cells)})", TEXT)

    # --- windows

    def _window_arguments(self, node: Call, scope: Scope) -> list[Value]:
        if scope.in_window:
            raise MySQLError(3593, node.name.lower())
        scope.in_window = True
        arguments = [self.scalar(argument, scope) for argument in node.arguments if not isinstance(argument, Star)]
        scope.in_window = False
        return arguments

    def _windowed(self, node: Call, scope: Scope) -> Value:
        arguments = self._window_arguments(node, scope)
        if node.distinct or node.name == "GROUP_CONCAT":
            raise MySQLError(1235, "<window function>(DISTINCT ..)")
        value = calls.aggregate(self, node, arguments)
        over = self._over(node, scope)
        check_moving(node.name, self._window_parts(node.window or Window(), scope)[2])
        if value.sql.startswith("m_cut("):
            inner, _, digits = value.sql.removeprefix("m_cut(").rpartition(", ")
            return Value(f"m_cut({inner} {over}, {digits}", value.type)
        return Value(f"{value.sql} {over}", value.type)

    def _window_function(self, node: Call, scope: Scope) -> Value:
        arguments = self._window_arguments(node, scope)
        least, most = _WINDOW_ARITY.get(node.name, (0, 0))
        if not least <= len(arguments) <= most:
            raise MySQLError(1582, node.name)
        place = 0 if node.name == "NTILE" else 1
        if place < len(arguments):
            _check_count(node, arguments[place])
        cells = [as_count(a) if i == 1 or node.name == "NTILE" else a.sql for i, a in enumerate(arguments)]
        type_ = arguments[0].type if arguments and node.name != "NTILE" else _WINDOW_TYPES.get(node.name, INT)
        return Value(f"{node.name}({', '.join(cells)}) {self._over(node, scope)}", type_)

    def _over(self, node: Call, scope: Scope) -> str:
        if not scope.allow_aggregates or scope.in_aggregate or scope.clause not in ("field list", "order clause"):
            raise MySQLError(3593, node.name.lower())
        window = node.window
        assert window is not None
        if scope.in_window:
            raise MySQLError(3593, node.name.lower())
        scope.window_calls += 1
        if scope.window_calls > MAX_WINDOWS:
            raise MySQLError(1436, 1028576)
        scope.in_window = True
        parts: list[str] = []
        partition, order, frame = self._window_parts(window, scope)
        if partition:
            parts.append("PARTITION BY " + ", ".join(sort_key(self.scalar(item, scope)) for item in partition))
        keys = [self.scalar(item.expression, scope) for item in order]
        if frame:
            check_frame(frame, window.name or "<unnamed window>", [key.type for key in keys])
        if order:
            by_distance = frame.startswith("RANGE") and any(char.isdigit() for char in frame)
            written = [as_double(key) if by_distance else sort_key(key) for key in keys]
            parts.append(
                "ORDER BY "
                + ", ".join(
                    f"{sql}{' DESC' if item.descending else ''}" for sql, item in zip(written, order, strict=True)
                )
            )
        if frame:
            parts.append(frame)
        scope.in_window = False
        return f"OVER ({' '.join(parts)})"

    def _window_parts(self, window: Window, scope: Scope) -> tuple[list[Node], list[OrderItem], str]:
        if window.name is None:
            return window.partition, window.order, window.frame
        named = scope.windows.get(window.name.lower())
        if named is None:
            raise MySQLError(3579, window.name)
        return (window.partition or named.partition, window.order or named.order, window.frame or named.frame)


def _check_count(node: Call, value: Value) -> None:
    """The number of NTILE, NTH_VALUE, LAG and LEAD has to be a literal. Error 1210 for another, or one out of range."""
    if isinstance(node.arguments[0 if node.name == "NTILE" else 1], Variable):
        raise Unsupported(f"{node.name} with a variable")
    least = 0 if node.name in ("LAG", "LEAD") else 1
    if not isinstance(value.literal, int) or value.literal < least:
        raise MySQLError(1210, node.name.lower())


def _unknown(name: str) -> bool:
    return (
        name.upper() not in WINDOW_FUNCTIONS and " " not in name and name.upper() not in ("MATCH", "VALUES", "DEFAULT")
    )
