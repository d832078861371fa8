"""From the options of a run to a session that is ready to play, and back to where an interrupted one stood."""

from __future__ import annotations

import copy
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import envs
from configs import TrainConfig
from configs.common import thinking
from configs.stored import model_path
from envs import TextEnv
from envs.protocol import Protocol
from eval.evaluate import open_tasks
from eval.history import read_metrics
from eval.protocols import EvalProtocol
from rewards import Mixture
from rollout import ModelPolicy, Sampling, read_trajectories
from rollout.account import Account
from rollout.cluster.rollouts import RayRollouts
from rollout.engines.choice import choose_engine
from rollout.lineage import describe_env, describe_protocol, fingerprint, versions
from rollout.loading import load_model, load_tokenizer
from rollout.rendering import renderers
from rollout.rollouts import LocalRollouts, Rollouts
from rollout.runner import Stage
from rollout.store import Store
from rollout.synchronous import run_sync
from rollout.timeline import Timeline
from trainers.ahead import Ahead
from trainers.algorithms import GROUP_RELATIVE
from trainers.backlog import Backlog
from trainers.checkpoints import Checkpoints
from trainers.demonstrations import DemonstratedRollouts
from trainers.display import TrainingDisplay
from trainers.divergence import Watchdog
from trainers.engines import Served, open_engine, rollouts_on_ray
from trainers.errors import TrainingError
from trainers.generation import Generation
from trainers.guards import refuse_evaluation_tasks
from trainers.journal import Journal
from trainers.rounds import episodes_of, official_data
from trainers.run_folder import check_folder, claim
from trainers.run_state import Standing
from trainers.session import Session
from trainers.start import Start, find_start
from trainers.startup import check_first_episode, check_training
from trainers.stop_request import StopRequest
from trainers.tasks import TaskOrder
from trainers.trackers import reserve_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments


