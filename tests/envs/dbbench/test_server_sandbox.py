"""The sandbox on a real MariaDB and a real PostgreSQL: what an episode may do, and what remains of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import attack_statements
import pytest
import server_attacks
from sandbox_helpers import PLAYERS, TASK
from sqlalchemy import create_engine

from envs.dbbench.backend import Reply
from envs.dbbench.limits import MAX_ROWS, resident
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.server import ServerBackend
from envs.dbbench.server_schema import NAME
from envs.dbbench.task import DBTask, Table
from envs.errors import BackendError, TaskError

ROOT = Path(__file__).resolve().parents[3]
MEGABYTES = 200
ODD = Table(
    '50% "of" `it`\\', ("a%s", "b c", 'd"', "%(e)s"), (("1", "é\n", None, "'"), ("2", "", "%", "\\"), ("3",) * 4)
)


class Server(NamedTuple):
    url: str
    dialect: str

    def sandbox(self, task: DBTask = TASK, **settings: Any) -> Sandbox:
        return Sandbox(task, self.url, self.dialect, **settings)

    def sql(self, text: str) -> str:
        """A statement of MySQL's with the server's own quotes."""
        return text if self.dialect == "mysql" else text.replace("`", '"')

    def names(self) -> set[str]:
        """The episodes' schemas and users that the server knows."""
        users = "SELECT user FROM mysql.user" if self.dialect == "mysql" else "SELECT rolname FROM pg_roles"
        engine = create_engine(self.url)
        with engine.connect() as control:
            schemas = control.exec_driver_sql("SELECT schema_name FROM information_schema.schemata").scalars()
            found = {*schemas, *control.exec_driver_sql(users).scalars()}
        engine.dispose()
        return set(filter(NAME.fullmatch, found))


