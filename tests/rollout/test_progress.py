"""The display of a collection: what it leaves on the screen."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from envs import Task
from envs.protocol import Message
from rollout.account import Account
from rollout.episode import Job
from rollout.progress import FULL, REMEDIES, LiveProgress
from rollout.trajectory import Step, Timing, Trajectory


def said(timing: Timing, *, terminal: bool = False) -> str:
    """What is left after an episode whose one turn took so long."""
    job, out = Job(Task("a", "heat", "train")), io.StringIO()
    with LiveProgress(1, Console(file=out, force_terminal=terminal, width=200)) as progress:
        for cause in ("env", "model", "env", ""):
            progress.waits(0, job, cause)
        step = Step((), Message("assistant", "look"), ("look",), ("a room",), timing=timing)
        progress.ended(Trajectory(job.id, "a", "heat", "train", steps=(step,), seconds=9.0), Account([job.id]))
    return out.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_where_the_time_of_a_model_went_is_said_at_the_end(terminal: bool) -> None:
    line = said(Timing(queue=1.0, model=6.0, env=2.0), terminal=terminal).split("engine busy ")[-1]
    assert re.match(r"\d+% of the time; slots waited ", line)
    assert line.rstrip().endswith((*REMEDIES.values(), FULL))


def test_a_scripted_player_leaves_nothing() -> None:
    assert said(Timing(env=2.0)) == ""
