"""What vLLM is told: how to build itself in this process, and how to sample a request."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from rollout.engine import Sampling
from rollout.engines.memory import device_memory

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.config import VllmConfig
    from vllm.v1.engine.llm_engine import LLMEngine

BLOCK = 32
"""Tokens of a block of the prefix cache on a CPU, whose default of 128 rarely finds a whole block to share."""

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The adapter ranks that vLLM reserves room for."""

_SEEDS = 2**63
_living: set[LLMEngine] = set()


def build_core(
    model: str,
    capacity: int,
    max_num_seqs: int,
    max_length: int | None,
    dtype: str,
    lora_rank: int | None,
    cache_bytes: int | None,
    memory_share: float,
) -> LLMEngine:
    """vLLM in this process, to be closed by `close_core`; see `rollout.engines.vllm.VLLMEngine` for the arguments."""
    # Read by vLLM when it is imported and configured. Threads bound to cores would be the trainer's as well.
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

    from vllm.engine.arg_utils import EngineArgs
    from vllm.inputs import tokens_input
    from vllm.platforms import current_platform
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.llm_engine import LLMEngine
    from vllm.v1.executor import Executor

    # vLLM counts from the whole of the device's memory, and refuses to start where a trainer has taken too much of it.
    free, whole = device_memory()
    settings: dict[str, Any] = {"dtype": dtype, "gpu_memory_utilization": memory_share * free / whole}
    if current_platform.is_cpu():
        settings |= {"dtype": "float32" if dtype == "auto" else dtype, "enforce_eager": True, "block_size": BLOCK}
        # A prompt in parts takes back the draw after each part, which vLLM 0.31 cannot with a seed on a CPU: it dies.
        settings |= {"enable_chunked_prefill": False}
    if lora_rank is not None:
        rank = next((rank for rank in RANKS if rank >= lora_rank), lora_rank)
        settings |= {"enable_lora": True, "max_lora_rank": rank, "max_loras": 1}
    args = EngineArgs(
        model=model,
        max_model_len=max_length,
        max_num_seqs=max_num_seqs,
        enable_prefix_caching=True,
        logprobs_mode="processed_logprobs",
        **settings,
    )
    # The usage says how many tokens a step may have, a whole prompt where it is not cut, before anything is compiled.
    config = args.create_engine_config(UsageContext.LLM_CLASS)
    config.cache_config.kv_cache_memory_bytes = cache_bytes or _cache_bytes(config, capacity, int(memory_share * free))
    llm = LLMEngine(config, Executor.get_class(config), log_stats=True, multiprocess_mode=False)
    llm.logger_manager = None  # the times of each request are wanted, not a log of them
    # What vLLM has no kernel for shows at the first token only.
    llm.add_request("first", tokens_input([0, 0]), parameters(Sampling(), 0, 1, frozenset()))
    while llm.has_unfinished_requests():
        llm.step()
    llm.reset_prefix_cache()
    _living.add(llm)
    return llm


def close_core(llm: LLMEngine) -> None:
    """Give its memory back. The process groups go with the last engine of this process: all share them."""
    core = llm.engine_core
    _living.discard(llm)
    if not _living:
        core.shutdown()
        return
    core._finalizer.detach()
    core.engine_core.model_executor.shutdown()


def _cache_bytes(config: VllmConfig, capacity: int, most: int) -> int:
    """What `capacity` full contexts take, and not above `most`."""
    model, parallel = config.model_config, config.parallel_config
    per_token = 2 * model.get_head_size() * model.get_num_kv_heads(parallel) * model.get_num_layers(parallel)
    tokens = capacity * (model.max_model_len + config.cache_config.block_size)
    return min(int(per_token * tokens * model.dtype.itemsize), most)


def parameters(sampling: Sampling, seed: int, room: int, stop_ids: frozenset[int]) -> SamplingParams:
    """vLLM's words for a request of at most `room` tokens."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        max_tokens=min(sampling.max_new_tokens, room),
        seed=seed % _SEEDS,
        stop=list(sampling.stop),
        stop_token_ids=sorted(stop_ids),
        ignore_eos=True,  # `stop_ids` says it all
        logprobs=0,
        flat_logprobs=True,
        # A stop string may hold a special token, and is looked for in the text; nobody else reads it.
        detokenize=bool(sampling.stop),
        skip_special_tokens=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
        skip_clone=True,  # they are made for one request
    )
