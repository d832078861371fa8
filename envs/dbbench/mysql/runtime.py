"""What the translated SQL calls inside SQLite: collations, conversions, operators and aggregates of MySQL's.

`install(connection, failures, watch)` registers all of it. An error raised by one of them reaches Python only as
"user-defined function raised exception", one raised by a collation not at all; the error itself is left in `failures`.
"""

from __future__ import annotations

import math
import sqlite3
import struct
import sys
from collections.abc import Callable
from decimal import Decimal
from time import monotonic
from typing import Any

from envs.dbbench.mysql import aggregates, calls, collation, numbers
from envs.dbbench.mysql.binary import to_bytes
from envs.dbbench.mysql.conversions import CONVERSIONS, unsigned
from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.functions import FUNCTIONS, MAX_TEXT
from envs.dbbench.mysql.miscellaneous import new_uuid
from envs.dbbench.mysql.session import Session
from envs.dbbench.mysql.strict import warn
from envs.dbbench.mysql.temporal import parse_moment, parse_time
from envs.dbbench.mysql.variables import assigned_type

Failures = list[BaseException]


class Watch:
    """The deadline of the statement that runs, and how much text its functions may still make."""

    BYTES = 60_000_000

    def __init__(self) -> None:
        self.began = self.end = math.inf
        self.left = self.BYTES

    def start(self, seconds: float) -> None:
        self.began = monotonic()
        self.end = self.began + seconds
        self.left = self.BYTES

    def expired(self) -> bool:
        return monotonic() > self.end

    def elapsed(self) -> float:
        return monotonic() - self.began

    def spend(self, result: object) -> None:
        """Raises 3024 when the time or the text is used up."""
        if monotonic() > self.end:
            raise MySQLError(3024)
        if isinstance(result, str) and len(result) > 1000:
            self.left -= len(result)
            if self.left < 0:
                raise MySQLError(1153)


def unsigned_arithmetic(operator: str, left: int | str, right: int | str, text: str) -> int | str | None:
    a, b = int(left), int(right)
    if operator == "%":
        if not b:
            warn(1365)
            return None
        return unsigned(abs(a) % abs(b))
    result = a + b if operator == "+" else a - b if operator == "-" else a * b
    if not 0 <= result < 2**64:
        raise MySQLError(1690, "BIGINT UNSIGNED", text)
    return unsigned(result)


def floor(number: float) -> float:
    return float(math.floor(finite(number)))


def ceil(number: float) -> float:
    return float(math.ceil(finite(number)))


def cut(text: str, digits: int) -> str:
    return numbers.truncated(Decimal(text), digits)


def operate(operator: str, left: str, right: str, scale: int) -> str | None:
    result = numbers.arithmetic(operator, Decimal(left), Decimal(right), scale)
    if result is None:
        warn(1365)
    return result


def divide(left: float, right: float) -> float | None:
    if not right:
        warn(1365)
        return None
    return left / right


def divide_integers(operator: str, left: int | str, right: int | str) -> int | str | None:
    """`%` and DIV; numbers beyond SQLite's integers come and go as text."""
    a, b = int(left), int(right)
    if not b:
        warn(1365)
        return None
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    result = quotient if operator == "div" else a - quotient * b
    return result if result < 2**63 else f"{result:020d}"


def round_decimal(text: str, places: int, scale: int) -> str:
    value = Decimal(text)
    if places < 0:
        unit = Decimal(10) ** min(-places, 80)
        return numbers.fixed(Decimal(numbers.fixed(value / unit, 0)) * unit, scale)
    return numbers.fixed(Decimal(numbers.fixed(value, min(places, scale))), scale)


def truncate_decimal(text: str, places: int, scale: int) -> str:
    value = Decimal(text)
    if places < 0:
        unit = Decimal(10) ** min(-places, 80)
        return numbers.fixed(Decimal(numbers.truncated(value / unit, 0)) * unit, scale)
    return numbers.fixed(Decimal(numbers.truncated(value, min(places, scale))), scale)


