"""Strict SQL mode: a warning of MySQL's is an error while a statement changes rows.

Functions report what the server would warn of with `warn`. In a query that does nothing and the function returns what
MySQL returns; in INSERT, UPDATE and DELETE it raises the error, which undoes the statement (STRICT_TRANS_TABLES,
NO_ZERO_DATE, ERROR_FOR_DIVISION_BY_ZERO; the reference manual's "Server SQL Modes"). With IGNORE a change only warns.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext

from envs.dbbench.mysql.errors import MySQLError


class _State(threading.local):
    active = False


class _StrictMode:
    def __enter__(self) -> None:
        _state.active = True

    def __exit__(self, *error: object) -> None:
        _state.active = False


_state = _State()
_STRICT, _LENIENT = _StrictMode(), nullcontext()


def strict_mode(active: bool) -> AbstractContextManager[None]:
    """Whether warnings of this thread are errors until the end of the block."""
    return _STRICT if active else _LENIENT


def warn(number: int, *details: object) -> None:
    """Reports a warning. Raises MySQLError in strict mode."""
    if _state.active:
        raise MySQLError(number, *(str(detail)[:128] for detail in details))


def warn_value(kind: str, text: object) -> None:
    """Reports error 1292 for a string that is not, or not in full, of a kind: DOUBLE, INTEGER, DECIMAL, date, time."""
    if _state.active:
        raise MySQLError(1292, f"Truncated incorrect {kind}", str(text)[:128])


def warn_datetime(text: object) -> None:
    """Reports error 1292 in the words that MySQL has where a date with a time of day is read."""
    if _state.active:
        raise MySQLError(1292, "Incorrect datetime", str(text)[:128])
