"""MySQL's grammar of SET."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envs.dbbench.mysql.errors import MySQLError, Unsupported
from envs.dbbench.mysql.tree import Literal, Node, SetStatement, Setting, Variable

if TYPE_CHECKING:
    from envs.dbbench.mysql.querysyntax import QueryParser

_SCOPES = frozenset({"GLOBAL", "SESSION", "LOCAL", "PERSIST", "PERSIST_ONLY"})
# Words that are values of system variables although they are reserved.
_WORDS = frozenset({"ON", "ALL", "BINARY", "ROW", "SYSTEM"})
_LEVELS = ("REPEATABLE READ", "READ COMMITTED", "READ UNCOMMITTED", "SERIALIZABLE")


def read_set(reader: QueryParser) -> SetStatement:
    """SET and what it sets. Raises 1064, and 1227 for passwords, roles and resource groups."""
    reader.expect("SET")
    if reader.key in ("PASSWORD", "ROLE", "RESOURCE") or (reader.key, reader.ahead()) == ("DEFAULT", "ROLE"):
        raise MySQLError(1227, "SYSTEM_USER")
    settings: list[Setting] = []
    while True:
        settings += _item(reader)
        if not reader.accept(","):
            return SetStatement(settings)


def _item(reader: QueryParser) -> list[Setting]:
    scope = ""
    if reader.key in _SCOPES and reader.ahead() not in ("=", ":="):
        scope = reader.key.lower()
        reader.at += 1
    if reader.accept("TRANSACTION"):
        return _transaction(reader)
    if not scope and reader.accept("NAMES"):
        return _names(reader)
    if not scope and (reader.accept("CHARACTER", "SET") or reader.accept("CHARSET")):
        return _names(reader)
    variable = reader.variable() if reader.key == "@" else Variable(reader.identifier(), True, scope)
    if not reader.accept(":="):
        reader.expect("=")
    return [Setting(variable, _value(reader, variable))]


def _value(reader: QueryParser, variable: Variable) -> Node | None:
    if variable.system and reader.key == "DEFAULT" and reader.ahead() != "(":
        reader.at += 1
        return None
    word = reader.token.kind == "word" and reader.ahead() in ("", ",", ";")
    if variable.system and (reader.key in _WORDS or (word and reader.at_identifier())):
        reader.at += 1
        return Literal(reader.keys[reader.at - 1], "string")
    return reader.expression()


def _names(reader: QueryParser) -> list[Setting]:
    """SET NAMES and SET CHARACTER SET. Raises 1115 for an unknown character set, 1273 for an unknown collation."""
    if reader.accept("DEFAULT"):
        return []
    name = reader.string() if reader.token.kind == "string" else reader.character_set()
    if name.lower() not in ("utf8mb4", "utf8", "utf8mb3", "latin1", "ascii", "binary"):
        raise MySQLError(1115, name)
    if reader.accept("COLLATE"):
        collation = reader.string() if reader.token.kind == "string" else reader.identifier()
        if not collation.lower().startswith(name.lower()):
            raise MySQLError(1253, collation, name)
    return []


def _transaction(reader: QueryParser) -> list[Setting]:
    """SET TRANSACTION: one session at a time has nothing to isolate from."""
    while True:
        if reader.accept("READ", "ONLY"):
            raise Unsupported("SET TRANSACTION READ ONLY")
        if reader.accept("READ", "WRITE"):
            pass
        else:
            reader.expect("ISOLATION", "LEVEL")
            words = next((level.split() for level in _LEVELS if reader.accept(*level.split())), None)
            if words is None:
                reader.fail()
        if not reader.accept(","):
            return []
