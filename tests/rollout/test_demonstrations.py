"""The expert's demonstrations are in the form that their prompt asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import envs
from rollout import Trajectory, collect
from tests.rollout.corridor import Corridor

ARGS: dict[str, dict[str, Any]] = {
    "alfworld": {"data": "generated", "size": "tiny", "length": 6},
    "dbbench": {"generate": {"count": 4}},
}
ASK = {
    "alfworld": ("react", "think", "agentbench-v02", "agentbench-fc", "verl-agent"),
    "dbbench": ("react", "think", "v02", "fc"),
}


def shown(env: str, protocol: str, folder: Path) -> list[Trajectory]:
    made = envs.make(env, split="train", **ARGS[env])
    done = list(collect(made, "expert", output=folder, protocol=protocol, env_args=ARGS[env]).trajectories)
    made.close()
    assert all(one.success for one in done)
    return done


@pytest.mark.parametrize(("env", "protocol"), [(env, name) for env, names in ASK.items() for name in names])
def test_an_expert_says_a_thought_where_the_prompt_asks_for_one(env: str, protocol: str, tmp_path: Path) -> None:
    made = envs.make(env, split="train", **ARGS[env])
    talk = made.protocol(protocol)
    made.close()
    actions = [[step.actions for step in one.steps] for one in shown(env, "plain", tmp_path / "plain")]
    done = shown(env, protocol, tmp_path / "asked")
    assert [[step.actions for step in one.steps] for one in done] == actions
    steps = [step for one in done for step in one.steps]
    assert all(step.valid and not step.forgiven for step in steps)
    action = steps[0].actions[0]
    bare = talk.write(action).content
    for step in steps:
        assert len(step.reply.content) > len(talk.write(step.actions[0]).content)
    assert "." in steps[0].reply.content.replace(bare, "")
    assert len({step.reply.content.partition(step.actions[0])[0] for step in steps}) > 3


@pytest.mark.parametrize("env", ASK)
@pytest.mark.parametrize("protocol", ["plain", "tool"])
def test_an_expert_says_the_action_alone_where_no_thought_is_asked_for(env: str, protocol: str, tmp_path: Path) -> None:
    for one in shown(env, protocol, tmp_path):
        assert all(step.reply.content == (step.actions[0] if protocol == "plain" else "") for step in one.steps)


def test_an_expert_without_thoughts_still_plays(tmp_path: Path) -> None:
    for one in collect(Corridor(), "expert", output=tmp_path, protocol="react").trajectories:
        assert [step.reply.content for step in one.steps] == ["Action: right"] * 2