def open_session(config: TrainConfig, folder: Path) -> Session:
    """Make everything that a run needs, or find it where an interrupted run left it.

    Raises:
        EnvError: wrong options, a model or data that is missing, training tasks that are evaluated too (`TaskError`), a
            folder that holds another run (`ResumeError`).
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        remedy = "Start it without a launcher; further GPUs sample for it with --ray auto --engines N."
        raise TrainingError("a run has one training process, and there are several", remedy=remedy)
    check_folder(config, folder)
    named = model_path(model_name(config))
    check_training(config, named, folder)
    with ExitStack() as undo:
        env = open_training_env(config)
        undo.callback(env.close)
        talk = env.protocol(config.protocol)
        check_first_episode(env, talk)
        scorer = Mixture(config.rewards, env.tasks)
        fp16 = _checked(config, folder, env, talk).fp16
        start = find_start(named, folder, keep_adapter=config.use_peft, resume=config.resume)
        if config.engine.startswith("vllm"):
            choose_engine("vllm", start.model)
        model, tokenizer = _model(config, start)
        store = Store(folder)  # whose lock keeps a second process from writing other options there
        undo.callback(store.close)
        claim(config, folder)
        journal = Journal(folder, config.report_to)
        undo.callback(journal.close)
        served = open_engine(config, start.model, model, tokenizer, folder)
        undo.callback(lambda: run_sync(served.engine.close()))
        undo.callback(lambda: run_sync(served.scored.close()))
        display = TrainingDisplay(config.iterations)
        timeline = Timeline(display)
        player, scored = _policies(config, served, model, tokenizer)
        player.check(talk)
        check_first_episode(env, talk, player)
        lineage = _lineage(config, env, talk, player)
        stage = Stage(env, player, talk, store, Account(()), lineage=lineage, scorer=scorer, watcher=timeline)
        order = TaskOrder(env.tasks, config.num_generations, config.seed, by_success=config.curriculum == "success")
        rollouts: Rollouts = LocalRollouts(stage, served.sync)
        if config.ray != "off":
            rollouts = rollouts_on_ray(config, start, stage, player, model, served)
        stop = StopRequest()
        session = Session(
            config=config,
            folder=folder,
            env=env,
            model=model,
            tokenizer=tokenizer,
            rollouts=rollouts,
            scored=scored,
            generation=_generation(
                config,
                DemonstratedRollouts(rollouts, config.num_generations) if config.smoke else rollouts,
                *(order, folder, stop),
            ),
            journal=journal,
            display=display,
            watchdog=Watchdog(fp16=fp16),
            timeline=timeline,
            stop=stop,
            checkpoints=Checkpoints(folder, config.save_total_limit),
            rest=served.rest,
            exact=served.exact and not config.max_staleness and config.ray == "off",
        )
        _go_on(session, served)
        undo.pop_all()
    return session


def open_training_env(config: TrainConfig) -> TextEnv[Any]:
    """The environment of the training tasks.

    Raises:
        TaskError: if they are of an evaluation split, or some are among the run's own held-out tasks.
    """
    env = envs.make(config.env, split=config.split or "train", **config.env_args)
    try:
        refuse_evaluation_tasks(env.tasks, held_out(config))
    except BaseException:
        env.close()
        raise
    return env


def held_out(config: TrainConfig) -> set[str]:
    """The ids of the tasks that the run evaluates on."""
    found: set[str] = set()
    evaluated = ((config.eval_split, config.eval_tasks), (config.select_split, config.select_tasks))
    for split in {split for split, count in evaluated if count}:
        rules = EvalProtocol(name="held-out", env=config.env, split=split, env_args=config.env_args)
        other = open_tasks(rules)
        found |= {task.id for task in other.tasks}
        other.close()
    return found


def _checked(config: TrainConfig, folder: Path, env: TextEnv[Any], talk: Protocol) -> TrainingArguments:
    """The options as TRL takes them, once nothing in them would end the run when a model was loaded and scored in vain.

    Raises:
        EnvError: if episodes of `source` do not fit, a tracker's folder cannot be made, or TRL refuses the options.
    """
    if config.source is not None:
        data = official_data(config)
        episodes_of(config.source, env.id, talk.name, held_out(config), algo=config.algo, data=data)
    reserve_folder(config.report_to, folder)
    if config.algo in GROUP_RELATIVE:
        from trainers.online import arguments
    else:
        from trainers.rounds import arguments
    made: TrainingArguments = arguments(config, str(folder))
    return made


def _model(config: TrainConfig, start: Start) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    # Updates of 1e-6 vanish in bfloat16: what is trained is float32, and autocast computes in less.
    dtype = "float32" if not config.use_peft else "bfloat16" if config.load_in_4bit else "auto"
    model, tokenizer = load_model(start.model, dtype=dtype, device="cpu" if config.load_in_4bit else "auto")
    if start.adapter is not None:
        from trainers.adapters import with_trained_adapter

        adapted: Any = with_trained_adapter(model, start.adapter, quantize=config.load_in_4bit)
        return adapted, load_tokenizer(start.tokenizer)
    if config.use_peft:
        from trainers.adapters import with_adapter

        model = with_adapter(  # type: ignore[assignment]
            model,
            r=config.lora_r,
            alpha=config.lora_alpha,
            dropout=config.lora_dropout,
            target_modules=config.lora_target_modules,
            quantize=config.load_in_4bit,
        )
    return model, tokenizer


def model_name(config: TrainConfig) -> str:
    """What the user named, or the model that comes with the package for the environment."""
    return config.model or f"tiny-{envs.find(config.env).id.removesuffix('-v1').lower()}"


def _policies(
    config: TrainConfig, served: Served, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> tuple[ModelPolicy, ModelPolicy]:
    """The one that explores, and the one that is scored."""
    about = {"dtype": str(model.dtype), "template": fingerprint(str(tokenizer.chat_template))}
    samplings = (
        Sampling(config.temperature, config.top_p, max_new_tokens=config.max_completion_length),
        Sampling(config.eval_temperature, max_new_tokens=config.max_completion_length),
    )
    name = model_name(config)
    # Episodes that are played ahead are played in another thread, and a tokenizer must not be in two.
    tokenizers = (copy.deepcopy(tokenizer) if config.max_staleness else tokenizer, tokenizer)
    thinks = thinking(config.enable_thinking)
    explores, scored = (
        ModelPolicy(
            engine,
            renderers(words, thinks),
            one,
            name=name,
            window=config.window,
            about=about,
            enable_thinking=thinks,
        )
        for engine, words, one in zip((served.engine, served.scored), tokenizers, samplings, strict=True)
    )
    return explores, scored


def _lineage(config: TrainConfig, env: TextEnv[Any], talk: Protocol, policy: ModelPolicy) -> dict[str, Any]:
    return {
        "env": describe_env(env, config.split or "train", config.env_args),
        "protocol": describe_protocol(talk),
        "policy": {"name": policy.name, "window": policy.window, "algo": config.algo, **_thinking(policy)},
        "seed": config.seed,
        "versions": versions(),
    }


def _thinking(policy: ModelPolicy) -> dict[str, Any]:
    return {} if policy.enable_thinking is None else {"enable_thinking": policy.enable_thinking}


def _generation(
    config: TrainConfig, rollouts: Rollouts, order: TaskOrder, folder: Path, stop: StopRequest
) -> Generation | Ahead:
    penalties = config.invalid_penalty or config.inadmissible_penalty
    # SFT and KTO compare no episodes; a penalty by turn is a signal of its own.
    every_group = bool(penalties) or config.algo in ("sft", "kto")
    shared: dict[str, Any] = {
        "size": config.num_generations,
        "tasks": config.tasks,
        "rounds": 1 if every_group else config.rounds,
        "every_group": every_group,
        "stored": read_trajectories(folder) if config.resume else (),
    }
    if not config.max_staleness:
        return Generation(rollouts, order, **shared, make_stop=stop.stop)
    bounded = Backlog(order, max_staleness=config.max_staleness, iterations=config.iterations, **shared)
    return Ahead(rollouts, bounded, stop.check)


def _go_on(session: Session, served: Served) -> None:
    """Bring a session to its last checkpoint; without one, the run begins at its beginning."""
    last = session.checkpoints.last()
    if last is not None:
        state = last[1]
        best = state.pop("best")
        session.standing = Standing(**state, best=None if best is None else (best[0], best[1]))
        session.generation.restore(session.standing.order)
    session.rewind()
    for record in read_metrics(session.folder):
        session.watchdog.observe(record)
        session.display.record(record)
    if session.config.max_staleness:
        # So that versions count iterations, and those of episodes on disk can be held against new ones.
        served.engine.version = session.standing.iteration
        if isinstance(session.rollouts, RayRollouts):
            session.rollouts.version = session.standing.iteration
