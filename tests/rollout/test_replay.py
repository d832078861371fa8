"""Stored episodes, stepped again, give the same observations, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import envs
from rollout import collect, replay

KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "alfworld, random": ("alfworld", "random", {"data": "generated", "length": 50, "max_steps": 30}),
    "alfworld, shuffled names": (
        "alfworld",
        "expert",
        {"data": "generated", "length": 50, "domain_randomization": True},
    ),
    "dbbench, expert": ("dbbench", "expert", {"generate": {"count": 50}}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_stored_episodes_replay_to_the_letter(kind: str, tmp_path: Path) -> None:
    name, policy, arguments = KINDS[kind]
    per_task = 6 if policy == "random" else 2  # 500 in all
    done = collect(name, policy, output=tmp_path, env_args=arguments, per_task=per_task)
    env = envs.make(name, **arguments)
    assert len(done.trajectories) == 50 * per_task
    assert [replay(env, trajectory) for trajectory in done.trajectories] == [None] * len(done.trajectories)


def test_a_changed_observation_is_found_with_its_step(tmp_path: Path) -> None:
    arguments = {"data": "generated", "length": 1, "size": "tiny"}
    (trajectory,) = collect("alfworld", output=tmp_path, env_args=arguments).trajectories
    step = trajectory.steps[1]
    changed = replace(
        trajectory, steps=(trajectory.steps[0], replace(step, observations=("Boo.",)), *trajectory.steps[2:])
    )
    found = replay(envs.make("alfworld", **arguments), changed)
    assert found is not None
    assert (found.episode, found.step, found.stored, found.now) == (trajectory.id, 1, "Boo.", step.observations[0])
