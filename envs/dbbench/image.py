"""Prepared images: a task's tables as SQLite's bytes, made once."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict

from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.scope import Schema
from envs.dbbench.task import Cell, Table

_IMAGES = 1024
_images: OrderedDict[tuple[int, str], tuple[tuple[Table, ...], Image]] = OrderedDict()


class Image:
    """A task's tables as SQLite's bytes, with the names under which the agent knows them.

    `refusal` is what MySQL answers to such a CREATE TABLE: then there are no tables, and every statement fails so.
    """

    def __init__(self, tables: tuple[Table, ...], dialect: str) -> None:
        self.schema = Schema(tuple((table.name, table.columns) for table in tables))
        self.refusal = _refusal(tables) if dialect == "mysql" else None
        self.names = [f"t{i}" if dialect == "mysql" else _quoted(table.name) for i, table in enumerate(tables)]
        self.inserts: list[tuple[str, list[Cell]]] = []
        """A statement for each table with the cells of all its rows."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        for name, table in zip(self.names, tables, strict=True):
            columns = [
                f"c{j} TEXT" if dialect == "mysql" else f"{_quoted(column)} TEXT"
                for j, column in enumerate(table.columns)
            ]
            connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
            holes = f"({', '.join('?' * len(table.columns))})"
            connection.executemany(f"INSERT INTO {name} VALUES {holes}", table.rows)
            if table.rows:
                insert = f"INSERT INTO {name} VALUES {', '.join([holes] * len(table.rows))}"
                self.inserts.append((insert, [cell for row in table.rows for cell in row]))
        self.data = connection.serialize()
        connection.close()


def image_of(tables: tuple[Table, ...], dialect: str) -> Image:
    """The image of these tables, made once. Keyed by identity: hashing all cells would cost more than a reset."""
    key = (id(tables), dialect)
    known = _images.get(key)
    if known is None or known[0] is not tables:
        known = _images[key] = (tables, Image(tables, dialect))
        while len(_images) > _IMAGES:
            _images.popitem(last=False)
    return known[1]


def _refusal(tables: tuple[Table, ...]) -> MySQLError | None:
    """Why MySQL would not create these tables."""
    for table in tables:
        if not table.name or table.name.endswith(" "):
            return MySQLError(1103, table.name)
        seen: set[str] = set()
        for name in (table.name, *table.columns):
            if len(name) > 64:
                return MySQLError(1059, name)
        for column in table.columns:
            if not column or column.endswith(" "):
                return MySQLError(1166, column)
            if column.lower() in seen:
                return MySQLError(1060, column)
            seen.add(column.lower())
    return None


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
