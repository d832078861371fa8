"""MySQL's grammar of SHOW and DESCRIBE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envs.dbbench.mysql.tree import Show, TableName

if TYPE_CHECKING:
    from envs.dbbench.mysql.querysyntax import QueryParser

# SHOW's words that stand alone, perhaps with LIKE or WHERE behind them, and what they ask for.
_LISTS = {
    ("TABLES",): "tables", ("TABLE", "STATUS"): "table status", ("OPEN", "TABLES"): "open tables",
    ("DATABASES",): "databases", ("SCHEMAS",): "databases", ("COLLATION",): "collation",
    ("CHARSET",): "character set", ("CHARACTER", "SET"): "character set", ("VARIABLES",): "variables",
    ("GLOBAL", "VARIABLES"): "global variables", ("SESSION", "VARIABLES"): "variables",
    ("LOCAL", "VARIABLES"): "variables", ("STATUS",): "status", ("GLOBAL", "STATUS"): "status",
    ("SESSION", "STATUS"): "status", ("LOCAL", "STATUS"): "status", ("TRIGGERS",): "triggers", ("EVENTS",): "events",
    ("PROCEDURE", "STATUS"): "routines", ("FUNCTION", "STATUS"): "routines",
}  # fmt: skip
_ALONE = {
    ("ENGINES",): "engines", ("STORAGE", "ENGINES"): "engines", ("PRIVILEGES",): "privileges",
    ("PLUGINS",): "plugins", ("PROCESSLIST",): "processlist", ("PROFILES",): "profiles", ("PROFILE",): "profiles",
    ("BINARY", "LOGS"): "binary logs", ("BINARY", "LOG", "STATUS"): "binary logs", ("REPLICAS",): "replicas",
    ("REPLICA", "STATUS"): "replicas",
}  # fmt: skip
_WITH_DATABASE = ("tables", "table status", "open tables", "triggers", "events")


def read_show(reader: QueryParser) -> Show:
    """SHOW and what it asks for. Raises 1064."""
    reader.expect("SHOW")
    reader.accept("EXTENDED")
    full = reader.accept("FULL")
    for words, what in _LISTS.items():
        if reader.accept(*words):
            show = Show(what, full=full)
            if what in _WITH_DATABASE and reader.key in ("FROM", "IN"):
                reader.at += 1
                show.table = TableName("", database=reader.identifier())
            return _filtered(reader, show)
    for words, what in _ALONE.items():
        if reader.accept(*words):
            return Show(what, full=full)
    for words, what in ((("COLUMNS", "FIELDS"), "columns"), (("INDEX", "INDEXES", "KEYS"), "index")):
        if reader.key in words:
            reader.at += 1
            show = Show(what, _from_table(reader), full=full)
            if what == "index" and reader.accept("WHERE"):
                show.where = reader.expression()
            return show if what == "index" else _filtered(reader, show)
    return _others(reader)


def _others(reader: QueryParser) -> Show:
    if reader.accept("CREATE"):
        return _create(reader)
    if reader.accept("GRANTS"):
        return Show("grants", name=_user(reader) if reader.accept("FOR") else "")
    if reader.accept("ENGINE"):
        name = reader.identifier()
        if reader.key not in ("STATUS", "MUTEX", "LOGS"):
            reader.fail()
        reader.at += 1
        return Show("engine", name=name)
    what = "count of diagnostics" if reader.accept("COUNT", "(", "*", ")") else "diagnostics"
    if reader.key not in ("WARNINGS", "ERRORS"):
        reader.fail()
    reader.at += 1
    if what == "diagnostics":
        reader.limit()
    return Show(what)


def _create(reader: QueryParser) -> Show:
    for word in ("TABLE", "VIEW"):
        if reader.accept(word):
            return Show(f"create {word.lower()}", reader.table_name())
    for word in ("PROCEDURE", "FUNCTION", "TRIGGER", "EVENT"):
        if reader.accept(word):
            return Show("create routine", reader.table_name(), name=word)
    if reader.accept("USER"):
        return Show("create user", name=_user(reader))
    if not reader.accept("DATABASE"):
        reader.expect("SCHEMA")
    if reader.accept("IF"):
        reader.expect("NOT", "EXISTS")
    return Show("create database", TableName(reader.identifier()))


def _user(reader: QueryParser) -> str:
    """CURRENT_USER, or a user's name; "" is one's own."""
    if reader.accept("CURRENT_USER"):
        reader.accept("(", ")")
        return ""
    name = reader.string() if reader.token.kind == "string" else reader.identifier()
    if reader.accept("@"):
        reader.at += 1
    return name


def _from_table(reader: QueryParser) -> TableName:
    if reader.key not in ("FROM", "IN"):
        reader.fail()
    reader.at += 1
    table = reader.table_name()
    if reader.key in ("FROM", "IN"):
        reader.at += 1
        table.database = reader.identifier()
    return table


def _filtered(reader: QueryParser, show: Show) -> Show:
    if reader.accept("LIKE"):
        show.like = reader.string()
    elif reader.accept("WHERE"):
        show.where = reader.expression()
    return show


def read_describe(reader: QueryParser) -> Show:
    """What stands behind DESCRIBE: a table, perhaps with a column or a pattern of columns."""
    show = Show("columns", reader.table_name())
    if reader.at_identifier() or reader.token.kind == "string":
        show.like = reader.token.text
        reader.at += 1
    return show
