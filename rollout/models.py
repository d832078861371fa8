"""From what a user calls a policy to the policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from envs import TaskError, TextEnv
from rollout.engine import Sampling
from rollout.lineage import fingerprint
from rollout.policy import ModelPolicy, Policy
from rollout.scripted import ScriptedPolicy, expert_policy, random_policy
from rollout.synchronous import run_sync

SCRIPTED = ("expert", "gold", "random")


def make_policy(
    name: str,
    env: TextEnv[Any],
    *,
    sampling: Sampling,
    capacity: int = 32,
    max_length: int | None = None,
    window: int | None = None,
    tokenizer: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    enable_thinking: bool | None = None,
) -> Policy:
    """A policy by name.

    Args:
        name: `expert` or `random`; `gold`, which plays DB-Bench's own solutions to check the path; the URL of an
            OpenAI-compatible server, with the model's name behind a `#` where it serves several; else a model: a folder
            with a checkpoint, or a name on the hub.
        env: what it plays.
        sampling: how a model's tokens are drawn.
        capacity: a model's episodes at once.
        max_length: tokens of a model's context; 4096, or the limit of its server, if None.
        window: how many past turns its context keeps; None for all.
        tokenizer: of a model behind a URL, for token ids: a folder or a name on the hub; without it, such a model is
            asked by messages.
        dtype: of a model's weights.
        device: that it runs on.
        enable_thinking: whether a hybrid model thinks before it answers; None leaves it to its chat template.

    Raises:
        TaskError: if the environment has no such scripted policy.
        ModelError: if there is no such model.
        BackendError: if the server cannot be reached.
    """
    if name == "expert":
        return expert_policy(env)
    if name == "random":
        return random_policy()
    if name == "gold":
        return _gold(env)
    if name.startswith(("http://", "https://")):
        return _served(name, sampling, capacity, max_length, window, tokenizer, enable_thinking)
    return _model(name, sampling, capacity, max_length or 4096, window, dtype, device, enable_thinking)


def _gold(env: TextEnv[Any]) -> Policy:
    from envs.dbbench.env import DBBenchEnv
    from envs.dbbench.gold import GoldPolicy

    if not isinstance(env, DBBenchEnv):
        raise TaskError("the policy gold plays DB-Bench's own solutions", remedy="Use expert here.")

    def script(task: Any, seed: int) -> Any:
        return GoldPolicy(task)

    return ScriptedPolicy("gold", script)


def _served(
    url: str,
    sampling: Sampling,
    capacity: int,
    max_length: int | None,
    window: int | None,
    tokenizer: str | None,
    enable_thinking: bool | None,
) -> Policy:
    from rollout.client import Client
    from rollout.served import served_policy

    base, _, model = url.partition("#")
    client = Client(base, capacity=capacity)
    made = served_policy(
        client,
        sampling,
        model=model or None,
        tokenizer=tokenizer,
        max_length=max_length,
        window=window,
        enable_thinking=enable_thinking,
    )
    return run_sync(made)


def _model(
    name: str,
    sampling: Sampling,
    capacity: int,
    max_length: int,
    window: int | None,
    dtype: str,
    device: str,
    enable_thinking: bool | None,
) -> Policy:
    from rollout.engines.hf import HFEngine
    from rollout.loading import load_model
    from rollout.rendering import Renderer, renderers

    model, tokenizer = load_model(checkpoint(name), dtype=dtype, device=device)
    stop_ids = Renderer(tokenizer).stop_ids
    engine = HFEngine(model, tokenizer, capacity=capacity, max_length=max_length, stop_ids=stop_ids)
    about = {"dtype": str(model.dtype), "template": fingerprint(str(tokenizer.chat_template))}
    return ModelPolicy(
        engine,
        renderers(tokenizer, enable_thinking),
        sampling,
        name=name,
        window=window,
        about=about,
        enable_thinking=enable_thinking,
    )


def checkpoint(name: str) -> str:
    """A run's folder stands for its best checkpoint."""
    best = Path(name) / "checkpoints" / "best"
    return str(best) if best.is_dir() else name
