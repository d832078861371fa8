"""MySQL's grammar of the statements beyond queries, changes and SHOW, as far as it decides what is no statement.

Transactions, DO, CALL, PREPARE and the maintenance of tables are read in full. Of statements that the agent's account
has no right to, only the beginning and the table are read: enough to tell them from a sentence that begins like one.
"""

from __future__ import annotations

from collections.abc import Callable

from envs.dbbench.mysql.querysyntax import QueryParser
from envs.dbbench.mysql.tree import Command, Do, Maintenance, Prepared, Statement, TableName, Transaction

# Verb -> what may follow it; of what follows that only a table's name is read.
_NEXT = {
    "ALTER": "TABLE DATABASE SCHEMA VIEW USER FUNCTION PROCEDURE EVENT INSTANCE SERVER TABLESPACE UNDO LOGFILE "
             "RESOURCE ALGORITHM DEFINER SQL",
    "CREATE": "TABLE TEMPORARY VIEW OR INDEX UNIQUE FULLTEXT SPATIAL DATABASE SCHEMA USER FUNCTION PROCEDURE TRIGGER "
              "EVENT ROLE SERVER TABLESPACE UNDO LOGFILE RESOURCE ALGORITHM DEFINER SQL AGGREGATE LIBRARY",
    "DROP": "TABLE TABLES TEMPORARY VIEW INDEX DATABASE SCHEMA USER FUNCTION PROCEDURE TRIGGER EVENT ROLE SERVER "
            "TABLESPACE UNDO LOGFILE RESOURCE SPATIAL LIBRARY PREPARE",
    "RENAME": "TABLE TABLES USER",
    "LOCK": "TABLE TABLES INSTANCE",
    "UNLOCK": "TABLE TABLES INSTANCE",
    "FLUSH": "TABLE TABLES PRIVILEGES LOGS STATUS BINARY ENGINE ERROR GENERAL SLOW RELAY USER_RESOURCES "
             "OPTIMIZER_COSTS NO_WRITE_TO_BINLOG LOCAL",
    "LOAD": "DATA XML INDEX",
    "PURGE": "BINARY",
    "RESET": "BINARY REPLICA PERSIST",
    "STOP": "REPLICA GROUP_REPLICATION",
    "CHANGE": "REPLICATION",
    "INSTALL": "PLUGIN COMPONENT",
    "UNINSTALL": "PLUGIN COMPONENT",
    "XA": "START BEGIN END PREPARE COMMIT ROLLBACK RECOVER",
    "GET": "CURRENT STACKED DIAGNOSTICS",
    "IMPORT": "TABLE",
    "CLONE": "LOCAL INSTANCE",
    "CACHE": "INDEX",
}  # fmt: skip
COMMANDS = frozenset(
    """
    ALTER ANALYZE BEGIN BINLOG CACHE CALL CHANGE CHECK CHECKSUM CLONE COMMIT CREATE DEALLOCATE DO DROP EXECUTE FLUSH GET
    GRANT HANDLER HELP IMPORT INSTALL KILL LOAD LOCK OPTIMIZE PREPARE PURGE RELEASE RENAME REPAIR RESET RESTART REVOKE
    ROLLBACK SAVEPOINT SHUTDOWN START STOP TRUNCATE UNINSTALL UNLOCK USE XA
    """.split()  # noqa: SIM905
)
_DEFINITION_OPTIONS = frozenset(
    """
    OR REPLACE ALGORITHM SQL SECURITY UNIQUE FULLTEXT SPATIAL AGGREGATE DEFINER = UNDEFINED MERGE TEMPTABLE
    INVOKER UNDO NO_WRITE_TO_BINLOG LOCAL
    """.split()  # noqa: SIM905
)
_NAMED = frozenset("TABLE VIEW DATABASE FUNCTION INDEX TRIGGER EVENT".split())  # noqa: SIM905
_CHECK_OPTIONS = ("QUICK", "FAST", "MEDIUM", "EXTENDED", "CHANGED", "USE_FRM")
_PRIVILEGE_WORDS = frozenset(
    """
    ALL CREATE DROP LOCK SHOW REPLICATION PRIVILEGES VIEW ROUTINE TABLES USER OPTION DATABASES CLIENT SLAVE
    TEMPORARY ROLE TABLESPACE GRANT ALTER
    """.split()  # noqa: SIM905
)


