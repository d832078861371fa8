"""Expressions of MySQL's as expressions of SQLite's: names resolved, types inferred, functions and operators chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envs.dbbench.mysql import calls, operators, variables
from envs.dbbench.mysql.budget import Budget
from envs.dbbench.mysql.casts import cast
from envs.dbbench.mysql.errors import MySQLError, Unsupported
from envs.dbbench.mysql.functions import FUNCTIONS
from envs.dbbench.mysql.numbers import literal
from envs.dbbench.mysql.printing import printed
from envs.dbbench.mysql.scope import Binding, Schema, Scope
from envs.dbbench.mysql.session import Session
from envs.dbbench.mysql.temporal import parse_moment, read_time
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
    OrderItem,
    Row,
    SetOperation,
    Subquery,
    Variable,
    With,
    children,
)
from envs.dbbench.mysql.types import (
    BINARY,
    DATE,
    DATETIME,
    DOUBLE,
    INT,
    NULL,
    RAW,
    TEXT,
    TIME,
    UINT,
    Type,
    Value,
    as_integer,
    as_text,
    as_truth,
    choice,
    common_type,
    decimal,
    sort_key,
)
from envs.dbbench.mysql.words import AGGREGATES

if TYPE_CHECKING:
    from envs.dbbench.mysql.tree import Query


class Output(NamedTuple):
    """A translated query: its columns are `o0`, `o1` ... in `sql`."""

    sql: str
    types: list[Type]
    names: list[str]


class Translator:
    """Translates the expressions of one statement. Queries are the subclass's (queries.py).

    `strict`: the statement changes rows, so that SQL is needed which sees what MySQL would warn of (strict.py).
    `params` are the statement's constants by name; `sql_of` and `bound` remember, by the node's identity, what each
    expression became, for the checks behind.
    """

    def __init__(self, schema: Schema, session: Session, budget: Budget, strict: bool = False) -> None:
        self.schema = schema
        self.session = session
        self.budget = budget
        self.strict = strict
        self.params: dict[str, str | int | float | None] = {}
        self.sql_of: dict[int, str] = {}
        self.bound: dict[int, Binding] = {}
        self.assignments = 0
        self._names: dict[tuple[type, object], str] = {}
        self._numbers = 0

    def query(self, query: Query, parent: Scope | None) -> Output:
        raise NotImplementedError

    def returns_one_row(self, query: Query) -> bool:
        raise NotImplementedError

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    def param(self, constant: str | int | float) -> str:
        """A bound parameter. Equal constants share one, so that equal expressions have equal SQL."""
        name = self._names.setdefault((type(constant), constant), f"p{len(self._names)}")
        self.params[name] = constant
        return f":{name}"

    # --- expressions

    def value(self, node: Node, scope: Scope) -> Value:
        """The node's translation. Raises what MySQL answers where it makes no sense."""
        name = _METHODS.get(type(node))
        if name is None:
            raise MySQLError(1064, "", 1)
        value: Value = getattr(self, name)(node, scope)
        self.budget.spend(len(value.sql))
        self.sql_of[id(node)] = value.sql
        return value

    def scalar(self, node: Node, scope: Scope) -> Value:
        """A value that must be a single column."""
        value = self.value(node, scope)
        if value.columns != 1:
            raise MySQLError(1241, 1)
        return value

    def truth(self, node: Node, scope: Scope) -> str:
        return as_truth(self.scalar(node, scope))

    def _literal(self, node: Literal, scope: Scope) -> Value:
        if node.kind == "null":
            return Value("NULL", NULL, None, True, constant=True)
        if node.kind == "string":
            return Value(self.param(node.value), TEXT, node.value, True, constant=True)
        if node.kind == "bytes":
            return Value(self.param(node.value), RAW, node.value, True, constant=True)
        if node.kind in ("int", "boolean"):
            number = int(node.value)
            if number >= 2**63:
                return Value(self.param(f"{number:020d}"), UINT, constant=True)
            return Value(self.param(number), INT, number, True, constant=True)
        if node.kind == "double":
            return Value(self.param(float(node.value)), DOUBLE, float(node.value), True, constant=True)
        if node.kind == "decimal":
            text, scale = literal(node.value)
            return Value(self.param(text), decimal(scale), constant=True)
        return self._temporal_literal(node)

    def _temporal_literal(self, node: Literal) -> Value:
        kind = {"date": DATE, "time": TIME, "datetime": DATETIME}[node.kind]
        text = FUNCTIONS[f"cast_{node.kind}"].call(node.value) if _is_temporal(node) else None
        if text is None:
            raise MySQLError(1525, node.kind.upper(), node.value)
        return Value(self.param(text), kind, constant=True)

    def _column(self, node: Column, scope: Scope) -> Value:
        block: Scope | None = scope
        while block is not None:
            if found := self._column_in(node, block):
                return found
            block = block.parent
        raise MySQLError(1054, node.written, scope.clause)

    def _column_in(self, node: Column, block: Scope) -> Value | None:
        by_alias = block.clause in ("order clause", "having clause", "group statement")
        if block.clause == "having clause" and not block.in_aggregate and (found := self._aliased(node, block)):
            return found
        if match := block.find(node):
            source, column = match
            visible = block.clause != "having clause" or block.in_aggregate or column.sql in block.group_columns
            if visible or any(column.sql in value.sql for value in block.item_values):
                sql = block.mark(column.sql)
                self.bound[id(node)] = Binding(block, column.sql, source.full_name(column.name))
                return Value(sql, column.type)
        return self._aliased(node, block) if by_alias else None

    def _aliased(self, node: Column, block: Scope) -> Value | None:
        place = block.item(node)
        if place is None:
            return None
        item = block.items[place]
        if block.clause == "group statement" and contains_aggregate(item.expression):
            raise MySQLError(1056, node.written)
        self.bound[id(node)] = Binding(block, "", "", item)
        return block.item_values[place]

    def _operation(self, node: Operation, scope: Scope) -> Value:
        operator = node.operator
        if operator in ("=", "<>", "<", "<=", ">", ">=", "<=>", "in"):
            return self._comparison(node, scope)
        first_node = node.operands[0]
        if operator == "negate" and isinstance(first_node, Literal) and first_node.value == str(2**63):
            return Value(self.param(-(2**63)), INT, -(2**63), True, constant=True)
        operands = [self.scalar(operand, scope) for operand in node.operands]
        constant = all(operand.constant for operand in operands)
        first = operands[0]
        if operator in ("and", "or", "xor"):
            return operators.logical(operator, operands)
        if operator in ("+", "-", "*", "/", "%", "div"):
            value = operators.arithmetic(operator, first, operands[1], self.strict)
            if value.type.kind == "uint" and operator in "+-*%":
                return operators.unsigned(operator, operands, self.param(printed(self, node)))
            return value
        if operator in ("|", "&", "^", "<<", ">>"):
            return operators.bitwise(operator, *operands)
        if operator == "not":
            return Value(f"(NOT {as_truth(first)})", INT, constant=constant)
        if operator == "negate":
            return operators.negate(first)
        if operator == "~":
            return Value(f"m_invert({as_integer(first)})", UINT, constant=constant)
        if operator == "between":
            return Value(operators.between(first, operands[1], operands[2], node.negated), INT, constant=constant)
        if operator == "like":
            return self._like(node, operands)
        if operator == "regexp":
            return self._regexp(node, operands)
        if operator == "collate":
            return self._collate(first, str(operands[1].literal))
        return self._test(node, first)

    def _test(self, node: Operation, value: Value) -> Value:
        word = node.operator.removeprefix("is ")
        sql = value.sql if word in ("null", "unknown") else as_truth(value)
        word = "NULL" if word == "unknown" else word.upper()
        return Value(f"({sql} IS {'NOT ' if node.negated else ''}{word})", INT, constant=value.constant)

    def _like(self, node: Operation, operands: list[Value]) -> Value:
        escape = "\\"
        if len(operands) > 2:
            literal = operands[2].literal
            if not isinstance(literal, str) or len(literal) > 1:
                raise MySQLError(1210, "ESCAPE")
            escape = literal or "\0"
        return operators.like(operands[0], operands[1], escape, node.negated, self.param)

    def _regexp(self, node: Operation, operands: list[Value]) -> Value:
        text, pattern = operands
        flags = "'c'" if text.type.binary or pattern.type.binary else "''"
        sql = f"m_regexp_like({as_text(text)}, {as_text(pattern)}, {flags})"
        return Value(f"(NOT {sql})" if node.negated else sql, INT)

    def _collate(self, value: Value, name: str) -> Value:
        if not name.startswith(("utf8mb4_", "binary")) and not name.endswith(("_bin", "_ci")):
            raise MySQLError(1273, name)
        if not name.startswith("utf8mb4_"):
            raise MySQLError(1253, name, "utf8mb4")
        return Value(as_text(value), BINARY if name.endswith(("_bin", "_cs")) else TEXT, value.literal)

    # --- comparisons

    def _comparison(self, node: Operation, scope: Scope) -> Value:
        left, *rest = node.operands
        if isinstance(left, Row) or any(isinstance(other, Row) for other in rest):
            return Value(self._row_comparison(node, scope), INT)
        value = self.value(left, scope)
        if value.columns != 1 and not (rest and isinstance(rest[0], Subquery) and rest[0].test):
            raise MySQLError(1241, 1)
        if value.columns != 1:
            raise Unsupported("a subquery of several columns on the left of IN, ANY or ALL")
        if rest and isinstance(rest[0], Subquery) and rest[0].test:
            return Value(self._quantified(node, value, rest[0], scope), INT)
        others = [self.scalar(other, scope) for other in rest]
        self.budget.spend(len(value.sql) * len(others) // 100)
        constant = value.constant and all(other.constant for other in others)
        if node.operator == "in":
            return Value(operators.contains(value, others, node.negated), INT, constant=constant)
        return Value(operators.compare(node.operator, value, others[0]), INT, constant=constant)

    def _quantified(self, node: Operation, value: Value, subquery: Subquery, scope: Scope) -> str:
        sql, types, _ = self.query(subquery.query, scope)
        if len(types) != value.columns:
            raise MySQLError(1241, value.columns)
        _check_limit(subquery.query)
        item = Value("o0", types[0])
        operator, test = node.operator, subquery.test
        if test == "in" or (operator, test) in (("=", "any"), ("<>", "all")):
            left, right = operators.comparable(value, item)
            negated = node.negated or operator == "<>"
            inner = sql if right == "o0" else f"SELECT {right} FROM ({sql})"
            return f"({left} {'NOT ' if negated else ''}IN ({inner}))"
        comparison = operators.compare(operator, value, item)
        if test == "all":
            return f"(NOT EXISTS (SELECT 1 FROM ({sql}) WHERE {comparison} IS NOT TRUE))"
        return f"(EXISTS (SELECT 1 FROM ({sql}) WHERE {comparison}))"

    def _row_comparison(self, node: Operation, scope: Scope) -> str:
        left, *rest = node.operands
        if not isinstance(left, Row):
            raise MySQLError(1241, 1)
        values = [self.scalar(item, scope) for item in left.items]
        if node.operator == "in" and isinstance(rest[0], Subquery):
            sql, types, _ = self.query(rest[0].query, scope)
            if len(types) != len(values):
                raise MySQLError(1241, len(values))
            _check_limit(rest[0].query)
            names = [Value(f"o{i}", type_) for i, type_ in enumerate(types)]
            pairs = [operators.comparable(a, b) for a, b in zip(values, names, strict=True)]
            rights = ", ".join(right for _, right in pairs)
            lefts = ", ".join(left_sql for left_sql, _ in pairs)
            return f"(({lefts}) {'NOT ' if node.negated else ''}IN (SELECT {rights} FROM ({sql})))"
        if isinstance(rest[0], Subquery) and node.operator != "in":
            return self._row_subquery(node.operator, values, rest[0].query, scope)
        alternatives = []
        for other in rest:
            if not isinstance(other, Row) or len(other.items) != len(values):
                raise MySQLError(1241, len(values))
            others = [self.scalar(item, scope) for item in other.items]
            alternatives.append(operators.compare_rows(node.operator, values, others))
        sql = " OR ".join(alternatives)
        return f"(NOT ({sql}))" if node.negated else f"({sql})"

    def _row_subquery(self, operator: str, values: list[Value], query: Query, scope: Scope) -> str:
        """`(a, b) = (SELECT ..)`, which must have one row at most."""
        sql, types, _ = self.query(query, scope)
        if len(types) != len(values):
            raise MySQLError(1241, len(values))
        names = [Value(f"o{i}", type_) for i, type_ in enumerate(types)]
        comparison = operators.compare_rows(operator, values, names)
        several = f"SELECT COUNT(*) FROM (SELECT 1 FROM ({sql}) LIMIT 2)"
        return f"(CASE WHEN ({several}) > 1 THEN m_fail(1242) ELSE (SELECT {comparison} FROM ({sql})) END)"

    def _row(self, node: Row, scope: Scope) -> Value:
        raise MySQLError(1241, 1)

    def _subquery(self, node: Subquery, scope: Scope) -> Value:
        sql, types, _ = self.query(node.query, scope)
        if node.test == "exists":
            return Value(f"(EXISTS ({sql}))", INT)
        if len(types) != 1:
            return Value(f"({sql})", types[0], columns=len(types))
        if self.returns_one_row(node.query):
            return Value(f"({sql})", types[0])
        return Value(f"(SELECT m_one(o0) FROM (SELECT o0 FROM ({sql}) LIMIT 2))", types[0])

    # --- the rest

    def _case(self, node: Case, scope: Scope) -> Value:
        operand = self.scalar(node.operand, scope) if node.operand is not None else None
        conditions, results = [], []
        for condition, result in node.branches:
            value = self.scalar(condition, scope)
            self.budget.spend(len(operand.sql) if operand is not None else 0)
            conditions.append(as_truth(value) if operand is None else operators.compare("=", operand, value))
            results.append(self.scalar(result, scope))
        otherwise = self.scalar(node.otherwise, scope) if node.otherwise is not None else Value("NULL", NULL)
        type_ = common_type([result.type for result in [*results, otherwise]])
        branches = " ".join(
            f"WHEN {condition} THEN {choice(result, type_)}"
            for condition, result in zip(conditions, results, strict=True)
        )
        return Value(f"(CASE {branches} ELSE {choice(otherwise, type_)} END)", type_)

    def _cast(self, node: Cast, scope: Scope) -> Value:
        return cast(self.scalar(node.operand, scope), node, self.strict)

    def _interval(self, node: Interval, scope: Scope) -> Value:
        return calls.interval(self, self.scalar(node.base, scope), self.scalar(node.amount, scope), node)

    def _variable(self, node: Variable, scope: Scope) -> Value:
        return variables.read(self, node)

    def _assignment(self, node: Assignment, scope: Scope) -> Value:
        return variables.assignment(self, node, scope)

    def order_key(self, item: OrderItem, scope: Scope) -> str:
        return sort_key(self.scalar(item.expression, scope)) + (" DESC" if item.descending else "")


_METHODS = {
    Literal: "_literal", Column: "_column", Operation: "_operation", Subquery: "_subquery", Case: "_case",
    Cast: "_cast", Row: "_row", Interval: "_interval", Variable: "_variable", Call: "_call",
    Assignment: "_assignment",
}  # fmt: skip


def _check_limit(query: Query) -> None:
    """Raises 1235 for a LIMIT in the subquery of IN, ANY, SOME or ALL; those of derived tables within do not count."""
    if isinstance(query, With):
        _check_limit(query.body)
    elif query.limit is not None:
        raise MySQLError(1235, "LIMIT & IN/ALL/ANY/SOME subquery")
    elif isinstance(query, SetOperation):
        _check_limit(query.left)
        _check_limit(query.right)


def _is_temporal(node: Literal) -> bool:
    """Whether the text of DATE '..', TIME '..' or TIMESTAMP '..' is such a value in full."""
    if node.kind == "time":
        return ":" in node.value and read_time(node.value)[1]
    moment = parse_moment(node.value)
    return moment is not None and not moment.excess and moment.has_time == (node.kind == "datetime")


def contains_aggregate(node: Node) -> bool:
    """Whether an aggregate (not as a window function) is in the expression itself, subqueries left aside."""
    if isinstance(node, Call) and node.name in AGGREGATES and node.window is None and node.tight:
        return True
    return any(contains_aggregate(child) for child in children(node) if not isinstance(child, Subquery))
