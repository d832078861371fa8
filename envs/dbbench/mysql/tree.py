"""The syntax tree of a statement: plain data between the grammar, the checks and the translation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Node:
    """Base of all expressions."""


@dataclass(slots=True, eq=False)
class Literal(Node):
    """A constant. `kind`: string, int, boolean, decimal, double, null, bytes, date, time, datetime."""

    value: str
    kind: str


@dataclass(slots=True, eq=False)
class Column(Node):
    name: str
    table: str | None = None
    database: str | None = None

    @property
    def written(self) -> str:
        """The name as MySQL's errors quote it."""
        return ".".join(part for part in (self.database, self.table, self.name) if part is not None)


@dataclass(slots=True, eq=False)
class Star(Node):
    table: str | None = None


@dataclass(slots=True, eq=False)
class Operation(Node):
    """An operator on its operands, named in lower case: `+`, `and`, `not`, `is null`, `like`, `between`, `<=>` ..."""

    operator: str
    operands: list[Node]
    negated: bool = False


@dataclass(slots=True, eq=False)
class Window:
    name: str | None = None
    partition: list[Node] = field(default_factory=list)
    order: list[OrderItem] = field(default_factory=list)
    frame: str = ""


@dataclass(slots=True, eq=False)
class Call(Node):
    """A function. `tight`: written without a space before "(", which decides whether COUNT means COUNT. `written`:
    the name as it stands in the statement."""

    name: str
    arguments: list[Node]
    distinct: bool = False
    order: list[OrderItem] = field(default_factory=list)
    separator: str = ","
    window: Window | None = None
    tight: bool = True
    database: str | None = None
    written: str = ""


@dataclass(slots=True, eq=False)
class Cast(Node):
    operand: Node
    type: str
    precision: int | None = None
    scale: int | None = None


@dataclass(slots=True, eq=False)
class Case(Node):
    operand: Node | None
    branches: list[tuple[Node, Node]]
    otherwise: Node | None


@dataclass(slots=True, eq=False)
class Interval(Node):
    """`base + INTERVAL amount unit`, `sign` -1 for minus."""

    base: Node
    amount: Node
    unit: str
    sign: int


@dataclass(slots=True, eq=False)
class Row(Node):
    items: list[Node]


@dataclass(slots=True, eq=False)
class Variable(Node):
    """`@name`, or `@@name` with its `scope` (global, session, local, or "")."""

    name: str
    system: bool
    scope: str = ""


@dataclass(slots=True, eq=False)
class Assignment(Node):
    """`@name := value`."""

    name: str
    value: Node


@dataclass(slots=True, eq=False)
class Subquery(Node):
    """A query as a value; `test` is "" for a scalar, or `exists`, or a quantifier as in `= any`, `< all`."""

    query: Query
    test: str = ""


@dataclass(slots=True, eq=False)
class OrderItem:
    expression: Node
    descending: bool = False


@dataclass(slots=True, eq=False)
class SelectItem:
    expression: Node
    alias: str | None
    text: str


@dataclass(slots=True, eq=False)
class TableName:
    name: str
    alias: str | None = None
    database: str | None = None


@dataclass(slots=True, eq=False)
class Derived:
    query: Query
    alias: str
    columns: list[str] | None = None
    lateral: bool = False


@dataclass(slots=True, eq=False)
class Join:
    """`kind`: inner, left, right. `using` is None or the names; `natural` joins by the common names."""

    left: From
    right: From
    kind: str
    on: Node | None = None
    using: list[str] | None = None
    natural: bool = False


From = TableName | Derived | Join


@dataclass(slots=True, eq=False)
class Select:
    items: list[SelectItem]
    source: From | None = None
    where: Node | None = None
    group: list[Node] = field(default_factory=list)
    rollup: bool = False
    having: Node | None = None
    windows: dict[str, Window] = field(default_factory=dict)
    order: list[OrderItem] = field(default_factory=list)
    limit: Node | None = None
    offset: Node | None = None
    distinct: bool = False


@dataclass(slots=True, eq=False)
class Values:
    rows: list[list[Node]]
    order: list[OrderItem] = field(default_factory=list)
    limit: Node | None = None
    offset: Node | None = None


@dataclass(slots=True, eq=False)
class SetOperation:
    """`operator`: union, except, intersect."""

    left: Query
    right: Query
    operator: str
    all: bool
    order: list[OrderItem] = field(default_factory=list)
    limit: Node | None = None
    offset: Node | None = None


