"""A real PostgreSQL behind the sandbox, answering as itself."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from envs.dbbench.mysql.errors import DATABASE
from envs.dbbench.mysql.lexer import MAX_LENGTH
from envs.dbbench.server import Refused, ServerBackend
from envs.dbbench.server_schema import run
from envs.dbbench.task import Table

if TYPE_CHECKING:
    from sqlalchemy import Connection

_ALLOWED = re.compile(
    r"""
    SELECT | WITH | VALUES | TABLE | INSERT | UPDATE | DELETE | MERGE | EXPLAIN | SHOW
    | BEGIN | START | COMMIT | END | ROLLBACK | ABORT | SAVEPOINT | RELEASE
    """,
    re.VERBOSE,
)
# Every user may call these: they wait, lock, change the session's limits, keep objects or messages behind, run SQL
# that is text, or end sessions.
_FORBIDDEN_CALLS = re.compile(
    r"""
    pg_sleep.* | pg_(try_)?advisory_.* | set_config | lo_.* | lowrite | loread | dblink.* | pg_notify | nextval | setval
    | (query|cursor|table|schema|database)_to_xml.* | ts_stat | ts_rewrite | pg_(cancel|terminate)_backend
    | pg_(read|ls|stat|write|file|export|import|logical|replication|create|drop|switch|reload|rotate|promote|backup)_.*
    | txid_.* | pg_current_xact_id.* | currval | lastval
    """,
    re.VERBOSE,
)
_EXPLAINED = re.compile("SELECT|WITH|VALUES|TABLE|INSERT|UPDATE|DELETE|MERGE")
_OPTION = re.compile(r"[(),]|VERBOSE|COSTS|FORMAT|TEXT|JSON|XML|YAML|SETTINGS|SUMMARY|TRUE|FALSE|ON|OFF|0|1")
_TEMPORARY = "256MB"
# What CREATE TABLE and INSERT say of names and cells: no such table can exist.
_TABLES_FAULTS = ("22", "42601", "42602", "42622", "42701", "42P07", "54")


class PostgresServer(ServerBackend):
    """PostgreSQL 12 and later. Errors read `42P01: relation "x" does not exist`, with the place in the statement."""

    driver = "postgresql+psycopg"
    extra = "postgres"
    too_late = "57014: canceling statement due to statement timeout"
    too_large = "54000: the result is too large"
    too_many = "53100: the tables are full"
    rights = "Give the URL of a user with CREATEROLE who may create schemas in this database."

    # ---------------------------------------------------------------------------------------------- schema and user

    def _lock(self, control: Connection, name: str) -> bool:
        return bool(control.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (_key(name),)).scalar())

    def _unlock(self, control: Connection, name: str) -> None:
        control.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (_key(name),)).close()

    def _names(self, control: Connection) -> list[str]:
        return [str(row[0]) for row in control.exec_driver_sql("SELECT nspname FROM pg_namespace")]

    def _create(self, control: Connection) -> None:
        name = _quoted(self.name)
        run(control, f"CREATE SCHEMA {name}")
        run(control, f"CREATE ROLE {name} LOGIN PASSWORD '{self._password}' CONNECTION LIMIT 4")
        run(control, f"GRANT USAGE ON SCHEMA {name} TO {name}")
        if control.exec_driver_sql("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").scalar():
            run(control, f"ALTER ROLE {name} SET temp_file_limit = '{_TEMPORARY}'")

    def _drop(self, control: Connection, name: str) -> None:
        control.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (name,)
        ).close()
        run(control, f"DROP SCHEMA IF EXISTS {_quoted(name)} CASCADE")
        if control.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).scalar():
            run(control, f"DROP OWNED BY {_quoted(name)}")
            run(control, f"DROP ROLE {_quoted(name)}")

    def _load(self, control: Connection, table: Table) -> None:
        place = self._place(table)
        run(control, f"CREATE TABLE {place} ({', '.join(f'{_quoted(column)} TEXT' for column in table.columns)})")
        run(control, f"GRANT SELECT, INSERT, UPDATE, DELETE ON {place} TO {_quoted(self.name)}")
        if table.rows:
            holes = ", ".join(["%s"] * len(table.columns))
            control.exec_driver_sql(f"INSERT INTO {place.replace('%', '%%')} VALUES ({holes})", list(table.rows))

    def _place(self, table: Table) -> str:
        return f"{_quoted(self.name)}.{_quoted(table.name)}"

    # -------------------------------------------------------------------------------------------- the agent's session

    def _home(self) -> dict[str, Any]:
        return {}

    def _limits(self) -> dict[str, Any]:
        settings = f"-c search_path={_quoted(self.name)} -c statement_timeout={max(1, round(1000 * self.deadline))}"
        return {"autocommit": True, "options": settings, "connect_timeout": 5}

    def _number(self, session: Any) -> int:
        return int(session.info.backend_pid)

    def _end_of(self, number: int) -> str:
        return f"SELECT pg_terminate_backend({number})"

    def _cursor(self, session: Any) -> Any:
        return session.cursor()

    def _send(self, cursor: Any, statement: str) -> None:
        # As a prepared statement: the server then takes no second one behind a semicolon.
        cursor.execute(statement, prepare=True)

    def _hang_up(self, session: Any) -> None:
        # A server that is busy with a value of some hundred megabytes looks up only after seconds.
        with socket.socket(fileno=os.dup(session.fileno())) as ours:
            ours.shutdown(socket.SHUT_RDWR)

    def _before_dump(self, cursor: Any) -> None:
        from psycopg.pq import TransactionStatus

        if cursor.connection.info.transaction_status == TransactionStatus.INERROR:
            cursor.execute("ROLLBACK")

    # ------------------------------------------------------------------------------------------------------ statements

    def _screened(self, sql: str) -> str:
        from sqlglot.dialects.postgres import Postgres
        from sqlglot.errors import SqlglotError

        if len(sql) > MAX_LENGTH:
            raise Refused("54000: the statement is too long")
        try:
            # Behind a word of ours: what follows EXPLAIN or SHOW at the beginning is one token to sqlglot.
            tokens = Postgres().tokenize(f"x {sql}")[1:]
        except SqlglotError:
            raise Refused("42601: syntax error") from None
        while tokens and tokens[-1].text == ";":
            tokens.pop()
        if not tokens:
            return ""
        if any(token.text == ";" for token in tokens):
            raise Refused("42601: cannot insert multiple commands into a prepared statement")
        self._screen_verbs([token.text.upper() for token in tokens])
        for token, after in pairwise(tokens):
            name = token.text.lower()
            if after.text == "(" and _FORBIDDEN_CALLS.fullmatch(name):
                raise Refused(f"42501: permission denied for function {name}")
            if after.text.lower() == "pg_settings":  # an UPDATE of it is a SET
                raise Refused("42501: permission denied for view pg_settings")
            if after.text.upper() == "INTO" and name not in ("insert", "merge"):
                raise Refused("42501: permission denied for SELECT INTO")
        if re.search(r'\bu&"', sql, re.IGNORECASE):
            raise Refused("0A000: names of Unicode escapes are not supported")
        return sql

    def _screen_verbs(self, words: list[str]) -> None:
        """Refuses what is not for the agent at the beginning, behind EXPLAIN, and changes within a WITH, whose rows
        nobody counts."""
        place = next((i for i, word in enumerate(words) if word != "("), 0)
        verb = words[place]
        if not _ALLOWED.fullmatch(verb):
            raise Refused(f"42501: permission denied for {verb}")
        if verb == "EXPLAIN":
            explained = next((i for i, word in enumerate(words) if _EXPLAINED.fullmatch(word)), len(words))
            if any(word in ("ANALYZE", "ANALYSE") for word in words[:explained]):
                raise Refused("0A000: EXPLAIN ANALYZE is not supported")
            options = words[place + 1 : explained]
            if explained == len(words) or not all(_OPTION.fullmatch(word) for word in options):
                raise Refused("42501: permission denied for EXPLAIN of this statement")
        depth = 0
        for before, word in pairwise(words):
            depth += {"(": 1, ")": -1}.get(before, 0)
            if depth and word in ("INSERT", "UPDATE", "DELETE", "MERGE") and before not in ("FOR", "KEY"):
                raise Refused(f"0A000: {word} within another statement is not supported")

    def _worded(self, error: BaseException) -> str:
        state = getattr(error, "sqlstate", None) or "XX000"
        return f"{state}: {str(error).strip()}".replace(self.name, DATABASE)

    def _is_gone(self, error: BaseException) -> bool:
        import psycopg

        state = getattr(error, "sqlstate", None)
        if state is None:
            return isinstance(error, OSError | psycopg.OperationalError)
        return bool(state.startswith(("08", "57P")))

    def _is_answer(self, error: BaseException) -> bool:
        import psycopg

        # A DataError of the driver's: it has read the result, but Python has no such value.
        return getattr(error, "sqlstate", None) is not None or isinstance(error, psycopg.DataError)

    def _is_crowded(self, error: BaseException) -> bool:
        # A refused connection has no SQLSTATE in psycopg.
        return getattr(error, "sqlstate", None) == "53300" or "too many connections" in str(error)

    def _quoted(self, name: str) -> str:
        return _quoted(name)

    def _is_tables_fault(self, error: BaseException) -> bool:
        return str(getattr(error, "sqlstate", "")).startswith(_TABLES_FAULTS)


def _key(name: str) -> int:
    """The advisory lock of a name: 64 bits, signed."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
