"""The keys of the user do not reach processes that have no use for them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from envs import Outcome
from rollout.child_variables import child_variables
from rollout.host import Deadlines, ProcessHost
from tests.rollout.corridor import Corridor

SECRETS = (
    *("OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY"),
    *("VLLM_API_KEY", "RAY_AUTH_TOKEN", "GITHUB_TOKEN", "SLURM_JWT", "DB_PASSWORD", "MY_OWN_VARIABLE"),
)
PLAIN = ("PATH", "HOME", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "HF_HOME", "LC_ALL", "TOKENIZERS_PARALLELISM")


class Revealing(Corridor):
    """Says which variables its process has."""

    in_process = False

    def _act(self, action: str) -> Outcome:
        import os

        return Outcome(" ".join(sorted(os.environ)), 0.0, False, {})


def test_programs_get_what_they_need_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SECRETS, *PLAIN):
        monkeypatch.setenv(name, "x")
    kept = child_variables()
    assert kept.keys().isdisjoint(SECRETS)
    assert kept.keys() >= {*PLAIN}
    assert child_variables("DB_PASSWORD")["DB_PASSWORD"] == "x"


def test_an_environment_s_process_has_no_keys_but_those_that_it_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "x")
    env: Any = Revealing()
    env.variables = ("DB_PASSWORD",)

    async def play() -> str:
        host = ProcessHost(env, Deadlines())
        try:
            await host.reset(env.tasks[0].id, 0)
            return (await host.step("x")).observation
        finally:
            await host.close()

    seen = asyncio.run(play()).split()
    assert set(seen) & set(SECRETS) == {"DB_PASSWORD"}
    assert "PATH" in seen
