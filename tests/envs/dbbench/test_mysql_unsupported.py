"""What MySQL can do and the layer cannot: said plainly, and counted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sandbox_helpers import TASK, error

from envs.dbbench.env import DBBenchEnv
from envs.dbbench.mysql.informationcalls import UNSUPPORTED
from envs.dbbench.sandbox import Sandbox
from eval.episode import Episode
from rollout import collect, read_trajectories
from rollout.scripted import replay_policy


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$')) j",
        "SELECT * FROM Clubs c, LATERAL (SELECT Name FROM Players p WHERE p.Team = c.Team) d",
        "WITH x AS (SELECT 'Ajax' AS t) UPDATE Clubs SET City = 'q' WHERE Team IN (SELECT t FROM x)",
        "WITH x AS (SELECT 'Ajax' AS t) DELETE FROM Clubs WHERE Team IN (SELECT t FROM x)",
        "SELECT SLEEP(9)",
        "SELECT GET_LOCK('a', 1)",
        "SELECT SUM(Goals) OVER (ORDER BY Born RANGE INTERVAL 1 DAY PRECEDING) FROM Players",
        "EXPLAIN SELECT * FROM Clubs WHERE Team = 'x'",
        "EXPLAIN FORMAT=JSON SELECT * FROM Clubs",
        "EXPLAIN ANALYZE SELECT * FROM Clubs",
        "SHOW STATUS",
        "SHOW VARIABLES",
        "SHOW VARIABLES LIKE 'innodb%'",
        "SHOW COLLATION",
        "SELECT @@datadir",
        "SET sql_mode = 'ANSI_QUOTES'",
        "SELECT * FROM information_schema.routines",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT 2 FROM n UNION ALL SELECT 3 FROM n) SELECT i FROM n",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL (SELECT i + 1 FROM n UNION ALL SELECT i FROM n)) SELECT 1 FROM n",
    ],
)
def test_it_is_said_plainly_and_without_a_number_of_mysqls(sql: str) -> None:
    with Sandbox(TASK) as db:
        reply = db.execute(sql)
    assert reply.unsupported
    assert reply.text.startswith("Not supported by this sandbox: ")
    assert not re.match(r"\d{4} \(", reply.text)


@pytest.mark.parametrize("name", sorted(UNSUPPORTED))
def test_a_function_of_mysqls_is_not_said_to_be_unknown(name: str) -> None:
    assert error(f"SELECT {name}(1)").startswith(f"Not supported by this sandbox: the function {name}.")


def test_mysqls_own_refusals_are_none_of_them() -> None:
    with Sandbox(TASK) as db:
        assert not db.execute("SELECT NO_SUCH_FUNCTION(1)").unsupported
        assert not db.execute("SELECT 1").unsupported


def test_the_environment_says_which_statements_were_unsupported() -> None:
    env = DBBenchEnv(generate={"seed": 1})
    try:
        _, about = env.reset(seed=0)
        assert about["unsupported"] is False
        assert [env.step(sql)[4]["unsupported"] for sql in ("SHOW STATUS", "SELECT nothing", "SELECT 1")] == [
            True,
            False,
            False,
        ]
    finally:
        env.close()


def test_a_played_episode_and_its_score_keep_the_count(tmp_path: Path) -> None:
    env = DBBenchEnv(generate={"count": 1})
    said = ("SHOW STATUS", "SELECT 1", 'answer: ["x"]')
    policy = replay_policy({env.tasks[0].id: said})
    (played,) = collect(env, policy, output=tmp_path).trajectories
    assert [step.unsupported for step in played.steps] == [True, False, False]
    assert list(read_trajectories(tmp_path)) == [played]
    assert Episode.of(played).unsupported == 1
