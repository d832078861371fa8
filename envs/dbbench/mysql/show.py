"""What SHOW and DESCRIBE answer an account with SELECT, INSERT, UPDATE and DELETE on one database."""

from __future__ import annotations

from dataclasses import dataclass

from envs.dbbench.mysql import catalogue, servertables
from envs.dbbench.mysql.collation import like
from envs.dbbench.mysql.errors import USER, MySQLError, Unsupported, denied
from envs.dbbench.mysql.queries import QueryTranslator
from envs.dbbench.mysql.scope import Scope, Source, SourceColumn
from envs.dbbench.mysql.session import Cell, Session
from envs.dbbench.mysql.systemvariables import SYSTEM_VARIABLES, check_listed, current
from envs.dbbench.mysql.tree import Literal, Show, descendants
from envs.dbbench.mysql.types import DATETIME, INT, TEXT, Type

Row = tuple[Cell, ...]


@dataclass(slots=True)
class Listing:
    """The names of the columns and the rows; by LIKE the rows are chosen by their first cell."""

    names: list[str]
    rows: list[Row]


def show(t: QueryTranslator, node: Show) -> tuple[str, list[Type]]:
    """SHOW as a query of the answer's rows, and its types. Raises what MySQL answers where something is not there or
    not for this account."""
    if node.what == "table status":
        return _table_status(t, node)
    listing = _listing(t, node)
    rows = [row for row in listing.rows if node.like is None or like(str(row[0]), node.like)]
    width = len(rows[0]) if rows else len(listing.names)
    cells = [", ".join(f"{_cell(t, cell)} AS o{i}" for i, cell in enumerate(row)) for row in rows]
    sql = " UNION ALL ".join(f"SELECT {row}" for row in cells)
    sql = sql or "SELECT " + ", ".join(f"NULL AS o{i}" for i in range(width)) + " WHERE 0"
    types = [INT if rows and isinstance(rows[0][i], int) else TEXT for i in range(width)]
    return _where(t, node, sql, listing.names, types), types


def _cell(t: QueryTranslator, cell: Cell) -> str:
    return "NULL" if cell is None else t.param(cell)


def _where(t: QueryTranslator, node: Show, sql: str, names: list[str], types: list[Type]) -> str:
    """WHERE sees the answer's columns by their names."""
    if node.where is None:
        return sql
    columns = [SourceColumn(name, type_, f"s.o{i}") for i, (name, type_) in enumerate(zip(names, types, strict=False))]
    scope = Scope(t.number(), None, "where clause", [Source("", columns)])
    scope.allow_aggregates = False
    condition = scope.finish(t.truth(node.where, scope), False)
    return f"SELECT {', '.join(f's.o{i}' for i in range(len(types)))} FROM ({sql}) AS s WHERE {condition}"


def _listing(t: QueryTranslator, node: Show) -> Listing:
    schema, session, what = t.schema, t.session, node.what
    if what in ("columns", "index", "create table", "create view"):
        return _of_table(t, node)
    if what in ("tables", "open tables", "triggers", "events"):
        return _of_database(t, node)
    if what == "databases":
        return Listing(["Database"], [(name,) for name in catalogue.databases(schema)])
    if what == "create database":
        return Listing(["Database", "Create Database"], [_create_database(t, node)])
    if what == "create routine":
        assert node.table is not None
        raise MySQLError(1305, node.name, node.table.name)
    if what in ("variables", "global variables"):
        return _variables(session, node)
    if what == "diagnostics":
        return Listing(["Level", "Code", "Message"], [("Error", *found) for found in session.diagnostics])
    if what == "count of diagnostics":
        return Listing(["@@session.warning_count"], [(len(session.diagnostics),)])
    if what in servertables.LISTINGS:
        names, rows = servertables.LISTINGS[what]
        return Listing(names, list(rows))
    if what == "collation":
        return _collation(node)
    if what == "grants" and node.name in ("", USER):
        grants = ("USAGE ON *.*", f"SELECT, INSERT, UPDATE, DELETE ON `{schema.database}`.*")
        return Listing([f"Grants for {USER}@localhost"], [(f"GRANT {g} TO `{USER}`@`localhost`",) for g in grants])
    return _refused(node)


def _refused(node: Show) -> Listing:
    if node.what in ("binary logs", "replicas"):
        raise MySQLError(1227, "SUPER, REPLICATION CLIENT")
    if node.what == "engine":
        raise MySQLError(1227, "PROCESS")
    if node.what == "grants":
        raise MySQLError(1044, USER, "mysql")
    raise Unsupported(f"SHOW {node.what.upper()}")


# --- tables


def _known_database(t: QueryTranslator, node: Show) -> str:
    database = t.schema.database if node.table is None else node.table.database or t.schema.database
    if database not in (t.schema.database, catalogue.DATABASE):
        raise MySQLError(1044, USER, database)
    return database


def _of_database(t: QueryTranslator, node: Show) -> Listing:
    database = _known_database(t, node)
    if node.what == "events":
        raise MySQLError(1044, USER, database)
    if node.what == "open tables":
        raise Unsupported("SHOW OPEN TABLES")
    if node.what == "triggers":
        return Listing(["Trigger", "Event", "Table", "Statement", "Timing", "Created", "sql_mode", "Definer",
                        "character_set_client", "collation_connection", "Database Collation"], [])  # fmt: skip
    tables, kind = sorted(name for name, _ in t.schema.tables), "BASE TABLE"
    if database == catalogue.DATABASE:
        tables, kind = catalogue.names(), "SYSTEM VIEW"
    names = [f"Tables_in_{database}" + (f" ({node.like})" if node.like is not None else "")]
    if node.full:
        return Listing([*names, "Table_type"], [(name, kind) for name in tables])
    return Listing(names, [(name,) for name in tables])


