"""Calls that ask for the session, the server or a value's type, and functions that this layer does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envs.dbbench.mysql.errors import USER, Unsupported
from envs.dbbench.mysql.handlers import handles
from envs.dbbench.mysql.systemvariables import VERSION
from envs.dbbench.mysql.tree import Call, Cast, Column, Literal, Node, Operation, Variable
from envs.dbbench.mysql.types import INT, NULL, TEXT, UINT, Value, as_integer

if TYPE_CHECKING:
    from envs.dbbench.mysql.translate import Translator

# Native functions of MySQL 9 that this layer does not have.
UNSUPPORTED = frozenset(
    """
    AES_DECRYPT AES_ENCRYPT CAN_ACCESS_COLUMN COMPRESS EXTRACTVALUE FORMAT_BYTES FORMAT_PICO_TIME
    GEOMCOLLECTION GEOMETRYCOLLECTION GTID_SUBSET GTID_SUBTRACT ICU_VERSION IS_IPV4_COMPAT IS_IPV4_MAPPED
    LINESTRING MBRCONTAINS MBRCOVEREDBY MBRCOVERS MBRDISJOINT MBREQUALS MBRINTERSECTS MBROVERLAPS MBRTOUCHES MBRWITHIN
    MULTILINESTRING MULTIPOINT MULTIPOLYGON NAME_CONST POINT POLYGON PS_CURRENT_THREAD_ID PS_THREAD_ID RANDOM_BYTES
    ROLES_GRAPHML STATEMENT_DIGEST STATEMENT_DIGEST_TEXT ST_AREA ST_ASBINARY ST_ASGEOJSON ST_ASTEXT ST_BUFFER
    ST_CENTROID ST_CONTAINS ST_DISTANCE ST_DISTANCE_SPHERE ST_EQUALS ST_GEOMFROMTEXT ST_INTERSECTS ST_LENGTH
    ST_POINTFROMTEXT ST_SRID ST_WITHIN ST_X ST_Y UNCOMPRESS UNCOMPRESSED_LENGTH UPDATEXML UUID_SHORT
    VALIDATE_PASSWORD_STRENGTH WAIT_FOR_EXECUTED_GTID_SET
    """.split()  # noqa: SIM905
)


@handles("DATABASE SCHEMA", 0)
def _database(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value(t.param(t.schema.database), TEXT, constant=True)


@handles("VERSION", 0)
def _version(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value(t.param(VERSION), TEXT, constant=True)


@handles("USER CURRENT_USER SESSION_USER SYSTEM_USER", 0)
def _user(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value(t.param(f"{USER}@localhost"), TEXT, constant=True)


@handles("CURRENT_ROLE", 0)
def _role(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value("'NONE'", TEXT, constant=True)


@handles("ROW_COUNT FOUND_ROWS", 0)
def _counts(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value(f"m_session('{call.name.lower()}')", INT)


@handles("CONNECTION_ID", 0)
def _connection_id(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value(t.param(1), UINT, constant=True)


@handles("LAST_INSERT_ID", 0, 1)
def _last_insert_id(t: Translator, arguments: list[Value], call: Call) -> Value:
    # No column here counts by itself.
    return Value(as_integer(arguments[0]) if arguments else t.param(0), UINT, constant=True)


@handles("LOAD_FILE", 1)
def _load_file(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value("NULL", NULL)  # MySQL's answer without the FILE privilege


@handles("SLEEP", 1)
def _sleep(t: Translator, arguments: list[Value], call: Call) -> Value:
    if arguments[0].literal != 0:
        raise Unsupported("SLEEP for longer than 0 seconds")
    return Value(t.param(0), INT)


@handles("BENCHMARK GET_LOCK RELEASE_LOCK IS_FREE_LOCK IS_USED_LOCK RELEASE_ALL_LOCKS", 0, 2)
def _unsupported(t: Translator, arguments: list[Value], call: Call) -> Value:
    raise Unsupported(f"the function {call.name}")


@handles("UUID", 0)
def _uuid(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value("m_uuid()", TEXT)


# --- strings as such


@handles("CHARSET COLLATION", 1)
def _character_set(t: Translator, arguments: list[Value], call: Call) -> Value:
    type_ = arguments[0].type
    if type_.kind not in ("text", "json") or type_.raw:
        return Value("'binary'", TEXT, constant=True)
    collation = "utf8mb4_bin" if type_.binary or type_.kind == "json" else "utf8mb4_0900_ai_ci"
    return Value(f"'{collation if call.name == 'COLLATION' else 'utf8mb4'}'", TEXT, constant=True)


@handles("COERCIBILITY", 1)
def _coercibility(t: Translator, arguments: list[Value], call: Call) -> Value:
    return Value(t.param(_coercible(call.arguments[0], arguments[0])), INT, constant=True)


def _coercible(node: Node, value: Value) -> int:
    """How weakly a value holds on to its collation (manual, "Collation Coercibility in Expressions")."""
    if value.type.kind == "null":
        return 6
    if value.type.numeric or value.type.temporal:
        return 5
    if isinstance(node, Operation) and node.operator == "collate":
        return 0
    if isinstance(node, Column | Cast | Variable):
        return 2
    if isinstance(node, Call) and node.name in (
        "USER",
        "CURRENT_USER",
        "SESSION_USER",
        "VERSION",
        "DATABASE",
        "SCHEMA",
    ):
        return 3
    if isinstance(node, Call):
        return 2 if any(isinstance(argument, Column) for argument in node.arguments) else 4
    return 4 if isinstance(node, Literal) else 2
