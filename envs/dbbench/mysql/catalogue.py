"""information_schema, from the names of the episode's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envs.dbbench.mysql.errors import MySQLError, Unsupported
from envs.dbbench.mysql.scope import Schema
from envs.dbbench.mysql.types import BINARY, INT, TEXT, Type

if TYPE_CHECKING:
    from envs.dbbench.mysql.translate import Translator

DATABASE = "information_schema"
COLLATION = "utf8mb4_0900_ai_ci"
PRIVILEGES = "select,insert,update,references"

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


# Tables of information_schema that MySQL 9 has and this layer does not keep.
_NOT_KEPT = frozenset(
    """
    ADMINISTRABLE_ROLE_AUTHORIZATIONS APPLICABLE_ROLES CHARACTER_SETS CHECK_CONSTRAINTS COLLATIONS
    COLLATION_CHARACTER_SET_APPLICABILITY COLUMNS_EXTENSIONS COLUMN_PRIVILEGES COLUMN_STATISTICS ENABLED_ROLES ENGINES
    EVENTS FILES INNODB_BUFFER_PAGE INNODB_COLUMNS INNODB_INDEXES INNODB_TABLES INNODB_TABLESPACES INNODB_TABLESTATS
    INNODB_TRX KEYWORDS OPTIMIZER_TRACE PARAMETERS PARTITIONS PLUGINS PROCESSLIST PROFILING REFERENTIAL_CONSTRAINTS
    RESOURCE_GROUPS ROLE_COLUMN_GRANTS ROLE_ROUTINE_GRANTS ROLE_TABLE_GRANTS ROUTINES SCHEMATA_EXTENSIONS
    SCHEMA_PRIVILEGES ST_GEOMETRY_COLUMNS ST_SPATIAL_REFERENCE_SYSTEMS ST_UNITS_OF_MEASURE TABLESPACES
    TABLESPACES_EXTENSIONS TABLES_EXTENSIONS TABLE_CONSTRAINTS_EXTENSIONS TABLE_PRIVILEGES TRIGGERS USER_ATTRIBUTES
    USER_PRIVILEGES VIEW_ROUTINE_USAGE VIEW_TABLE_USAGE
    """.split()  # noqa: SIM905
)


def names() -> list[str]:
    return sorted(_COLUMNS)


def has(table: str) -> bool:
    """Whether it is kept. Raises Unsupported for one that only MySQL keeps."""
    if table.upper() in _NOT_KEPT:
        raise Unsupported(f"information_schema.{table.upper()}")
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


def databases(schema: Schema) -> list[str]:
    return sorted([DATABASE, "performance_schema", schema.database])


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
             "text", "", "", PRIVILEGES, "", "", None]
            for table, columns in sorted(schema.tables)
            # Without ORDER BY the server reads one of two indexes, by place or by name, whichever its samples of both
            # make look cheaper at the time; neither is more right.
            for i, column in enumerate(columns, 1)
        ]  # fmt: skip
    return []