class CommandParser(QueryParser):
    """Reads commands; statements are the subclass's (grammar.py)."""

    def command(self) -> Statement:
        verb = self.key
        reader: Callable[[], Statement] | None = getattr(self, f"_command_{verb.lower()}", None)
        if verb in ("CHECK", "ANALYZE", "OPTIMIZE", "REPAIR", "CHECKSUM"):
            statement = self._maintenance()
        elif reader is not None:
            self.at += 1
            statement = reader()
        else:
            statement = self._refused(verb)
        self.accept(";")
        if self.token.kind != "end":
            self.fail()
        return statement

    # --- transactions

    def _command_begin(self) -> Statement:
        self.accept("WORK")
        return Transaction("begin")

    def _command_start(self) -> Statement:
        if self.key in ("REPLICA", "GROUP_REPLICATION"):
            return self._rest(Command("START REPLICA"))
        self.expect("TRANSACTION")
        read_only = False
        while self.key in ("WITH", "READ"):
            if self.accept("WITH"):
                self.expect("CONSISTENT", "SNAPSHOT")
            else:
                self.at += 1
                read_only = self.key == "ONLY"
                if self.key not in ("ONLY", "WRITE"):
                    self.fail()
                self.at += 1
            if not self.accept(","):
                break
        return Transaction("begin read only" if read_only else "begin")

    def _command_commit(self) -> Statement:
        self.accept("WORK")
        return Transaction("commit" + self._completion())

    def _command_rollback(self) -> Statement:
        self.accept("WORK")
        if self.accept("TO"):
            self.accept("SAVEPOINT")
            return Transaction("rollback to", self.identifier())
        return Transaction("rollback" + self._completion())

    def _completion(self) -> str:
        chain = False
        if self.accept("AND"):
            chain = not self.accept("NO")
            self.expect("CHAIN")
        if self.key in ("NO", "RELEASE"):
            self.accept("NO")
            self.expect("RELEASE")
        return " and chain" if chain else ""

    def _command_savepoint(self) -> Statement:
        return Transaction("savepoint", self.identifier())

    def _command_release(self) -> Statement:
        self.expect("SAVEPOINT")
        return Transaction("release", self.identifier())

    # --- what is done

    def _command_use(self) -> Statement:
        return Command("USE", TableName(self.identifier()))

    def _command_do(self) -> Statement:
        return Do(self.select_items())

    def _command_call(self) -> Statement:
        name = self.table_name()
        if self.accept("(") and not self.accept(")"):
            self.expressions()
            self.expect(")")
        return Command("CALL", name)

    def _command_help(self) -> Statement:
        self.string() if self.token.kind == "string" else self.identifier()
        return Command("HELP")

    def _command_prepare(self) -> Statement:
        name = self.identifier()
        self.expect("FROM")
        if self.key == "@":
            return Prepared("prepare", name, variables=(self.variable().name,))
        return Prepared("prepare", name, self.string())

    def _command_execute(self) -> Statement:
        name = self.identifier()
        arguments: list[str] = []
        more = self.accept("USING")
        while more:
            arguments.append(self.variable().name)
            more = self.accept(",")
        return Prepared("execute", name, variables=tuple(arguments))

    def _command_deallocate(self) -> Statement:
        self.expect("PREPARE")
        return Prepared("deallocate", self.identifier())

    def _maintenance(self) -> Statement:
        verb = self.key
        self.at += 1
        if verb in ("ANALYZE", "OPTIMIZE", "REPAIR") and self.key in ("NO_WRITE_TO_BINLOG", "LOCAL"):
            self.at += 1
        if self.key not in ("TABLE", "TABLES"):
            self.fail()
        self.at += 1
        tables = [self.table_name()]
        while self.accept(","):
            tables.append(self.table_name())
        if verb == "ANALYZE" and self.key in ("UPDATE", "DROP"):
            return self._rest(Maintenance("HISTOGRAM", tables))
        while self.key in _CHECK_OPTIONS or self.key == "FOR":
            if self.accept("FOR"):
                self.expect("UPGRADE")
            else:
                self.at += 1
        return Maintenance(verb, tables)

    # --- what is refused

    def _refused(self, verb: str) -> Statement:
        self.at += 1
        if verb in _NEXT:
            if self.key not in _NEXT[verb].split():
                self.fail()
            return self._refused_definition(verb)
        if verb in ("GRANT", "REVOKE"):
            return self._rest(self._privileges(verb))
        if verb == "KILL":
            self.accept("CONNECTION") or self.accept("QUERY")
            self.expression()
            return Command(verb)
        if verb == "TRUNCATE":
            self.accept("TABLE")
            return Command("DROP TABLE", self.table_name())
        if verb == "HANDLER":
            name = self.table_name()
            if self.key not in ("OPEN", "READ", "CLOSE"):
                self.fail()
            return self._rest(Command(verb, name))
        if verb == "BINLOG":
            self.string()
        else:
            return Command(verb)  # SHUTDOWN, RESTART
        return self._rest(Command(verb))

    def _refused_definition(self, verb: str) -> Statement:
        if verb == "DROP" and self.accept("PREPARE"):
            return Prepared("deallocate", self.identifier())
        if verb == "LOAD":
            return self._load()
        while self.key in _DEFINITION_OPTIONS:
            self.at += 1
        temporary = "TEMPORARY " if self.accept("TEMPORARY") else ""
        thing = {"TABLES": "TABLE", "SCHEMA": "DATABASE", "PROCEDURE": "FUNCTION"}.get(self.key, self.key)
        self.at += 1
        command = Command(f"{verb} {temporary}{thing}")
        if thing in _NAMED and (verb in ("CREATE", "DROP", "ALTER", "RENAME", "LOCK") or self.at_identifier()):
            self.accept("IF", "NOT", "EXISTS") or self.accept("IF", "EXISTS")
            if thing != "DATABASE" or self.at_identifier():
                command.table = self.table_name()
            if thing in ("INDEX", "TRIGGER"):
                command.table = self._table_behind_on() or command.table
        return self._rest(command)

    def _table_behind_on(self) -> TableName | None:
        while self.token.kind != "end":
            self.at += 1
            if self.keys[self.at - 1] == "ON" and self.at_identifier():
                return self.table_name()
        return None

    def _load(self) -> Statement:
        if self.accept("INDEX"):
            return self._rest(Command("LOAD INDEX"))
        self.at += 1
        while self.key in ("LOW_PRIORITY", "CONCURRENT"):
            self.at += 1
        local = self.accept("LOCAL")
        self.expect("INFILE")
        self.string()
        return self._rest(Command("LOAD LOCAL" if local else "LOAD"))

    def _privileges(self, verb: str) -> Command:
        """Privileges or roles up to ON, TO or FROM: words that follow each other without a comma are a sentence."""
        while True:
            first = self.key
            if self.token.kind not in ("word", "quoted", "string"):
                self.fail()
            self.at += 1
            while self.key in _PRIVILEGE_WORDS and first in _PRIVILEGE_WORDS:
                self.at += 1
            if self.accept("("):
                self._names_in_parentheses()
            if self.accept("ON"):
                return self._granted_on(verb)
            if self.accept("TO") or self.accept("FROM"):
                return Command(f"{verb} ROLE")
            self.expect(",")

    def _granted_on(self, verb: str) -> Command:
        self.accept("TABLE") or self.accept("FUNCTION") or self.accept("PROCEDURE")
        if self.accept("*"):
            return Command(f"{verb} GLOBAL" if self.accept(".", "*") else f"{verb} DATABASE")
        name = self.identifier()
        if self.accept("."):
            if self.accept("*"):
                return Command(f"{verb} DATABASE", TableName(name))
            return Command(f"{verb} TABLE", TableName(self.identifier(), database=name))
        return Command(f"{verb} TABLE", TableName(name))

    def _names_in_parentheses(self) -> None:
        while not self.accept(")"):
            self.identifier()
            self.accept(",")

    def _rest(self, statement: Statement) -> Statement:
        """Passes over what is not looked at. A second statement behind it is refused before the first is looked at."""
        while self.token.kind != "end" and self.key != ";":
            self.at += 1
        return statement
