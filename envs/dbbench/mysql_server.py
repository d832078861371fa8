"""A real MySQL or MariaDB behind the sandbox."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from envs.dbbench.mysql.budget import PlanningTimeout
from envs.dbbench.mysql.dialect import plan
from envs.dbbench.mysql.errors import DATABASE, TEXTS, USER, MySQLError, Unsupported, syntax_error
from envs.dbbench.mysql.lexer import strip, tokenize
from envs.dbbench.mysql.scope import Schema
from envs.dbbench.server import Refused, ServerBackend
from envs.dbbench.server_schema import run
from envs.dbbench.task import Table

if TYPE_CHECKING:
    from sqlalchemy import Connection

# The server answers these itself; the layer answers all others, in the words of a server that forbids them.
_SENT = re.compile(
    r"\( | SELECT | WITH | VALUES | TABLE | INSERT | REPLACE | UPDATE | DELETE | SHOW | DESC(RIBE)? | EXPLAIN",
    re.VERBOSE,
)
_FORBIDDEN_CALLS = re.compile(
    r"""
    sleep | benchmark | get_lock | is_(free|used)_lock | release_(all_)?locks? | (master|source)_pos_wait
    | master_gtid_wait | wait_for_executed_gtid_set | wait_until_sql_thread_after_gtids
    """,
    re.VERBOSE,
)
# MySQL 9's default.
_MYSQL_MODE = (
    "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION"
)
# In its strict mode MariaDB refuses an UPDATE that compares TEXT which is no number with a number. MySQL, strict or
# not, reads such TEXT as 0.
_MARIADB_MODE = _MYSQL_MODE.replace("STRICT_TRANS_TABLES,", "")
_MARIADB_MEMORY = f"max_session_mem_used = {128 * 2**20}"
# SQLSTATEs that the layer has no use for; pymysql drops them. HY000 where neither knows better.
_STATES = {
    1022: "23000", 1048: "23000", 1062: "23000", 1101: "42000", 1106: "42000", 1107: "42000", 1112: "42000",
    1113: "42000", 1118: "42000", 1141: "42000", 1143: "42000", 1147: "42000", 1148: "42000", 1176: "42000",
    1203: "42000", 1205: "HY000", 1213: "40001", 1230: "42000", 1231: "42000", 1232: "42000", 1233: "HY000",
    1239: "42000", 1264: "22003", 1265: "01000", 1286: "42000", 1292: "22007", 1301: "HY000", 1307: "HY000",
    1317: "70100", 1318: "42000", 1321: "2F005", 1364: "HY000", 1366: "22007", 1367: "22007", 1406: "22001",
    1410: "42000", 1415: "0A000", 1441: "22008", 1463: "42000", 1630: "42000", 1701: "42000", 1792: "25006",
    1972: "42000", 3065: "HY000", 3140: "22032", 3141: "22032", 3143: "42000",
}  # fmt: skip
_INTERRUPTED = frozenset({1317, 1969, 3024})
_KILLED = frozenset({1053, 1927})
_CROWDED = frozenset({1040, 1203, 1226})
_MAX_CONNECTIONS = 8  # of an episode: what was stopped may linger
# Where our lexer and a server's of some version could part: code in comments, hints that lift limits, characters that
# end "--" as white space does.
_CODE_IN_COMMENT = re.compile(r"/\*(?:!|M!|\+)|[\x00-\x08\x0e-\x1f\x7f]")
# What CREATE TABLE and INSERT say of names and cells: no such table can exist.
_TABLES_FAULTS = frozenset({1050, 1059, 1060, 1103, 1117, 1118, 1166, 1366, 1406})


class MySQLServer(ServerBackend):
    """MySQL 5.7 and later, MariaDB 10.2 and later. Names in error texts are those of the default backend."""

    driver = "mysql+pymysql"
    extra = "mysql"
    too_late = str(MySQLError(3024))
    too_large = str(MySQLError(1104))
    too_many = str(MySQLError(1114, "of the episode"))
    rights = "Give the URL of a user with CREATE USER, and with ALL PRIVILEGES ON *.* WITH GRANT OPTION."

    def reset(self, tables: tuple[Table, ...]) -> None:
        super().reset(tables)
        self._schema = Schema(tuple((table.name, table.columns) for table in tables))

    # ---------------------------------------------------------------------------------------------- schema and user

    def _lock(self, control: Connection, name: str) -> bool:
        run(
            control, "SET SESSION wait_timeout = 2147483, lock_wait_timeout = 50"
        )  # a lock lasts so long; a killed query lingers
        return control.exec_driver_sql("SELECT GET_LOCK(%s, 0)", (name,)).scalar() == 1

    def _unlock(self, control: Connection, name: str) -> None:
        control.exec_driver_sql("SELECT RELEASE_LOCK(%s)", (name,)).close()

    def _names(self, control: Connection) -> list[str]:
        rows = control.exec_driver_sql("SELECT schema_name FROM information_schema.schemata")
        return [str(row[0]) for row in rows]

    def _create(self, control: Connection) -> None:
        self._is_mariadb = bool(getattr(control.dialect, "is_mariadb", False))
        self._transport = _transport(control)
        collation = "COLLATE utf8mb4_uca1400_nopad_ai_ci" if self._has_uca1400(control) else ""
        run(control, f"CREATE DATABASE `{self.name}` CHARACTER SET utf8mb4 {collation}")
        user = f"'{self.name}'@'{_host(control)}'"
        limits = f"MAX_USER_CONNECTIONS {_MAX_CONNECTIONS}"
        if self._is_mariadb:
            limits += f" MAX_STATEMENT_TIME {self.deadline}"
        run(control, f"CREATE USER {user} IDENTIFIED BY '{self._password}' WITH {limits}")
        # In GRANT a schema's name is a pattern, of "_" and "%": there is neither in ours.
        run(control, f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{self.name}`.* TO {user}")

    def _has_uca1400(self, control: Connection) -> bool:
        """Whether this is a MariaDB with the collation that is nearest to MySQL's utf8mb4_0900_ai_ci."""
        return self._is_mariadb and (control.dialect.server_version_info or ()) >= (10, 10, 1)

    def _drop(self, control: Connection, name: str) -> None:
        sessions = control.exec_driver_sql("SELECT id FROM information_schema.processlist WHERE user = %s", (name,))
        for (number,) in sessions.fetchall():
            _tried(control, f"KILL CONNECTION {number}")
        run(control, f"DROP USER IF EXISTS '{name}'@'{_host(control)}'")
        run(control, f"DROP DATABASE IF EXISTS `{name}`")

    def _load(self, control: Connection, table: Table) -> None:
        place = self._place(table)
        columns = ", ".join(f"{_quoted(column)} TEXT" for column in table.columns)
        run(control, f"CREATE TABLE {place} ({columns})")
        if table.rows:
            holes = ", ".join(["%s"] * len(table.columns))
            control.exec_driver_sql(f"INSERT INTO {place.replace('%', '%%')} VALUES ({holes})", list(table.rows))

    def _place(self, table: Table) -> str:
        return f"`{self.name}`.{_quoted(table.name)}"

    # -------------------------------------------------------------------------------------------- the agent's session

    def _home(self) -> dict[str, Any]:
        return {"database": self.name}

    def _limits(self) -> dict[str, Any]:
        if self._is_mariadb:
            settings = f"sql_mode = '{_MARIADB_MODE}', max_statement_time = {self.deadline}, {_MARIADB_MEMORY}"
        else:
            settings = f"sql_mode = '{_MYSQL_MODE}', max_execution_time = {max(1, round(1000 * self.deadline))}"
        return {
            **self._transport,
            "autocommit": True,
            "init_command": f"SET SESSION {settings}",
            "local_infile": False,
            "read_timeout": self.deadline + 5,
        }

    def _number(self, session: Any) -> int:
        return int(session.thread_id())

    def _end_of(self, number: int) -> str:
        return f"KILL CONNECTION {number}"

    def _cursor(self, session: Any) -> Any:
        from pymysql.cursors import SSCursor

        return session.cursor(SSCursor)

    def _abandon(self, cursor: Any) -> None:
        if cursor._result is not None:
            cursor._result.unbuffered_active = False  # or it reads on, when it is collected, from a closed connection

    # ------------------------------------------------------------------------------------------------------ statements

    def _screened(self, sql: str) -> str:
        """Refuses by the lexer of the layer, which reads as the server does: a parser that takes `--1` for a comment,
        or gives up on a clause, can be made blind."""
        sql = strip(sql)
        if hidden := _CODE_IN_COMMENT.search(sql):
            raise Refused(syntax_error(sql, hidden.start()))
        try:
            tokens = tokenize(sql)
        except MySQLError as error:
            raise Refused(error) from None
        for token, after in pairwise(tokens):
            if token.kind == "bad":
                raise Refused(syntax_error(sql, token.start))
            is_call = token.kind in ("word", "quoted") and (after.kind, after.text) == ("op", "(")
            if is_call and _FORBIDDEN_CALLS.fullmatch(token.text.lower()):
                raise Refused(MySQLError(1370, "execute", USER, token.text.lower()))
        if _SENT.fullmatch(tokens[0].text.upper()):
            return sql
        try:
            todo = plan(sql, self._schema, self.deadline)
        except PlanningTimeout:
            raise Refused(self.too_late) from None
        if todo.error is not None:
            raise Refused(todo.error)
        if todo.targets and not any(target.system for target in todo.targets):
            return sql  # SET of user variables; a system variable may change how the server reads a statement
        if todo.prepared or todo.sql or todo.rows:
            raise Refused(Unsupported(f"{tokens[0].text.upper()} on a real server"))
        return sql if todo.transaction else ""  # nothing but a transaction's begin or end, or autocommit

    def _worded(self, error: BaseException) -> str:
        if len(error.args) < 2 or not isinstance(error.args[0], int):
            return f"2000 (HY000): {error}"
        number, text = error.args[0], str(error.args[1])
        if number in _INTERRUPTED:
            return self.too_late
        state = _STATES.get(number) or TEXTS.get(number, ("HY000",))[0]
        text = text.replace(f"'{self.name}'@", f"'{USER}'@").replace(self.name, DATABASE)
        return f"{number} ({state}): {text}"

    def _is_gone(self, error: BaseException) -> bool:
        number = error.args[0] if error.args else None
        if isinstance(number, int):
            return number in _KILLED or number == 0 or 2000 <= number < 3000
        return isinstance(error, OSError)

    def _is_answer(self, error: BaseException) -> bool:
        return len(error.args) > 1 and isinstance(error.args[0], int)

    def _is_crowded(self, error: BaseException) -> bool:
        return bool(error.args) and error.args[0] in _CROWDED

    def _quoted(self, name: str) -> str:
        return _quoted(name)

    def _is_tables_fault(self, error: BaseException) -> bool:
        return bool(error.args) and error.args[0] in _TABLES_FAULTS


def _transport(control: Connection) -> dict[str, Any]:
    """The options that make the agent's connection as safe as the given user's, and spare it a new TLS context."""
    row = control.exec_driver_sql("SHOW SESSION STATUS LIKE 'Ssl_cipher'").first()
    if row is None or not row[1]:
        return {"ssl_disabled": True}
    return {"ssl": getattr(control.connection.driver_connection, "ctx", None)}


def _host(control: Connection) -> str:
    """The host part of the account that the server took us for: ours must not lose to an anonymous user's."""
    return str(control.exec_driver_sql("SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', -1)").scalar())


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _tried(control: Connection, statement: str) -> None:
    """Runs what may already be done: a session ends by itself."""
    from sqlalchemy.exc import DBAPIError

    try:
        run(control, statement)
    except DBAPIError as error:
        if error.orig is None or error.orig.args[:1] != (1094,):  # unknown thread
            raise
