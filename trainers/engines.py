"""The engine that plays for a trainer, and how it gets the trainer's weights."""

from __future__ import annotations

import asyncio
import copy
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs import TrainConfig
from rollout.cluster.weights import Adapter
from rollout.engine import Engine, EngineError, Sampling
from rollout.engines.choice import choose_engine
from rollout.engines.probe import measured_tolerance, probe, scorer
from rollout.errors import ModelError
from rollout.loading import best_device, load_model, load_tokenizer
from rollout.policy import ModelPolicy
from rollout.rendering import Renderer, renderers
from rollout.synchronous import run_sync
from trainers.start import Start

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from rollout.cluster.rollouts import RayRollouts
    from rollout.engines.hf import HFEngine
    from rollout.engines.vllm import VLLMEngine
    from rollout.engines.vllm_server import VLLMServer
    from rollout.runner import Stage


@dataclass(frozen=True, slots=True)
class Served:
    """An engine beside a trainer.

    Attributes:
        engine: what samples for training.
        scored: what samples for evaluation, mostly the same.
        sync: brings both to the trainer's weights; returns their version.
        rest: gives memory back that is not needed before the next sync, for the trainer's update.
        exact: whether engine and trainer compute the same log-probabilities, so that none need be corrected.
    """

    engine: Engine
    scored: Engine
    sync: Callable[[], Awaitable[int]]
    rest: Callable[[], Coroutine[Any, Any, None]]
    exact: bool