def round_whole(number: int, places: int) -> int:
    return int(Decimal(round_decimal(str(number), places, 0)))


def truncate_whole(number: int, places: int) -> int:
    return int(Decimal(truncate_decimal(str(number), places, 0)))


def floor_decimal(text: str) -> int:
    return math.floor(Decimal(text))


def ceil_decimal(text: str) -> int:
    return math.ceil(Decimal(text))


def finite(number: float) -> float:
    """MySQL reads text beyond DOUBLE as the largest DOUBLE, SQLite as infinity."""
    return max(min(number, sys.float_info.max), -sys.float_info.max)


def float_remainder(left: float, right: float) -> float | None:
    if not right:
        warn(1365)
        return None
    return math.fmod(finite(left), finite(right))


def integer_quotient(left: float, right: float) -> int | None:
    if not right:
        warn(1365)
        return None
    return max(min(math.trunc(finite(finite(left) / right)), 2**63 - 1), -(2**63))


def single(number: float) -> float:
    """A FLOAT's value."""
    try:
        value: float = struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return math.copysign(3.4028234663852886e38, number)
    return value


def temporal_number(text: str) -> int:
    """2012-01-31 as 20120131, 10:20:30 as 102030."""
    if ":" in text[:5] or text.startswith("-"):
        micros = parse_time(text) or 0
        seconds = abs(micros) // 1_000_000
        number = seconds // 3600 * 10000 + seconds // 60 % 60 * 100 + seconds % 60
        return -number if micros < 0 else number
    moment = parse_moment(text)
    if moment is None:
        return 0
    number = moment.year * 10000 + moment.month * 100 + moment.day
    if moment.has_time:
        number = number * 1_000_000 + moment.hour * 10000 + moment.minute * 100 + moment.second
    return number


def format_double(number: float, places: int) -> str:
    places = max(0, min(places, 30))
    return f"{numbers.round_double(number, places):,.{places}f}"


def format_decimal(text: str, places: int) -> str:
    places = max(0, min(places, 30))
    return f"{Decimal(numbers.fixed(Decimal(text), places)):,f}"


def bitwise(operator: str, left: int, right: int) -> int | str | None:
    a, b = int(left) % 2**64, int(right) % 2**64
    if operator in ("<<", ">>"):
        return unsigned((a << b) % 2**64 if operator == "<<" else a >> b) if b < 64 else 0
    return unsigned({"&": a & b, "|": a | b, "^": a ^ b}[operator])


def invert(number: int) -> int | str:
    return unsigned(~int(number) % 2**64)


def like(text: str, pattern: str, escape: str, binary: int) -> int:
    try:
        return int(collation.like(text, pattern, escape, bool(binary)))
    except TimeoutError:
        raise MySQLError(3024) from None


def extreme(kind: str, *items: Any) -> Any:
    """GREATEST and LEAST; kind is `greatest` or `least` and the comparison's type."""
    which, _, by = kind.partition(" ")
    best = items[0]
    for item in items[1:]:
        if by == "text":
            sign = collation.compare(item, best)
        elif by == "binary":
            sign = (to_bytes(item) > to_bytes(best)) - (to_bytes(item) < to_bytes(best))
        elif by == "decimal":
            sign = numbers.compare_decimals(item, best)
        else:
            sign = (item > best) - (item < best)
        if sign * (1 if which == "greatest" else -1) > 0:
            best = item
    return best


def text_key(text: str) -> str:
    """What a text sorts and groups by. Comparing keys costs SQLite nothing, a collation calls back each time."""
    key = collation.sort_key(text)
    if len(key) > MAX_TEXT:
        raise MySQLError(1153)
    return key


def decimal_key(text: str) -> str:
    return f"{int(Decimal(text).scaleb(30, numbers.CONTEXT)) + 10**112:0113d}"


def check_depth(depth: int) -> int:
    """cte_max_recursion_depth."""
    if depth > 1000:
        raise MySQLError(3636, 1001)
    return depth