@pytest.fixture(params=["mariadb", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    url = request.getfixturevalue(request.param)
    server = Server(url, "postgres" if request.param == "postgres" else "mysql")
    yield server
    assert server.names() == set()


def backend_of(db: Sandbox) -> ServerBackend:
    assert isinstance(db._backend, ServerBackend)
    return db._backend


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """The most bytes that this process has held since forget_peak()."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def test_an_episode_begins_and_ends_with_nothing_on_the_server(server: Server) -> None:
    with server.sandbox() as db:
        assert server.names() == {backend_of(db).name}
    db.close()


def test_the_hash_is_the_default_backends_before_and_after_a_change(server: Server) -> None:
    task = DBTask("odd", "other", "test", tables=(ODD, PLAYERS))
    insert = "INSERT INTO `Players` (`Name`) VALUES ('Ünal, 5 %s')"
    hashes = []
    for db, sql in ((Sandbox(task), insert), (server.sandbox(task), server.sql(insert))):
        with db:
            before = db.table_hash()
            reply = db.execute(sql)
            assert (reply.error, reply.rows) == (None, [])
            hashes.append((before, db.table_hash()))
            db.reset()
            assert db.table_hash() == before
    assert hashes[0] == hashes[1]


def test_a_sandbox_takes_another_task(server: Server) -> None:
    other = DBTask("odd", "other", "test", tables=(ODD,))
    with server.sandbox() as db, Sandbox(other) as default:
        db.reset(other)
        assert db.table_hash() == default.table_hash()


def test_episodes_at_the_same_time_do_not_meet(server: Server) -> None:
    with server.sandbox() as one, server.sandbox() as two:
        clean = two.table_hash()
        assert one.execute(server.sql("DELETE FROM `Clubs`")).error is None
        assert one.table_hash() != clean
        assert two.table_hash() == clean


def test_a_transaction_can_be_taken_back_and_an_open_one_counts(server: Server) -> None:
    with server.sandbox() as db:
        clean = db.table_hash()
        db.execute("BEGIN")
        db.execute(server.sql("DELETE FROM `Clubs`"))
        assert db.table_hash() != clean
        db.execute("ROLLBACK")
        assert db.table_hash() == clean
        db.execute("BEGIN")
        db.execute("SELECT * FROM nowhere")  # PostgreSQL takes nothing more until the ROLLBACK
        assert db.table_hash() == clean


def test_growth_ends_at_the_rows_that_an_episode_may_change(server: Server) -> None:
    with server.sandbox(deadline=20) as db:
        replies = [db.execute(server.sql("INSERT INTO `Players` SELECT * FROM `Players`")).error for _ in range(16)]
        assert replies[-1] in ("1114 (HY000): The table 'of the episode' is full", "53100: the tables are full")
        assert None in replies
        assert 6 * 2 ** replies.index(replies[-1]) < 2 * MAX_ROWS
        assert db.table_hash() == ""


@pytest.mark.parametrize("returning", ["", " RETURNING 1"])
def test_rows_count_against_the_limit_however_they_are_inserted(server: Server, returning: str) -> None:
    insert = server.sql("INSERT INTO `Players` SELECT * FROM `Players`") + returning
    with server.sandbox(deadline=20) as db:
        replies = [db.execute(insert) for _ in range(16)]
        assert replies[-1].error in (backend_of(db).too_many, backend_of(db).too_large)
        assert replies[-1].stopped == "size"
        assert db.execute("SELECT 1").rows == [(1,)]


def test_statements_of_the_session_are_sent_or_refused_and_never_answered_without_effect(mariadb: str) -> None:
    with Sandbox(TASK, mariadb) as db:
        clean = db.table_hash()
        for sql in ("SET autocommit = 0", "DELETE FROM Clubs", "ROLLBACK", "SET autocommit = 1", "SAVEPOINT a",
                    "START TRANSACTION", "SAVEPOINT a", "DELETE FROM Clubs", "ROLLBACK TO a", "COMMIT"):  # fmt: skip
            assert db.execute(sql).error is None, sql
        assert db.table_hash() == clean
        for sql in ("PREPARE p FROM 'SELECT 1'", "SET SESSION sql_mode = ''", "DO 1", "ANALYZE TABLE Clubs",
                    "SET @a = 1, SESSION max_statement_time = 0"):  # fmt: skip
            assert db.execute(sql).error is not None, sql
        assert db.execute("SET @a = 1").error is None
        assert db.execute("SELECT @a").rows == [(1,)]


def unscreened(db: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Reply]:
    """Runs what the screen would refuse: whatever passes it some day."""
    monkeypatch.setattr(type(backend_of(db)), "_screened", lambda self, sql: sql)
    return db.execute


def test_an_agent_that_ends_its_own_session_reads_an_error_and_goes_on(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = {"mysql": "KILL CONNECTION_ID()", "postgres": "SELECT pg_terminate_backend(pg_backend_pid())"}
    end = ends[server.dialect]
    with server.sandbox() as db:
        execute = unscreened(db, monkeypatch)
        for _ in range(3):
            reply = execute(end)
            assert reply.error is not None
            assert reply.stopped == "session"
        assert execute(server.sql("DELETE FROM `Clubs`")).error is None
        execute(end)
        state = db.state()
        assert state is not None
        assert [len(rows) for rows in state] == [6, 0]


def test_a_session_that_cannot_be_read_from_is_read_around(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks = {
        "mysql": ["SET SESSION max_statement_time = 0.000001"],
        "postgres": ["SET client_encoding = 'LATIN1'", "SET statement_timeout = 1", "SET search_path = ''"],
    }[server.dialect]
    with server.sandbox() as db, server.sandbox() as clean:
        execute = unscreened(db, monkeypatch)
        for statement in breaks:
            execute(statement)
        execute("BEGIN")
        execute("SELECT * FROM nowhere")
        monkeypatch.setattr(backend_of(db), "_before_dump", unreadable)
        assert db.table_hash() == clean.table_hash()


def unreadable(cursor: object) -> None:
    raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "what the driver says of bytes that it cannot read")


@pytest.mark.slow
def test_no_statement_breaks_out_or_harms_the_next_episode(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = server_attacks.MARIADB if server.dialect == "mysql" else server_attacks.POSTGRES
    general = attack_statements.MYSQL if server.dialect == "mysql" else attack_statements.COMMON
    fat, harmed = [], []
    task = attack_statements.TASK
    with server.sandbox(task) as neighbour, server.sandbox(task) as db:
        clean, other = db.table_hash(), backend_of(neighbour).name
        for name, statement in (general | own).items():
            base = resident()
            forget_peak()
            reply = db.execute(statement.replace("{other}", other))
            fat += [name] if peak() - base > MEGABYTES * 2**20 else []
            db.table_hash()
            db.reset()
            changed = db.execute("UPDATE t SET name = 'new' WHERE id = '3'").error is None and db.table_hash() != clean
            db.reset()
            harmed += [] if changed and db.table_hash() == clean else [name]
            if name in own:
                assert reply.error is not None, name
                assert reply.rows == []
                assert other not in reply.error or other in statement.replace("{other}", other)
        assert neighbour.table_hash() == clean
    assert (fat, harmed, list(tmp_path.iterdir())) == ([], [], [])


def test_an_endless_statement_is_stopped_in_the_servers_words(server: Server) -> None:
    late = {"mysql": "3024 (HY000): Query execution was interrupted", "postgres": "57014: canceling statement"}
    with server.sandbox(deadline=0.1) as db:
        reply = db.execute("SELECT COUNT(*) FROM " + ", ".join(server.sql(f"`Players` p{i}") for i in range(12)))
        assert reply.error is not None
        assert reply.error.startswith(late[server.dialect])
        assert db.execute("SELECT 1").rows == [(1,)]


def test_the_watchdog_ends_what_the_server_lets_run(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    wait = "DO SLEEP(100)" if server.dialect == "mysql" else "SELECT pg_sleep(100)"
    with server.sandbox(deadline=0.1) as db:
        backend = backend_of(db)
        monkeypatch.setattr(type(backend), "_screened", lambda self, sql: sql)
        limit = "max_statement_time" if server.dialect == "mysql" else "statement_timeout"
        assert db.execute(f"SET SESSION {limit} = 0").error is None
        assert db.execute(wait).error == backend.too_late
        assert db.execute("SELECT 1").rows == [(1,)]


def test_a_statement_that_never_answers_leaves_the_session_of_the_next_alone(server: Server) -> None:
    with server.sandbox(deadline=60) as db:  # its size ends it, however slow the machine
        many = "SELECT " + ", ".join(["REPEAT('x', 60000)"] * 4)
        reply = db.execute(" UNION ALL ".join([many] * 50))
        assert reply.error == backend_of(db).too_large
        assert db.execute("SELECT 1").rows == [(1,)]


@pytest.mark.parametrize("when", ["between statements", "in a statement"])
def test_the_next_start_sweeps_up_after_a_killed_process(server: Server, when: str) -> None:
    code = (
        "import sys, threading; sys.path[:0] = sys.argv[1:3]\n"
        "from sandbox_helpers import TASK\n"
        "from envs.dbbench.sandbox import Sandbox\n"
        "db = Sandbox(TASK, sys.argv[3], sys.argv[4], deadline=30)\n"
        "print(db._backend.name, flush=True)\n"
        "busy = 'SELECT COUNT(*) FROM ' + ', '.join(f'information_schema.columns c{i}' for i in range(9))\n"
        "db.execute(busy) if sys.argv[5] == 'in a statement' else threading.Event().wait()\n"
    )
    arguments = [str(ROOT), str(Path(__file__).parent), server.url, server.dialect, when]
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        with server.sandbox():
            assert name in server.names(), "a living process keeps its schema"
        os.kill(process.pid, signal.SIGKILL)
    start = "import sys; sys.path[:0] = sys.argv[1:3]\nfrom sandbox_helpers import TASK\n"
    start += "from envs.dbbench.sandbox import Sandbox\nSandbox(TASK, *sys.argv[3:5]).close()"
    subprocess.run([sys.executable, "-c", start, *arguments[:4]], check=True)
    assert name not in server.names()


def test_a_task_that_no_server_takes_fails_statement_by_statement(mariadb: str) -> None:
    task = DBTask("bad", "other", "test", tables=(Table("t", ("a", ""), (("1", "2"),)),))
    replies = []
    for db in (Sandbox(task), Sandbox(task, mariadb)):
        with db:
            replies.append((db.execute("SELECT 1").error, db.table_hash()))
    assert replies[0] == replies[1] == ("1166 (42000): Incorrect column name ''", "None")


def test_names_in_errors_are_those_of_the_default_backend(mariadb: str) -> None:
    with Sandbox(TASK, mariadb) as db, Sandbox(TASK) as default:
        for sql in ("SELECT * FROM nowhere", "DROP TABLE Clubs", ""):
            assert db.execute(sql).error == default.execute(sql).error


def test_values_come_as_the_official_driver_gives_them(mariadb: str) -> None:
    sql = "SELECT SUM(1.50), CAST('2020-02-29' AS DATE), TIMEDIFF('10:00', '09:30'), 1 / 3, 0.1e0, 'ü', NULL, 1 = 1"
    with Sandbox(TASK, mariadb) as db, Sandbox(TASK) as default:
        assert db.execute(sql).text == default.execute(sql).text


@pytest.mark.parametrize(
    ("url", "dialect", "error", "said"),
    [
        ("mysql+pymysql://root:secret@127.0.0.1:1/", "mysql", BackendError, "Start the server"),
        ("postgresql+psycopg://root:secret@127.0.0.1:1/x", "postgres", BackendError, "Start the server"),
        ("mysql+mysqldb://root:secret@127.0.0.1/", "mysql", TaskError, "Use mysql+pymysql://"),
        ("mysql://host:port/", "mysql", TaskError, "It reads mysql+pymysql://"),
        ("postgresql://root:secret@127.0.0.1:1/x", "mysql", TaskError, "Use one of postgres"),
    ],
)
def test_a_url_that_leads_nowhere_says_what_to_do(url: str, dialect: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said.replace("+", r"\+")) as caught:
        Sandbox(TASK, url, dialect)
    assert "secret" not in str(caught.value)


def test_a_missing_driver_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(BackendError, match=r"pip install -e '.*\[mysql\]'"):
        Sandbox(TASK, "mysql+pymysql://root@127.0.0.1:2/")


def test_a_user_without_rights_is_told_which_it_needs(mariadb: str) -> None:
    engine = create_engine(mariadb, isolation_level="AUTOCOMMIT")
    with engine.connect() as control:
        control.exec_driver_sql("CREATE USER 'weak'@'localhost' IDENTIFIED BY 'x'")
        with pytest.raises(BackendError, match=r"Give the URL of a user with CREATE USER"):
            Sandbox(TASK, mariadb.replace("root@", "weak:x@"))
        control.exec_driver_sql("DROP USER 'weak'@'localhost'")
    engine.dispose()
