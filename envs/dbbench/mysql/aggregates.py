"""Aggregates that SQLite does not have: exact DECIMAL sums, GROUP_CONCAT, the first value of a group ..."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from envs.dbbench.mysql import jsonvalues
from envs.dbbench.mysql.collation import sort_key
from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.filesort import Sorting
from envs.dbbench.mysql.numbers import CONTEXT
from envs.dbbench.mysql.session import Session
from envs.dbbench.mysql.strict import warn

MAX_GROUP_TEXT = 20_000_000
MAX_TEXT = 1_000_000


class Aggregate:
    """SQLite's protocol: step a row in, inverse the oldest out of a window's frame, value, finalize."""

    session: Session

    def step(self, *cells: Any) -> None:
        raise NotImplementedError

    def inverse(self, *cells: Any) -> None:
        raise NotImplementedError

    def value(self) -> Any:
        raise NotImplementedError

    def finalize(self) -> Any:
        return self.value()


class DecimalSum(Aggregate):
    """SUM of DECIMAL texts, as text."""

    def __init__(self) -> None:
        self.sum = Decimal(0)
        self.count = 0

    def step(self, *cells: Any) -> None:
        if cells[0] is not None:
            self.sum = CONTEXT.add(self.sum, Decimal(str(cells[0])))
            self.count += 1

    def inverse(self, *cells: Any) -> None:
        if cells[0] is not None:
            self.sum = CONTEXT.subtract(self.sum, Decimal(str(cells[0])))
            self.count -= 1

    def value(self) -> Any:
        return f"{self.sum:f}" if self.count else None


class DecimalAverage(DecimalSum):
    """AVG of DECIMAL texts, to more digits than any type keeps."""

    def value(self) -> Any:
        if not self.count:
            return None
        quotient = Fraction(self.sum) / self.count
        scaled = quotient * 10**32
        return f"{Decimal(math.trunc(scaled)).scaleb(-32, CONTEXT):f}"


class First(Aggregate):
    """The value of the group's first row."""

    def __init__(self) -> None:
        self.cells: deque[Any] = deque()
        self.framed = False

    def step(self, *cells: Any) -> None:
        if not self.cells:
            self.cells.append(cells[0])

    def inverse(self, *cells: Any) -> None:
        self.cells.clear()

    def value(self) -> Any:
        return self.cells[0] if self.cells else None


class One(First):
    """The value of a scalar subquery. Error 1242 on a second row."""

    def step(self, *cells: Any) -> None:
        if self.cells:
            raise MySQLError(1242)
        self.cells.append(cells[0])


class CountDistinct(Aggregate):
    """COUNT(DISTINCT a, b, ...): rows with a NULL do not count."""

    def __init__(self) -> None:
        self.seen: set[tuple[Any, ...]] = set()

    def step(self, *cells: Any) -> None:
        if None not in cells:
            self.seen.add(tuple(sort_key(cell) if isinstance(cell, str) else cell for cell in cells))

    def value(self) -> Any:
        return len(self.seen)


class GroupConcat(Aggregate):
    """GROUP_CONCAT: the first cell is a JSON list [separator, distinct, width, [descending ...], [kinds ...]], then
    the expressions, then the order's keys. The result is cut at the bytes of group_concat_max_len."""

    def __init__(self) -> None:
        self.settings: list[Any] = []
        self.rows: list[tuple[str, list[Any]]] = []
        self.seen: set[str] = set()
        self.size = 0
        self.most = min(max(self.session.number("group_concat_max_len", 1024), 4), MAX_TEXT)

    def step(self, *cells: Any) -> None:
        if not self.settings:
            self.settings = json.loads(cells[0])
        separator, distinct, width, descending, kinds = self.settings
        parts = cells[1 : 1 + width]
        if None in parts or (not descending and self.size - len(separator) > self.most):
            return
        text = "".join(parts)
        if distinct:
            key = sort_key(text)
            if key in self.seen:
                return
            self.seen.add(key)
        keys = [_order_key(cell, kind) for cell, kind in zip(cells[1 + width :], kinds, strict=True)]
        self.size += len(text) + len(separator) + sum(len(key[1]) for key in keys if isinstance(key[1], str))
        if self.size > MAX_GROUP_TEXT:
            raise MySQLError(1153)
        self.rows.append((text[: self.most + 1], keys))

    def value(self) -> Any:
        if not self.rows:
            return None
        separator, _, _, descending, _ = self.settings
        if descending:
            self.rows.reverse()  # the server keeps them in a tree, where equal keys go to the left
        for place in reversed(range(len(descending))):
            self.rows.sort(key=lambda row: row[1][place], reverse=descending[place])
        joined = separator.join(text for text, _ in self.rows)
        raw = joined[: self.most + 1].encode("utf-8", "replace")
        if len(raw) > self.most:
            warn(1260, len(self.rows))
        raw = raw[: self.most]
        return raw.decode("utf-8", "ignore")


