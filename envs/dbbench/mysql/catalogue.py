"""information_schema, SHOW and DESCRIBE, from the names of the episode's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envs.dbbench.mysql.collation import like
from envs.dbbench.mysql.errors import MySQLError, denied
from envs.dbbench.mysql.scope import Schema
from envs.dbbench.mysql.tree import Column, Literal, Node, Operation, Show
from envs.dbbench.mysql.types import BINARY, INT, TEXT, Type

if TYPE_CHECKING:
    from envs.dbbench.mysql.translate import Translator

DATABASE = "information_schema"
COLLATION = "utf8mb4_0900_ai_ci"
_PRIVILEGES = "select,insert,update,references"

Cell = str | int | None
# Table -> its columns. TABLE_NAME compares by its bytes: names of tables are files on the server's disk.
_COLUMNS: dict[str, list[str]] = {
    "SCHEMATA": ["CATALOG_NAME", "SCHEMA_NAME", "DEFAULT_CHARACTER_SET_NAME", "DEFAULT_COLLATION_NAME", "SQL_PATH",
                 "DEFAULT_ENCRYPTION"],
    "TABLES": ["TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "TABLE_TYPE", "ENGINE", "VERSION", "ROW_FORMAT",
               "TABLE_ROWS", "AVG_ROW_LENGTH", "DATA_LENGTH", "MAX_DATA_LENGTH", "INDEX_LENGTH", "DATA_FREE",
               "AUTO_INCREMENT", "CREATE_TIME", "UPDATE_TIME", "CHECK_TIME", "TABLE_COLLATION", "CHECKSUM",
               "CREATE_OPTIONS", "TABLE_COMMENT"],
    "COLUMNS": ["TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME", "ORDINAL_POSITION", "COLUMN_DEFAULT",
                "IS_NULLABLE", "DATA_TYPE", "CHARACTER_MAXIMUM_LENGTH", "CHARACTER_OCTET_LENGTH",
                "NUMERIC_PRECISION", "NUMERIC_SCALE", "DATETIME_PRECISION", "CHARACTER_SET_NAME", "COLLATION_NAME",
                "COLUMN_TYPE", "COLUMN_KEY", "EXTRA", "PRIVILEGES", "COLUMN_COMMENT", "GENERATION_EXPRESSION",
                "SRS_ID"],
    "STATISTICS": ["TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "NON_UNIQUE", "INDEX_SCHEMA", "INDEX_NAME",
                   "SEQ_IN_INDEX", "COLUMN_NAME"],
    "KEY_COLUMN_USAGE": ["CONSTRAINT_CATALOG", "CONSTRAINT_SCHEMA", "CONSTRAINT_NAME", "TABLE_CATALOG",
                         "TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME", "ORDINAL_POSITION",
                         "POSITION_IN_UNIQUE_CONSTRAINT", "REFERENCED_TABLE_SCHEMA", "REFERENCED_TABLE_NAME",
                         "REFERENCED_COLUMN_NAME"],
    "TABLE_CONSTRAINTS": ["CONSTRAINT_CATALOG", "CONSTRAINT_SCHEMA", "CONSTRAINT_NAME", "TABLE_SCHEMA", "TABLE_NAME",
                          "CONSTRAINT_TYPE", "ENFORCED"],
    "VIEWS": ["TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "VIEW_DEFINITION", "CHECK_OPTION", "IS_UPDATABLE",
              "DEFINER", "SECURITY_TYPE", "CHARACTER_SET_CLIENT", "COLLATION_CONNECTION"],
}  # fmt: skip
_NUMBERS = {"ORDINAL_POSITION", "VERSION", "TABLE_ROWS", "AVG_ROW_LENGTH", "DATA_LENGTH", "MAX_DATA_LENGTH",
            "INDEX_LENGTH", "DATA_FREE", "CHARACTER_MAXIMUM_LENGTH", "CHARACTER_OCTET_LENGTH"}  # fmt: skip
_BYTES = {"TABLE_NAME", "TABLE_SCHEMA", "SCHEMA_NAME", "TABLE_CATALOG"}


def has(table: str) -> bool:
    return table.upper() in _COLUMNS


def rows(t: Translator, table: str) -> tuple[str, list[tuple[str, Type]]]:
    """A table of information_schema as (SQL, columns with types). Error 1109 for one that is not kept."""
    name = table.upper()
    if name not in _COLUMNS:
        raise MySQLError(1109, name, DATABASE)
    columns = _COLUMNS[name]
    cells = _cells(t.schema, name)
    types = [(c, INT if c in _NUMBERS else BINARY if c in _BYTES else TEXT) for c in columns]
    if not cells:
        return "SELECT " + ", ".join(f"NULL AS o{i}" for i in range(len(columns))) + " WHERE 0", types
    selects = [
        "SELECT " + ", ".join(f"{'NULL' if cell is None else t.param(cell)} AS o{i}" for i, cell in enumerate(row))
        for row in cells
    ]
    return " UNION ALL ".join(selects), types


def _cells(schema: Schema, name: str) -> list[list[Cell]]:
    base = schema.database
    if name == "SCHEMATA":
        databases = [(DATABASE, "utf8mb3", "utf8mb3_general_ci"), ("performance_schema", "utf8mb4", COLLATION)]
        return [["def", *names, None, "NO"] for names in (*databases, (base, "utf8mb4", COLLATION))]
    if name == "TABLES":
        return [
            ["def", base, table, "BASE TABLE", "InnoDB", 10, "Dynamic", 0, 0, 16384, 0, 0, 0, None, None, None, None,
             COLLATION, None, "", ""]
            for table, _ in sorted(schema.tables)
        ]  # fmt: skip
    if name == "COLUMNS":
        return [
            ["def", base, table, column, i, None, "YES", "text", 65535, 65535, None, None, None, "utf8mb4", COLLATION,
             "text", "", "", _PRIVILEGES, "", "", None]
            for table, columns in sorted(schema.tables)
            # Without ORDER BY the server reads one of two indexes, by place or by name, whichever its samples of both
            # make look cheaper at the time; neither is more right.
            for i, column in enumerate(columns, 1)
        ]  # fmt: skip
    return []


# --- SHOW


def show(schema: Schema, node: Show) -> list[tuple[Any, ...]]:
    """The rows of a SHOW or DESCRIBE statement."""
    what = node.what
    if what in ("columns", "index", "create table"):
        return _show_table(schema, node)
    if node.table is not None and node.table.database is not None and what in ("tables", "table status"):
        known = {schema.database, DATABASE}
        if node.table.database not in known:
            raise MySQLError(1044, "agent", node.table.database)
    if what == "tables":
        in_catalogue = node.table is not None and node.table.database == DATABASE
        names = sorted(_COLUMNS) if in_catalogue else sorted(name for name, _ in schema.tables)
        kind = ("SYSTEM VIEW",) if in_catalogue else ("BASE TABLE",)
        return _filtered(
            [(name, *(kind if node.full else ())) for name in names], node, [f"Tables_in_{schema.database}"]
        )
    if what == "databases":
        return _filtered([(DATABASE,), ("performance_schema",), (schema.database,)], node, ["Database"])
    if what == "create database":
        return [(schema.database, f"CREATE DATABASE `{schema.database}` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE "
                                  f"{COLLATION} */ /*!80016 DEFAULT ENCRYPTION='N' */")]  # fmt: skip
    if what == "grants":
        return [("GRANT USAGE ON *.* TO `agent`@`localhost`",),
                (f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{schema.database}`.* TO `agent`@`localhost`",)]  # fmt: skip
    if what == "processlist":
        raise MySQLError(1227, "PROCESS")
    return []


def _show_table(schema: Schema, node: Show) -> list[tuple[Any, ...]]:
    assert node.table is not None
    database = node.table.database or schema.database
    index = schema.index(node.table.name) if database == schema.database else None
    if database not in (schema.database, DATABASE):
        raise denied("SELECT", node.table.name)
    if index is None:
        raise MySQLError(1146, database, node.table.name)
    name, columns = schema.tables[index]
    if node.what == "index":
        return []
    if node.what == "create table":
        body = ",\n".join(f"  `{column.replace('`', '``')}` text" for column in columns)
        quoted = name.replace("`", "``")
        return [(name, f"CREATE TABLE `{quoted}` (\n{body}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 "
                       f"COLLATE={COLLATION}")]  # fmt: skip
    if node.full:
        described = [(c, "text", COLLATION, "YES", "", None, "", _PRIVILEGES, "") for c in columns]
        return _filtered(described, node, ["Field", "Type", "Collation", "Null", "Key", "Default", "Extra"])
    short = [(c, "text", "YES", "", None, "") for c in columns]
    return _filtered(short, node, ["Field", "Type", "Null", "Key", "Default", "Extra"])


def _filtered(found: list[tuple[Any, ...]], node: Show, names: list[str]) -> list[tuple[Any, ...]]:
    if node.like is not None:
        return [row for row in found if like(str(row[0]), node.like)]
    if node.where is None:
        return found
    return [row for row in found if _holds(node.where, dict(zip([n.lower() for n in names], row, strict=False)))]


def _holds(node: Node, row: dict[str, Any]) -> bool:
    """WHERE of a SHOW statement: comparisons of its columns with constants, joined by AND and OR."""
    if isinstance(node, Operation):
        if node.operator in ("and", "or"):
            results = [_holds(operand, row) for operand in node.operands]
            return all(results) if node.operator == "and" else any(results)
        column, *others = node.operands
        if isinstance(column, Column) and all(isinstance(other, Literal) for other in others):
            if column.name.lower() not in row:
                raise MySQLError(1054, column.written, "where clause")
            cell = str(row[column.name.lower()])
            values = [other.value for other in others if isinstance(other, Literal)]
            if node.operator in ("=", "in"):
                return (
                    any(like(cell, value.replace("%", "\\%").replace("_", "\\_")) for value in values) != node.negated
                )
            if node.operator == "<>":
                return cell.lower() != values[0].lower()
            if node.operator == "like":
                return like(cell, values[0]) != node.negated
    raise MySQLError(1235, "SHOW ... WHERE with such a condition")
