"""Evaluation protocols as data: what is played, how often, under which rules. A score is worth what its protocol is.

| name | environment | tasks | rules |
|---|---|---|---|
| `alfworld-seen` | ALFWorld | valid_seen, each once | 50 steps |
| `alfworld-unseen` | ALFWorld | valid_unseen, each once | 50 steps |
| `dbbench` | DB-Bench | standard, each once | the function-calling edition's verdict |
| `verl-agent` | ALFWorld | 128 draws from valid_seen | 50 steps, temperature 0.4, its prompt |
| `agentbench-fc` | both | `new_std` of valid_unseen (109) / standard (300) | its rounds, snapping and repetition |
| `agentbench-v02` | both | valid_unseen (134) / standard (300) | likewise, temperature 0 |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from envs import TaskError
from rollout import Sampling

CONTEST = "contest"
"""What `train-agent eval` calls both of agentbench-v02 with their joint score."""

# Above every edition's own limit, which its talk protocol keeps in turns.
_NO_LIMIT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalProtocol:
    """How a score is made.

    Attributes:
        name: what a result file calls it.
        env: the environment.
        split: which tasks.
        talk: the protocol by which environment and model talk.
        env_args: further arguments of the environment.
        episodes: draws in all; None plays every task.
        epochs: samples of each task.
        sampling: how tokens are drawn.
        task_list: a JSON file below `AGENTBENCH_HOME` that names the tasks; None takes them all.
        tasks: how many tasks the name stands for; None for rules of the user's own, which promise nothing.
        family: of a type of task, for the mean over families that an edition reports.
        source: where the rules come from.
    """

    name: str
    env: str
    split: str
    talk: str = "react"
    env_args: Mapping[str, Any] = field(default_factory=dict)
    episodes: int | None = None
    epochs: int = 1
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.0))
    task_list: str | None = None
    tasks: int | None = None
    family: Callable[[str], str] = str
    source: str = "train-agent"


def select_insert_update(task_type: str) -> str:
    """DB-Bench v0.2's families: what changes nothing is SELECT (`calculate_overall`, AgentBench v0.2)."""
    return task_type if task_type in ("INSERT", "UPDATE", "DELETE") else "SELECT"


_GREEDY = Sampling(temperature=0.0, max_new_tokens=512)

PROTOCOLS = (
    EvalProtocol(name="alfworld-seen", env="alfworld", split="valid_seen", env_args={"max_steps": 50}, tasks=140),
    EvalProtocol(name="alfworld-unseen", env="alfworld", split="valid_unseen", env_args={"max_steps": 50}, tasks=134),
    EvalProtocol(
        name="dbbench",
        env="dbbench",
        split="standard",
        talk="react",
        env_args={"rule": "fc"},
        tasks=300,
        family=select_insert_update,
    ),
    EvalProtocol(
        name="verl-agent",
        env="alfworld",
        split="valid_seen",
        talk="verl-agent",
        env_args={"max_steps": 50},
        episodes=128,
        tasks=140,
        sampling=Sampling(temperature=0.4, max_new_tokens=512),
        source="verl-agent, examples/gigpo_trainer/run_alfworld.sh",
    ),
    EvalProtocol(
        name="agentbench-fc",
        env="alfworld",
        split="valid_unseen",
        talk="agentbench-fc",
        env_args={"max_steps": _NO_LIMIT},
        task_list="data/alfworld/new_std.json",
        tasks=109,
        source="AgentBench main, configs/tasks/alfworld.yaml",
    ),
    EvalProtocol(
        name="agentbench-fc",
        env="dbbench",
        split="standard",
        talk="fc",
        env_args={"max_steps": _NO_LIMIT, "rule": "fc", "deadline": 60.0},
        tasks=300,
        family=select_insert_update,
        source="AgentBench main, configs/tasks/dbbench.yaml",
    ),
    EvalProtocol(
        name="agentbench-v02",
        env="alfworld",
        split="valid_unseen",
        talk="agentbench-v02",
        env_args={"max_steps": _NO_LIMIT},
        tasks=134,
        sampling=_GREEDY,
        source="AgentBench v0.2, configs/tasks/alfworld.yaml; all 134 games, as the contest plays it",
    ),
    EvalProtocol(
        name="agentbench-v02",
        env="dbbench",
        split="standard",
        talk="v02",
        env_args={"max_steps": _NO_LIMIT, "rule": "v02"},
        tasks=300,
        sampling=_GREEDY,
        family=select_insert_update,
        source="AgentBench v0.2, configs/tasks/dbbench.yaml",
    ),
)


def find_protocol(name: str, env: str | None = None) -> EvalProtocol:
    """A protocol by name, and by environment where a name stands for two.

    Raises:
        TaskError: if there is none, naming the nearest, or two and `env` does not say which.
    """
    named = [protocol for protocol in PROTOCOLS if protocol.name == name]
    wanted = [protocol for protocol in named if env in (None, protocol.env)]
    if len(wanted) == 1:
        return wanted[0]
    if wanted:
        raise TaskError(f"the protocol {name!r} has an edition for each environment", remedy="Say which with --env.")
    if named:
        raise TaskError(f"the protocol {name!r} is not for {env}", remedy=f"It is for {named[0].env}.")
    names = sorted({CONTEST, *(protocol.name for protocol in PROTOCOLS)})
    near = get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise TaskError(f"unknown protocol {name!r}", remedy=f"{hint}There are: {', '.join(names)}.")


def joint_score(alfworld: float, dbbench: float) -> float:
    """The joint score of the Matsuo-lab contest: (ALFWorld% + DB%) / 26.

    Args:
        alfworld: success rate in [0, 1] over ALFWorld's 134 unseen games.
        dbbench: DB-Bench's overall accuracy in [0, 1].
    """
    return (100 * alfworld + 100 * dbbench) / 26