def _order_key(cell: Any, kind: str) -> tuple[int, Any]:
    """A cell as something that sorts: NULL first, then numbers, then texts."""
    if cell is None:
        return 0, 0
    if kind == "text":
        return 2, sort_key(cell)
    return (1, Decimal(cell)) if kind == "decimal" else (2 if isinstance(cell, str) else 1, cell)


class Variance(Aggregate):
    """Welford's recurrence, as the server computes it; two cells: the number and what to return."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = 0.0
        self.kind = "pop"

    def step(self, *cells: Any) -> None:
        number, self.kind = cells
        if number is None:
            return
        self.count += 1
        delta = number - self.mean
        self.mean += delta / self.count
        self.squares += delta * (number - self.mean)

    def value(self) -> Any:
        sample = "samp" in self.kind
        if self.count < 1 + sample:
            return None
        variance = self.squares / (self.count - sample)
        return math.sqrt(variance) if "std" in self.kind else variance


class Bits(Aggregate):
    """BIT_AND, BIT_OR, BIT_XOR; two cells: the number and the operator."""

    def __init__(self) -> None:
        self.result: int | None = None
        self.operator = ""

    def step(self, *cells: Any) -> None:
        number, self.operator = cells
        if number is None:
            return
        bits = int(number) % 2**64
        if self.result is None:
            self.result = bits
        elif self.operator == "and":
            self.result &= bits
        else:
            self.result = self.result | bits if self.operator == "or" else self.result ^ bits

    def value(self) -> Any:
        result = self.result if self.result is not None else (2**64 - 1 if self.operator == "and" else 0)
        return result if result < 2**63 else f"{result:020d}"


class Filesort(Aggregate):
    """The numbers of the rows that an ORDER BY with LIMIT keeps, in order, as `,3,1,`. Cells: the number of descending
    flags as bits, the limit, the offset, and the row's keys."""

    def __init__(self) -> None:
        self.keys: list[tuple[Any, ...]] = []
        self.sorting = Sorting((), 0, 0)

    def step(self, *cells: Any) -> None:
        if not self.keys:
            flags, limit, offset, *keys = cells
            self.sorting = Sorting(tuple(bool(flags >> i & 1) for i in range(len(keys))), limit, offset)
        self.keys.append(cells[3:])

    def value(self) -> Any:
        return "".join(f",{place + 1}" for place in self.sorting.places(self.keys)) + ","


class JSONArray(Aggregate):
    """JSON_ARRAYAGG of documents."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.size = 0

    def step(self, *cells: Any) -> None:
        self.size += sum(map(len, cells))
        if self.size > MAX_TEXT:
            raise MySQLError(1153)
        self.items.append(cells[0])

    def value(self) -> Any:
        return f"[{', '.join(self.items)}]" if self.items else None


class JSONObject(JSONArray):
    """JSON_OBJECTAGG of names and documents. Error 3158 for a name that is NULL."""

    def step(self, *cells: Any) -> None:
        if cells[0] is None:
            raise MySQLError(3158)
        super().step(*cells)
        self.items[-1:] = cells

    def value(self) -> Any:
        pairs = zip(self.items[::2], self.items[1::2], strict=True)
        return jsonvalues.dump({name: jsonvalues.load(item) for name, item in pairs}) if self.items else None


AGGREGATES: dict[str, type[Aggregate]] = {
    "decimal_sum": DecimalSum, "decimal_avg": DecimalAverage, "first": First, "one": One,
    "count_distinct": CountDistinct, "group_concat": GroupConcat, "variance": Variance, "bits": Bits,
    "filesort": Filesort,
    "json_arrayagg": JSONArray, "json_objectagg": JSONObject,
}  # fmt: skip


def reporting(aggregate: type[Aggregate], failures: list[BaseException], session: Session) -> type[Aggregate]:
    """The aggregate in a session, leaving what it raises in `failures`."""

    def reported(method: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(self: Aggregate, *cells: Any) -> Any:
            try:
                return method(self, *cells)
            except BaseException as error:
                failures.append(error)
                raise

        return wrapped

    methods = {name: reported(getattr(aggregate, name)) for name in ("step", "inverse", "value")}
    return type(aggregate.__name__, (aggregate,), {**methods, "session": session})
