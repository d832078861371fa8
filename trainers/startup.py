"""What can be known before the first episode is checked before it, each thing with a deadline.

| what | how | deadline |
|---|---|---|
| the run's folder | a file is made in it, or in the nearest folder above, and removed | - |
| the model's folder | config, weights, tokenizer and chat template are there | - |
| a model on the hub | the hub answers | 5 s |
| a server's URL | it connects, lists its models, takes the key (`rollout.served`) | 25 s |
| Ray's address | the port answers, a process can join (`rollout.cluster.session.check_cluster`) | 35 s |
| trackers | their packages are installed | - |
| the environment | an episode begins: a database's driver, URL, user and rights; TextWorld | 60 s |
| the context | the first prompt leaves room for a reply | - |
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from configs import TrainConfig
from configs.stored import model_path
from envs import BackendError, TaskError, TextEnv
from envs.installation import pip_install
from envs.protocol import Protocol
from rollout.errors import ModelError
from rollout.files import check_writable
from rollout.host import Answer, Deadlines, EnvFailure, make_host
from rollout.loading import find_model
from rollout.model_files import check_model_folder
from rollout.models import SCRIPTED, checkpoint
from rollout.policy import ModelPolicy, Policy
from rollout.synchronous import run_sync
from trainers.errors import TrackerError
from trainers.trackers import check_names

DEADLINES = Deadlines(start=40.0, reset=20.0)
"""Of the process of an environment that needs one, and of its first episode."""


def check_training(config: TrainConfig, model: str, folder: Path) -> None:
    """Everything about a training run that needs neither its environment nor its model.

    Args:
        config: the run's options.
        model: a folder or a hub name.
        folder: the run's.

    Raises:
        EnvError: naming what is not as it must be, and what to type.
    """
    check_writable(folder)
    check_trackers(config.report_to)
    check_model(model)
    if config.ray != "off":
        from rollout.cluster.session import check_cluster

        check_cluster(None if config.ray == "auto" else config.ray)


def check_playing(model: str, folder: Path) -> None:
    """The same for a run that only plays: its policy is asked, or loaded, right after this.

    Raises:
        EnvError: as `check_training` does.
    """
    check_writable(folder)
    if model not in SCRIPTED and not model.startswith(("http://", "https://")):
        check_model(checkpoint(model_path(model)))


def check_model(name: str) -> None:
    """A model that plays or learns, before it is loaded.

    Raises:
        ModelError: if it is not there, or its folder lacks something.
    """
    found = Path(find_model(name))
    if found.is_dir():
        # An adapter's tokenizer comes with it, and so does its template.
        check_model_folder(found, template=True)


def check_trackers(names: Sequence[str]) -> None:
    """Trackers, before a model is loaded.

    Raises:
        TrackerError: if one is unknown or not installed.
    """
    check_names(names)
    for name in names:
        if name != "none" and find_spec(name) is None:
            remedy = f"Install it: {pip_install(name)}; or leave it out of --report-to."
            raise TrackerError(f"{name} is not installed", remedy=remedy)


def check_first_episode(env: TextEnv[Any], protocol: Protocol, policy: Policy | None = None) -> None:
    """Begin an episode as a run would, and throw it away.

    Args:
        env: what will be played; it stays as it is.
        protocol: how environment and model will talk.
        policy: who will play; a model's context is held against the first prompt.

    Raises:
        BackendError: if what the environment needs outside this process is missing or does not answer.
        TaskError: if one of its arguments is wrong.
        ModelError: if the first prompt leaves no room for a reply.
    """
    if not env.tasks or (env.in_process and not isinstance(policy, ModelPolicy)):
        return
    answer = run_sync(_begin(env))
    if answer is None or not isinstance(policy, ModelPolicy):
        return
    tokens = policy.prompt_length(protocol, protocol.open(answer.observation, answer.info))
    limit, reply = policy.engine.max_length, policy.sampling.max_new_tokens
    if tokens >= limit:
        raise ModelError(
            f"the first prompt of {env.tasks[0].id} has {tokens} tokens, and the context of {limit} has no room for a "
            "reply",
            where=policy.name,
            remedy=f"Take --max-length {tokens + reply} at least, and more for every further turn.",
        )


async def _begin(env: TextEnv[Any]) -> Answer | None:
    """The first answer of an environment; None if this task cannot be played, which its own episode will say."""
    host = make_host(env, DEADLINES)
    try:
        return await host.reset(env.tasks[0].id, 0)
    except EnvFailure as failure:
        if str(failure).startswith("TaskError: "):  # an argument of the environment's: a URL, a dialect
            raise TaskError(str(failure).removeprefix("TaskError: ")) from failure
        backend = str(failure).startswith("BackendError: ")
        if env.in_process or (failure.kind == "env_error" and not backend):
            return None
        what = str(failure).removeprefix("BackendError: ")
        remedy = None if backend else "Look at what the environment needs outside this process: a server, a program."
        raise BackendError(what, where=None if backend else env.id, remedy=remedy) from failure
    finally:
        await host.close()
