"""What can be known before the first episode is found out before it, within seconds, and said with what to type."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from rollout.cluster import session
from rollout.cluster.errors import ClusterError
from rollout.patience import PROBE, STARTUP, Patience
from tests import tiny_models
from tests.rollout.servers import reply, serving
from tests.trainers.killed import SMALLEST
from trainers.cli import main

TINY = ["--env", "alfworld", "--env-args", "size=tiny", "length=12", "data=generated"]
# The old code tried for longer than that.
pytestmark = pytest.mark.timeout(90)


class Typed:
    """Types a command and reads what is said; nothing may be left behind."""

    def __init__(self, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.run, self._capsys = run, capsys

    def __call__(self, *words: str, code: int) -> str:
        assert main([*words, "-o", str(self.run)]) == code
        assert not self.run.exists()
        return self._capsys.readouterr().err


@pytest.fixture
def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(tmp_path / "run", capsys)


@pytest.fixture
def closed() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return

        Thread(target=accept, daemon=True).start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
    for one in kept:
        one.close()


def test_an_address_of_ray_at_which_nobody_listens(typed: Typed, closed: int) -> None:
    said = typed("train", *SMALLEST, "--ray", f"127.0.0.1:{closed}", code=1)
    assert f"127.0.0.1:{closed}: Ray cannot be reached (nothing answers at this port: " in said
    assert "Start a cluster: ray start --head" in said


@pytest.mark.parametrize("address", ["no-such-host.invalid:6379", "127.0.0.1:99999", "127.0.0.1:ray"])
def test_an_address_that_is_none(typed: Typed, address: str) -> None:
    assert f"{address}: Ray cannot be reached" in typed("train", *SMALLEST, "--ray", address, code=1)


def test_an_address_named_by_the_environment_is_checked_too(closed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{closed}")
    with pytest.raises(ClusterError, match="nothing answers at this port"):
        session.connect(None)


def test_a_port_at_which_something_else_listens(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "REHEARSAL", 3.0)
    with pytest.raises(ClusterError, match=r"Ray cannot be reached \(no answer of Ray's within 3 s\)"):
        session.check_cluster(f"127.0.0.1:{silent}")


def test_this_machine_s_own_ray_needs_no_check() -> None:
    assert session.check_cluster(None) is None
    assert session.check_cluster("local") is None


@pytest.mark.parametrize("command", [["collect"], ["eval", "--split", "valid_seen"]])
def test_a_server_that_is_not_up(typed: Typed, closed: int, command: list[str]) -> None:
    said = typed(*command, *TINY, "--model", f"http://127.0.0.1:{closed}/v1", code=1)
    assert f"http://127.0.0.1:{closed}/v1/models: cannot connect" in said
    assert "(2 attempts)" in said


def test_a_server_that_says_nothing(typed: Typed, silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollout.served.STARTUP", STARTUP.capped(Patience(silence=0.3)))
    said = typed("collect", *TINY, "--model", f"http://127.0.0.1:{silent}/v1", code=1)
    assert "no byte from the server for 0.3 s" in said


def test_a_server_that_does_not_know_us(typed: Typed) -> None:
    with serving(reply(401, {"error": "no key"}), models=[{"id": "m"}]) as server:
        said = typed("collect", *TINY, "--model", server.url, code=1)
    assert "Set the key in the environment variable OPENAI_API_KEY" in said


def test_patience_at_the_start_is_never_more_than_later() -> None:
    assert Patience().capped(STARTUP) == STARTUP
    assert Patience().capped(PROBE) == PROBE
    assert Patience(total=1.0).capped(STARTUP).total == 1.0


@pytest.mark.parametrize("command", ["collect", "eval"])
def test_a_database_that_is_not_there(typed: Typed, closed: int, command: str) -> None:
    backend = f"backend=mysql://root:secret@127.0.0.1:{closed}/"
    said = typed(command, "--split", "valid", "--env", "dbbench", "--env-args", backend, code=1)
    assert f"127.0.0.1:{closed}" in said
    assert "Start the server, or mend the URL." in said
    assert "secret" not in said


def test_a_driver_that_is_not_installed(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "pymysql.py").write_text("raise ModuleNotFoundError('no pymysql', name='pymysql')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    monkeypatch.delitem(sys.modules, "pymysql", raising=False)
    backend = "backend=mysql://root@127.0.0.1/"
    said = typed("train", "--env=dbbench", "--env-args", backend, code=1)
    assert "the driver pymysql is not installed. Type: " in said
    assert "[mysql]" in said


@pytest.mark.parametrize("command", [["train"], ["collect"], ["eval", "--split", "valid_seen"]])
def test_a_model_s_folder_that_is_not_whole(typed: Typed, tmp_path: Path, command: list[str]) -> None:
    tiny_models.model(layers=1).save_pretrained(tmp_path / "model")
    said = typed(*command, *TINY, "--model", str(tmp_path / "model"), code=2)
    assert "the folder holds no tokenizer" in said


@pytest.mark.parametrize("command", [["train"], ["collect"], ["eval", "--split", "valid_seen"], ["warm-start"]])
def test_a_folder_that_cannot_be_made(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main([*command, "-o", str(tmp_path / "file" / "run")]) == 1
    assert "Something else has that name" in capsys.readouterr().err


def test_a_tracker_that_is_not_installed(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    said = typed("train", *SMALLEST, "--report-to", "tensorboard", code=2)
    assert "tensorboard is not installed. Install it: " in said


@pytest.mark.parametrize("command", [["collect"], ["eval", "--split", "valid_seen"]])
def test_a_context_that_the_first_prompt_fills(typed: Typed, command: list[str]) -> None:
    words = ["--model", "tiny-alfworld", "--max-length", "24", "--max-completion-length", "8"]
    said = typed(*command, *TINY, *words, code=2)
    assert "tokens, and the context of 24 has no room for a reply. Take --max-length " in said


def test_a_training_context_that_the_first_prompt_fills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*SMALLEST, "--max-length=24", "--max-completion-length=8"]
    assert main(["train", *words, "-o", str(tmp_path / "run")]) == 2
    assert "the context of 24 has no room for a reply" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("nonsense", "unknown backend 'nonsense'. Use a URL of"),
        ("mysql+nodriver://u:secret@127.0.0.1/", "no driver 'mysql+nodriver' here"),
        ("mysql+pymysql://u:$NOT_SET_ANYWHERE@127.0.0.1/", "NOT_SET_ANYWHERE is not set. Type: export"),
        ("postgresql+psycopg://u:secret@127.0.0.1/x", "does not answer in the dialect 'mysql'"),
    ],
)
def test_a_wrong_backend_is_told_before_an_episode(
    backend: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "--env", "dbbench", "--split", "valid", "--model", "expert", "--limit", "2"]
    assert main([*words, "--env-args", f"backend={backend}", "-o", str(tmp_path / "run")]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "secret" not in printed
    assert not (tmp_path / "run").exists()
