"""SIGKILL at ten named points of a scored run, then `--resume`: the same episodes, the same numbers."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eval import Result, evaluate, read_result
from eval.protocols import EvalProtocol
from rollout import read_trajectories
from tests.rollout.corridor import Corridor

WALK = EvalProtocol(name="walk", env="corridor", split="train")
TASKS = 12

# name -> code that makes the process kill itself there; `die` counts down and kills at zero.
POINTS = {
    "before the config is written": "collecting._write_config = lambda *a: die()",
    "with the config written and not in place": "Path.replace = lambda *a: die()",
    "before the first episode": "rollout.runner.run_episode = lambda *a, **k: die()",
    "in the middle of an episode": "after(Corridor, '_act', 17)",
    "before an episode is written": "before(Store, 'append', 2)",
    "in the middle of a line": "half(7)",
    "with a line written and not on disk": "before(os, 'fsync', 4)",
    "with a line on disk and not booked": "before(Account, 'book', 6)",
    "with all episodes booked and no result": "collecting.read_trajectories = lambda *a: die()",
    "with the result written and not in place": "before(Path, 'replace', 2)",
}

SCRIPT = """
import os, signal, sys
from pathlib import Path
import rollout.runner, rollout.store
from eval import evaluate
from rollout.account import Account
from rollout.store import Store
from tests.eval.test_killed import WALK, TASKS
from tests.rollout.corridor import Corridor

collecting = sys.modules["rollout.collect"]  # the package's attribute of this name is the function

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def before(owner, name, count):
    patched(owner, name, count, early=True)

def after(owner, name, count):
    patched(owner, name, count, early=False)

def patched(owner, name, count, early):
    calls, original = [0], getattr(owner, name)
    def wrapper(*args, **kwargs):
        calls[0] += 1
        if early and calls[0] == count:
            die()
        result = original(*args, **kwargs)
        if calls[0] == count:
            die()
        return result
    setattr(owner, name, wrapper)

def half(count):
    calls, original = [0], rollout.store.encode
    def encode(trajectory):
        calls[0] += 1
        if calls[0] == count:
            with open(sys.argv[1] + "/episodes/episodes.jsonl", "a") as file:
                file.write(original(trajectory)[:80])
            die()
        return original(trajectory)
    rollout.store.encode = encode

exec(sys.argv[2])
evaluate(WALK, "random", output=sys.argv[1], env=Corridor(tasks=TASKS, max_steps=4), workers=2, seed=5)
"""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("whole")
    return evaluate(WALK, "random", output=folder, env=Corridor(tasks=TASKS, max_steps=4), workers=2, seed=5).result


@pytest.mark.parametrize("point", POINTS)
def test_killed_there_and_resumed_the_score_is_that_of_an_uninterrupted_run(
    point: str, uninterrupted: Result, tmp_path: Path
) -> None:
    run = str(tmp_path / "run")
    killed = subprocess.run(
        [sys.executable, "-c", SCRIPT, run, POINTS[point]], capture_output=True, text=True, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = evaluate(WALK, "random", output=run, env=Corridor(tasks=TASKS, max_steps=4), workers=2, seed=5, resume=True)
    assert again.collected.complete
    stored = read_trajectories(run)
    assert not stored.twice
    assert len(stored.bad) == (point == "in the middle of a line")
    assert len(stored) == TASKS

    def scores(result: Result) -> dict[str, object]:
        return {row.id: (row.success, row.score, row.steps) for row in result.episodes}

    assert scores(read_result(again.file)) == scores(uninterrupted)
    for name in ("success", "steps", "inadmissible", "invalid", "by_type", "pass_at"):
        assert getattr(again.result.summary, name) == getattr(uninterrupted.summary, name)
