"""What an agent causes by what it says is unsolved; what the sandbox's own code does wrong is no verdict at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from envs.dbbench.env import DBBenchEnv
from envs.dbbench.mysql import collation
from envs.dbbench.mysql_server import MySQLServer
from envs.dbbench.postgres_server import PostgresServer
from envs.protocol import Protocol
from rollout.codec import decode, encode
from rollout.episode import Job, run_episode
from rollout.host import Deadlines, LocalHost
from rollout.scripted import replay_policy
from rollout.trajectory import Trajectory


def played(env: DBBenchEnv, actions: list[str]) -> Trajectory:
    """An episode of the first task that is a change."""
    task = next(task for task in env.tasks if task.is_mutation)
    protocol: Protocol = env.protocol("plain")
    policy = replay_policy({task.id: actions})

    async def play() -> Trajectory:
        host = LocalHost(env)
        try:
            return await run_episode(host, policy, protocol, Job(task), Deadlines(), max_turns=len(actions))
        finally:
            await host.close()

    return asyncio.run(play())


@pytest.fixture(params=["mariadb", "postgres"])
def server(request: pytest.FixtureRequest) -> dict[str, str]:
    url = request.getfixturevalue(request.param)
    return {"backend": url, "dialect": "mysql" if request.param == "mariadb" else "postgres"}


def test_an_agent_that_ends_its_session_has_not_solved_its_task(
    server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = {"mysql": "KILL CONNECTION_ID()", "postgres": "SELECT pg_terminate_backend(pg_backend_pid())"}
    env = DBBenchEnv(rule="strict", **server)
    for backend in (MySQLServer, PostgresServer):
        monkeypatch.setattr(backend, "_screened", lambda self, sql: sql)  # as if it passed the screen
    trajectory = played(env, ["SELECT 1", ends[server["dialect"]], "answer: []"])
    assert (trajectory.ending, trajectory.failure, trajectory.success) == ("terminated", None, False)
    assert trajectory.scored
    assert trajectory.stopped == ("session",)
    assert decode(encode(trajectory)).stopped == ("session",)


@pytest.mark.parametrize(
    ("dialect", "action"),
    [
        ("mysql", "SELECT " + ", ".join(["REPEAT('\U000e0001', 400000)"] * 4)),
        ("mysql", "SELECT '" + "\U000e0001" * 38_000 + "' FROM (" + " UNION ALL ".join(["SELECT 1"] * 90) + ") t"),
        ("mysql", "SELECT '\ud800', x'ff', CHAR(55296)"),
        ("mysql", "x" * 3_000_000),
        ("sqlite", "SELECT CAST(x'ff' AS TEXT)"),
        ("sqlite", "SELECT hex(x'00'), replace(substr(quote(hex(x'ff')), 1, 2), 'F', 'x') FROM sqlite_master"),
        ("sqlite", "SELECT '" + "\x01" * 900_000 + "'"),
    ],
)
def test_no_reply_voids_an_episode(dialect: str, action: str) -> None:
    trajectory = played(DBBenchEnv(rule="strict", dialect=dialect, deadline=10), [action, "answer: []"])
    assert (trajectory.ending, trajectory.failure, trajectory.success) == ("terminated", None, False)


def test_a_cell_that_is_no_utf_8_is_a_wrong_answer() -> None:
    env = DBBenchEnv(rule="strict", dialect="sqlite")
    table = next(task for task in env.tasks if task.is_mutation).tables[0]
    change = f'UPDATE "{table.name}" SET "{table.columns[0]}" = CAST(x\'ff\' AS TEXT)'
    trajectory = played(env, [change, "answer: []"])
    assert (trajectory.ending, trajectory.failure, trajectory.success) == ("terminated", None, False)


def test_a_comparison_that_fails_is_a_failure_of_ours_and_no_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(left: str, right: str) -> int:
        raise TypeError("on purpose")

    def compare(*texts: Any) -> int:
        return fail(*texts)

    monkeypatch.setattr(collation, "compare", compare)
    from envs.dbbench.connection import POOLS, Pool

    monkeypatch.setitem(POOLS, "mysql", Pool("mysql"))  # connections take the comparison when they are made
    env = DBBenchEnv(rule="strict")
    table = next(task for task in env.tasks if task.is_mutation).tables[0]
    action = f"DELETE FROM `{table.name}` WHERE `{table.columns[0]}` = 'nobody'"
    trajectory = played(env, [action, "answer: []"])
    assert trajectory.ending == "error"
    assert trajectory.failure is not None
    assert trajectory.failure.kind == "env_error"
    assert "TypeError: on purpose" in trajectory.failure.message
    assert (trajectory.success, trajectory.score, trajectory.scored) == (None, None, False)
