"""A MariaDB and a PostgreSQL of one's own: started on loopback from Debian's packages, gone without a trace."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOOKS = 600  # of a tenth of a second


class Unavailable(Exception):
    """Why such a server cannot be started here."""


@contextmanager
def mariadb() -> Iterator[str]:
    """The URL of a fresh MariaDB's root. Raises Unavailable."""
    server, install = _program("mariadbd"), _program("mariadb-install-db")
    with _folder("mysql") as (folder, user):
        data, port = folder / "data", _free_port()
        account = [f"--user={user}"] if os.getuid() == 0 else []
        _run([install, "--no-defaults", *account, f"--datadir={data}", "--auth-root-authentication-method=normal"])
        command = [server, "--no-defaults", *account, f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1"]
        command += [f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}", "--skip-networking=0"]
        with _running(command, folder, port, signal.SIGTERM):
            yield f"mysql+pymysql://root@127.0.0.1:{port}/"


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a fresh PostgreSQL's superuser. Raises Unavailable."""
    server, install = _program("postgres"), _program("initdb")
    with _folder("postgres") as (folder, user):
        data, port = folder / "data", _free_port()
        account = [_program("runuser"), "-u", user, "--"] if os.getuid() == 0 else []
        _run([*account, install, "-D", str(data), "-U", "root", "--auth=trust", "-E", "UTF8", "--no-sync"])
        command = [*account, server, "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
        with _running(command, folder, port, signal.SIGINT):
            yield f"postgresql+psycopg://root@127.0.0.1:{port}/postgres"


@contextmanager
def _folder(user: str) -> Iterator[tuple[Path, str]]:
    """A folder for an unprivileged user: neither server should run as root, and PostgreSQL will not."""
    if os.getuid() == 0:
        try:
            owner = pwd.getpwnam(user)
        except KeyError:
            raise Unavailable(f"we are root, and there is no user {user!r} to run it as") from None
    folder = Path(tempfile.mkdtemp(prefix="train-agent-"))
    try:
        if os.getuid() == 0:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        yield folder, user
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(command: list[str], folder: Path, port: int, stop: signal.Signals) -> Iterator[None]:
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, start_new_session=True)
    try:
        _wait(process, port, log)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, stop)  # the group: runuser passes no signal on
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(_LOOKS):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            break
    raise Unavailable(f"the server does not start: {log.read_text(errors='replace')[-500:]}")


def _program(name: str) -> str:
    places = [
        os.environ.get("PATH", ""),
        "/usr/sbin",
        *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))[::-1],
    ]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        raise Unavailable(f"no {name}: apt-get install mariadb-server postgresql")
    return found


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    if done.returncode:
        raise Unavailable(f"{command[0]} failed: {done.stderr[-500:]}{done.stdout[-500:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