def _of_table(t: QueryTranslator, node: Show) -> Listing:
    assert node.table is not None
    schema = t.schema
    database = node.table.database or schema.database
    index = schema.index(node.table.name) if database == schema.database else None
    if database not in (schema.database, catalogue.DATABASE):
        raise denied("SELECT", node.table.name)
    if index is None:
        raise MySQLError(1146, database, node.table.name)
    name, columns = schema.tables[index]
    if node.what == "create view":
        raise MySQLError(1347, f"{database}.{name}", "VIEW")
    if node.what == "index":
        return Listing(["Table", "Non_unique", "Key_name", "Seq_in_index", "Column_name", "Collation", "Cardinality",
                        "Sub_part", "Packed", "Null", "Index_type", "Comment", "Index_comment", "Visible",
                        "Expression"], [])  # fmt: skip
    if node.what == "create table":
        return Listing(["Table", "Create Table"], [(name, _create_table(name, columns))])
    if node.full:
        names = ["Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges", "Comment"]
        filled = (catalogue.COLLATION, "YES", "", None, "", catalogue.PRIVILEGES, "")
        return Listing(names, [(column, "text", *filled) for column in columns])
    names = ["Field", "Type", "Null", "Key", "Default", "Extra"]
    return Listing(names, [(column, "text", "YES", "", None, "") for column in columns])


def _create_table(name: str, columns: tuple[str, ...]) -> str:
    body = ",\n".join(f"  `{column.replace('`', '``')}` text" for column in columns)
    quoted = name.replace("`", "``")
    return f"CREATE TABLE `{quoted}` (\n{body}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={catalogue.COLLATION}"


def _create_database(t: QueryTranslator, node: Show) -> Row:
    assert node.table is not None
    name = node.table.name
    if name != t.schema.database:
        raise MySQLError(1044, USER, name)
    options = f"/*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE {catalogue.COLLATION} */"
    return name, f"CREATE DATABASE `{name}` {options} /*!80016 DEFAULT ENCRYPTION='N' */"


_STATUS = ["Name", "Engine", "Version", "Row_format", "Rows", "Avg_row_length", "Data_length", "Max_data_length",
           "Index_length", "Data_free", "Auto_increment", "Create_time", "Update_time", "Check_time", "Collation",
           "Checksum", "Create_options", "Comment"]  # fmt: skip
_PAGE = 16384


def _table_status(t: QueryTranslator, node: Show) -> tuple[str, list[Type]]:
    """A table is counted, as the server does for one of a page; the times are now."""
    names = [name for name, _ in sorted(t.schema.tables) if node.like is None or like(name, node.like)]
    if _known_database(t, node) == catalogue.DATABASE:
        raise Unsupported("SHOW TABLE STATUS of information_schema")
    numbers = {"Version", "Rows", "Avg_row_length", "Data_length", "Max_data_length", "Index_length", "Data_free"}
    types = [INT if name in numbers else DATETIME if name in ("Create_time", "Update_time") else TEXT
             for name in _STATUS]  # fmt: skip
    now = "strftime('%Y-%m-%d %H:%M:%S', 'now')"
    selects = []
    for name in names:
        count = f"(SELECT COUNT(*) FROM t{t.schema.index(name)})"
        cells = [t.param(name), "'InnoDB'", "10", "'Dynamic'", count, f"coalesce({_PAGE} / nullif({count}, 0), 0)",
                 str(_PAGE), "0", "0", "0", "NULL", now, now, "NULL", f"'{catalogue.COLLATION}'", "NULL", "''",
                 "''"]  # fmt: skip
        selects.append("SELECT " + ", ".join(f"{cell} AS o{i}" for i, cell in enumerate(cells)))
    empty = "SELECT " + ", ".join(f"NULL AS o{i}" for i in range(len(_STATUS))) + " WHERE 0"
    return _where(t, node, " UNION ALL ".join(selects) or empty, _STATUS, types), types


# --- the server


def _variables(session: Session, node: Show) -> Listing:
    """Variables by name; all of them is more than this layer knows."""
    if node.like is None and node.where is None:
        raise Unsupported("SHOW VARIABLES without LIKE or WHERE")
    scope = "global" if node.what == "global variables" else ""
    asked = [part.value for part in descendants(node.where) if isinstance(part, Literal) and part.kind == "string"]
    for pattern in asked if node.like is None else [node.like]:
        check_listed(pattern)
    rows: list[Row] = []
    for name in sorted(SYSTEM_VARIABLES):
        if scope and SYSTEM_VARIABLES[name].scope == "session":
            continue
        variable, cell = current(session, name, scope)
        shown = ("ON" if cell else "OFF") if variable.kind == "switch" else "" if cell is None else str(cell)
        rows.append((name, shown))
    return Listing(["Variable_name", "Value"], rows)


def _collation(node: Show) -> Listing:
    if node.like is None or node.like.lower() not in servertables.COLLATIONS:
        raise Unsupported("SHOW COLLATION other than LIKE 'a common collation'")
    names = ["Collation", "Charset", "Id", "Default", "Compiled", "Sortlen", "Pad_attribute"]
    return Listing(names, [servertables.COLLATIONS[node.like.lower()]])