def open_engine(
    config: TrainConfig, path: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> Served:
    """The engine that a run asks for. With `auto`, vLLM on an accelerator where it is installed; on a CPU our own,
    which is the faster one for the sizes that a CPU can train.

    Args:
        config: the run's options.
        path: where the model was loaded from; vLLM loads it again.
        model: that is trained.
        tokenizer: the model's.
        folder: the run's, for the log of a server.

    Raises:
        ModelError: if vLLM is asked for and cannot run, cannot serve the model, or computes another one from the same
            files.
    """
    ours = best_device().type == "cpu" or config.load_in_4bit
    asked = "hf" if config.engine == "auto" and ours else config.engine
    stop_ids = Renderer(tokenizer).stop_ids
    if choose_engine("vllm" if asked == "vllm-server" else asked, path) == "vllm":
        return _vllm(config, path, model, tokenizer, folder)
    from rollout.engines.hf import HFEngine

    make = partial(HFEngine, capacity=config.capacity, max_length=config.max_length, stop_ids=stop_ids)
    engine = make(model, tokenizer)
    if config.max_staleness and config.ray == "off":
        return _beside(make, engine)
    # The engine works on the trainer's own module: it only has to forget what it computed with older weights.
    return Served(engine, engine, engine.new_version, engine.rest, exact=True)


def _beside(make: Callable[..., HFEngine], scored: HFEngine) -> Served:
    """An engine that works while the trainer does, on a copy of the model; it is scored when the trainer rests."""
    # A tokenizer of its own too: they must not be used by two threads at once.
    engine = make(copy.deepcopy(scored.model), copy.deepcopy(scored.tokenizer))

    async def sync() -> int:
        await scored.new_version()
        return await engine.update_weights(scored.model.state_dict())

    return Served(engine, scored, sync, scored.rest, exact=False)


def rollouts_on_ray(
    config: TrainConfig, start: Start, stage: Stage, policy: ModelPolicy, model: PreTrainedModel, served: Served
) -> RayRollouts:
    """Ray's actors play for training; evaluation stays here, with the engine that is here.

    Args:
        config: the run's options.
        start: where actors load the model and its tokenizer from, on every machine of the cluster.
        stage: of training.
        policy: whose name, sampling and window the workers' policies have.
        model: that is trained; after each update its weights are sent, or its adapter.
        served: the engine here.
    """
    import torch

    from rollout.cluster.rollouts import RayRollouts
    from rollout.cluster.session import STORE_BYTES

    class Both(RayRollouts):
        async def sync(self) -> int:
            await served.sync()
            return await super().sync()

    ours = partial(make_hf, start.model, config.capacity, config.max_length)
    return Both(
        stage,
        ours if served.exact else partial(make_vllm, start.model, _vllm_settings(config)),
        partial(make_policy, start.tokenizer, policy.name, policy.sampling, policy.window, policy.enable_thinking),
        workers=config.workers,
        engines=config.engines,
        address=None if config.ray == "auto" else config.ray,
        gpus_per_engine=float(best_device().type == "cuda"),
        weights=partial(_sent, model),
        store_bytes=max(STORE_BYTES, 3 * sum(weight.nbytes for weight in model.parameters())),
        own_gpus=int(torch.cuda.device_count() > 1),
    )


def _sent(model: PreTrainedModel) -> dict[str, torch.Tensor] | Adapter:
    """What an engine in an actor needs after an update: all weights, or the adapter alone where one is trained. Merged
    into weights of 16 bits it would be rounded away."""
    if not hasattr(model, "peft_config"):
        return _once(model.state_dict())
    with tempfile.TemporaryDirectory(prefix="train-agent-adapter-") as folder:
        model.save_pretrained(folder)
        return Adapter.read(Path(folder))


def _once(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each weight under the first of its names, and from an accelerator in the 16 bits that engines compute with."""
    import torch

    alone: dict[int, tuple[str, torch.Tensor]] = {}
    for name, weight in weights.items():
        alone.setdefault(weight.data_ptr(), (name, weight))
    return {name: weight.to(torch.bfloat16) if weight.is_cuda else weight for name, weight in alone.values()}


def make_hf(path: str, capacity: int, max_length: int) -> Engine:
    """Our engine in an actor of its own."""
    from rollout.engines.hf import HFEngine

    model, tokenizer = load_model(path)
    stop_ids = Renderer(tokenizer).stop_ids
    return HFEngine(model, tokenizer, capacity=capacity, max_length=max_length, stop_ids=stop_ids)


def make_vllm(path: str, settings: dict[str, Any]) -> Engine:
    """vLLM in an actor of its own."""
    from rollout.engines.vllm import VLLMEngine

    return VLLMEngine(path, **settings, stop_ids=Renderer(load_tokenizer(path)).stop_ids)


def make_policy(
    path: str, name: str, sampling: Sampling, window: int | None, enable_thinking: bool | None, engine: Engine
) -> ModelPolicy:
    """A policy in an actor of its own."""
    renderer = renderers(load_tokenizer(path), enable_thinking)
    return ModelPolicy(engine, renderer, sampling, name=name, window=window, enable_thinking=enable_thinking)


def _vllm(
    config: TrainConfig, path: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> Served:
    dtype = "float32" if best_device().type == "cpu" else "bfloat16"
    engine = _vllm_engine(config, path, tokenizer, dtype, folder)
    prompt = tokenizer.encode("Engine and trainer must agree on this.", add_special_tokens=False)
    score = scorer(model)
    try:
        # The engine has loaded the model alone; the adapter comes with the first sync.
        with model.disable_adapter() if config.use_peft else nullcontext():  # type: ignore[operator]
            tolerance = run_sync(measured_tolerance(engine, score, prompt, dtype))
    except EngineError as error:
        run_sync(engine.close())
        raise ModelError(str(error), where=path, remedy="Train with --engine hf.") from error
    kept: list[tempfile.TemporaryDirectory[str]] = []

    async def sync() -> int:
        if config.use_peft:
            adapter = tempfile.TemporaryDirectory(prefix="train-agent-adapter-")
            await asyncio.to_thread(model.save_pretrained, adapter.name)
            version = await engine.update_adapter(adapter.name)
            kept[:] = [adapter]  # a server that is started again reads it again
        else:
            version = await engine.update_weights(model.state_dict())
        await probe(engine, score, prompt, version=version, tolerance=tolerance)
        return version

    async def rest() -> None:
        """vLLM keeps its memory: it was given to it at the start."""

    return Served(engine, engine, sync, rest, exact=False)


def _vllm_engine(
    config: TrainConfig, path: str, tokenizer: PreTrainedTokenizerBase, dtype: str, folder: Path
) -> VLLMEngine | VLLMServer:
    stop_ids = Renderer(tokenizer).stop_ids
    settings = _vllm_settings(config)
    if config.engine == "vllm-server":
        from rollout.engines.vllm_server import VLLMServer

        memory = ("--dtype", dtype, "--gpu-memory-utilization", str(settings.pop("memory_share")))
        options = () if best_device().type == "cpu" else memory
        return VLLMServer(path, **settings, stop_ids=stop_ids, log=folder / "vllm.log", options=options)
    from rollout.engines.vllm import VLLMEngine

    return VLLMEngine(path, **settings, stop_ids=stop_ids, dtype=dtype)


def _vllm_settings(config: TrainConfig) -> dict[str, Any]:
    return {
        "capacity": config.capacity,
        "max_num_seqs": config.vllm_max_num_seqs,
        "max_length": config.max_length,
        "lora_rank": config.lora_r if config.use_peft else None,
        "memory_share": config.vllm_gpu_memory_utilization,
    }