def _session_functions(session: Session) -> dict[str, Callable[..., Any]]:
    """What reads and changes the session, and so is called for each row."""

    def assign(name: str, kind: str, scale: int, flags: int, cell: Any) -> Any:
        return session.assign(name, assigned_type(kind, scale, flags), cell)

    return {"variable": session.read, "assign": assign, "session": lambda name: getattr(session, name),
            "uuid": new_uuid}  # fmt: skip


def fail(number: int, *details: object) -> None:
    raise MySQLError(number, *details)


_SCALARS: dict[str, Callable[..., Any]] = {
    **CONVERSIONS,
    "divide": divide, "divide_integers": divide_integers,
    "unsigned": unsigned_arithmetic, "operate": operate, "cut": cut,
    "round_decimal": round_decimal, "truncate_decimal": truncate_decimal, "round_whole": round_whole,
    "truncate_whole": truncate_whole, "floor_decimal": floor_decimal, "ceil_decimal": ceil_decimal,
    "round_double": numbers.round_double, "truncate_double": numbers.truncate_double, "remainder": float_remainder,
    "quotient": integer_quotient, "single": single,
    "temporal_number": temporal_number, "format_double": format_double, "format_decimal": format_decimal,
    "bitwise": bitwise, "invert": invert, "like": like, "extreme": extreme, "depth": check_depth,
    "text_key": text_key, "decimal_key": decimal_key, "floor": floor, "ceil": ceil,
}  # fmt: skip


def install(connection: sqlite3.Connection, failures: Failures, watch: Watch, session: Session) -> None:
    """Registers collations, functions and aggregates on a connection."""
    assert calls.LIBRARIES
    connection.create_collation("m_text", _containing(collation.compare, failures))
    connection.create_collation("m_decimal", _containing(numbers.compare_decimals, failures))
    for name, call in _SCALARS.items():
        connection.create_function(f"m_{name}", -1, _reporting(_strict(call), failures, watch), deterministic=True)
    connection.create_function("m_fail", -1, _reporting(fail, failures, watch))
    for name, call in _session_functions(session).items():
        connection.create_function(f"m_{name}", -1, _reporting(call, failures, watch))
    for name, entry in FUNCTIONS.items():
        connection.create_function(
            f"m_{name.lower()}", -1, _reporting(entry.strict(), failures, watch), deterministic=True
        )
    for name, aggregate in aggregates.AGGREGATES.items():
        connection.create_window_function(f"m_{name}", -1, aggregates.reporting(aggregate, failures, session))


def _strict(call: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*arguments: Any) -> Any:
        return None if None in arguments else call(*arguments)

    return wrapped


def _containing(compare: Callable[[str, str], int], failures: Failures) -> Callable[[str, str], int]:
    """The driver leaves what a collation raises set in the interpreter, which dies of it some calls later, and takes
    the texts for equal: whoever runs the statement undoes it when it finds the failure."""

    def wrapped(left: str, right: str) -> int:
        try:
            return compare(left, right)
        except BaseException as error:
            failures.append(error)
            return 0

    return wrapped


def _check_result(result: object) -> None:
    """Raises what MySQL answers where SQLite has no such value; the driver's own error would not name it."""
    if isinstance(result, str) and not result.isascii():
        try:
            result.encode()
        except UnicodeEncodeError:
            raise MySQLError(1300, "\\xED") from None
    elif isinstance(result, int) and not -(2**63) <= result < 2**63:
        raise MySQLError(1690, "BIGINT", "expression")


def _reporting(call: Callable[..., Any], failures: Failures, watch: Watch) -> Callable[..., Any]:
    def wrapped(*arguments: Any) -> Any:
        try:
            result = call(*arguments)
            watch.spend(result)
            _check_result(result)
        except BaseException as error:
            failures.append(error)
            raise
        if isinstance(result, str) and len(result) > MAX_TEXT:
            return None
        return result

    return wrapped