@dataclass(slots=True, eq=False)
class CommonTable:
    name: str
    columns: list[str] | None
    query: Query


@dataclass(slots=True, eq=False)
class With:
    tables: list[CommonTable]
    recursive: bool
    body: Query


Query = Select | SetOperation | Values | With


@dataclass(slots=True, eq=False)
class Insert:
    table: TableName
    columns: list[str] | None
    rows: list[list[Node]] | None
    query: Query | None
    replace: bool = False
    ignore: bool = False
    duplicate_updates: bool = False


@dataclass(slots=True, eq=False)
class Update:
    source: From
    assignments: list[tuple[Column, Node]]
    where: Node | None
    order: list[OrderItem]
    limit: Node | None
    ignore: bool = False


@dataclass(slots=True, eq=False)
class Delete:
    """`targets`: the aliases or names of the tables, among those of `source`, that lose rows."""

    source: From
    targets: list[str]
    where: Node | None
    order: list[OrderItem]
    limit: Node | None
    ignore: bool = False


@dataclass(slots=True, eq=False)
class SelectInto:
    """SELECT ... INTO @a, @b."""

    query: Query
    names: list[str]


@dataclass(slots=True, eq=False)
class Setting:
    """One assignment of SET: to a user variable, or to a system variable in a scope ("" is the session's). `value` is
    None for DEFAULT."""

    variable: Variable
    value: Node | None


@dataclass(slots=True, eq=False)
class SetStatement:
    settings: list[Setting]


@dataclass(slots=True, eq=False)
class Show:
    """SHOW and DESCRIBE: `what` is tables, columns, databases, create table, index, variables, warnings ... in lower
    case. `name`: of the routine, user or engine that is asked for. `full`: with FULL, or GLOBAL for variables."""

    what: str
    table: TableName | None = None
    like: str | None = None
    where: Node | None = None
    full: bool = False
    name: str = ""


@dataclass(slots=True, eq=False)
class Explain:
    """EXPLAIN of a statement. `form`: traditional, json, tree, or "" for the server's own."""

    statement: Statement
    form: str = ""
    analyze: bool = False


@dataclass(slots=True, eq=False)
class Transaction:
    """`action`: begin, begin read only, commit, rollback (both perhaps "and chain"), savepoint, rollback to, release,
    autocommit on, autocommit off; `name` is a savepoint's."""

    action: str
    name: str = ""


@dataclass(slots=True, eq=False)
class Maintenance:
    """CHECK, ANALYZE, OPTIMIZE, REPAIR and CHECKSUM TABLE; HISTOGRAM for ANALYZE TABLE .. UPDATE HISTOGRAM."""

    verb: str
    tables: list[TableName]


@dataclass(slots=True, eq=False)
class Do:
    """Expressions that are computed and not returned."""

    items: list[SelectItem]


@dataclass(slots=True, eq=False)
class Prepared:
    """PREPARE, EXECUTE and DEALLOCATE PREPARE. `variables`: that with the text where `sql` is None, or those that the
    parameters are bound to."""

    action: str
    name: str
    sql: str | None = None
    variables: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Command:
    """A statement beyond queries, changes and transactions, as `CREATE TABLE`, `LOAD LOCAL` or `USE`. `table` is what
    it names: a table, a routine, or a database."""

    verb: str
    table: TableName | None = None


Statement = (
    Select
    | SetOperation
    | Values
    | With
    | SelectInto
    | Insert
    | Update
    | Delete
    | SetStatement
    | Show
    | Explain
    | Transaction
    | Maintenance
    | Do
    | Prepared
    | Command
)


def children(node: object) -> Iterator[Any]:
    """The tree's nodes directly below one (or below a list or tuple of them), in the order of the text."""
    if isinstance(node, list | tuple):
        for item in node:
            if isinstance(item, list | tuple):
                yield from children(item)
            elif hasattr(item, "__dataclass_fields__"):
                yield item
    elif isinstance(node, dict):
        yield from node.values()
    elif hasattr(node, "__dataclass_fields__"):
        for name in node.__dataclass_fields__:
            item = getattr(node, name)
            if isinstance(item, list | tuple | dict):
                yield from children(item)
            elif hasattr(item, "__dataclass_fields__"):
                yield item


def descendants(node: object) -> Iterator[Any]:
    """All nodes below, depth first, without the node itself."""
    for child in children(node):
        yield child
        yield from descendants(child)
