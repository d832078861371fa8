"""The `hf` engine: continuous batching on a transformers model, each episode's keys and values kept between its turns.

A request joins the batch at the next token and leaves it with its last one; a turn computes only the tokens that its
episode's slot does not hold. All bookkeeping happens in the event loop's thread between two forward passes, and the
forward passes in one worker thread, so that the loop is never blocked and nothing needs a lock.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollout.engine import Completion, EngineError, Sampling
from rollout.engines.cache import Cache, Chunk
from rollout.engines.forward import certify, forward
from rollout.engines.memory import MEMORY_SHARE, device_memory
from rollout.engines.sampling import draw, uniform
from rollout.engines.slots import WORTH_COPYING, Slot, Slots, common_prefix
from rollout.engines.tokens import check_prompt, stop_tokens
from rollout.engines.weights import read_weights
from rollout.errors import ModelError
from rollout.trajectory import FinishReason

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

STEP_TOKENS = 2048
"""New tokens of one forward pass at most; a longer prompt takes several, among the others' tokens."""


@dataclass(eq=False, slots=True)
class Request:
    """A completion under way.

    Attributes:
        ids: the prompt, and what has been sampled so far.
        prompt: the prompt's length.
        limit: of `ids`.
        slot: where its keys and values are; None while it waits.
        version: of the weights that sampled its first token.
    """

    episode: str
    ids: list[int]
    prompt: int
    limit: int
    sampling: Sampling
    seed: int
    answer: asyncio.Future[Completion]
    logprobs: list[float] = field(default_factory=list)
    slot: Slot | None = None
    version: int = 0
    asked: float = field(default_factory=time.perf_counter)
    begun: float = 0.0
    first: float = 0.0


class HFEngine:
    """`rollout.engine.Engine` on a causal language model of transformers.

    Args:
        model: any decoder whose attention transformers lets one replace (Qwen2, Qwen3, Llama, Gemma and most others);
            checked here by a few tokens. It may be the very module that a trainer trains, as long as the two do not
            work at the same time; call `new_version` after each update.
        tokenizer: for the stop tokens and strings.
        capacity: requests in one forward pass, and episodes whose caches are kept.
        max_length: tokens of prompt and completion together; the model's own limit by default.
        cache_bytes: the most that the caches may take; lowers `capacity` where it must. By default there is no limit on
            a CPU, and on a GPU `MEMORY_SHARE`.
        stop_ids: further tokens that end a completion, besides the tokenizer's and the generation config's.

    Raises:
        ModelError: if the model cannot be served this way, or not a single row fits into `cache_bytes`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        capacity: int = 64,
        max_length: int | None = None,
        cache_bytes: int | None = None,
        stop_ids: Iterable[int] = (),
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        config = model.config.get_text_config(decoder=True)
        self._vocabulary: int = config.vocab_size
        per_token = certify(model, self._vocabulary)
        limit: int = config.max_position_embeddings
        self.max_length = min(max_length or limit, limit)
        self.version = 0
        declared = getattr(model.generation_config, "eos_token_id", None)
        self.stop_ids = frozenset(stop_ids) | stop_tokens(declared, tokenizer)
        self.capacity = capacity
        if cache_bytes is None and model.device.type == "cuda":
            cache_bytes = int(MEMORY_SHARE * device_memory()[0])
        if cache_bytes is not None:
            self.capacity = min(capacity, cache_bytes // (per_token * self.max_length))
        if self.capacity < 1:
            raise ModelError(
                f"one row of {self.max_length} tokens takes {per_token * self.max_length} bytes of cache, and "
                f"cache_bytes is {cache_bytes}",
                remedy="Lower max_length or raise cache_bytes.",
            )
        self._cache = Cache(self.capacity, self.max_length)
        self._copies: list[tuple[int, int, int]] = []
        self._slots = Slots(self.capacity, lambda *copy: self._copies.append(copy))
        self._waiting: deque[Request] = deque()
        self._active: dict[Request, Slot] = {}
        self._pump: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hf-engine")
        self._closed = False

    async def generate(self, episode: str, prompt_ids: Sequence[int], sampling: Sampling, seed: int) -> Completion:
        """Sample one completion; see `Engine.generate`. Cancelling the call frees its place at once."""
        if self._closed:
            raise EngineError("the engine is closed")
        ids = list(prompt_ids)
        check_prompt(ids, self._vocabulary, self.max_length)
        limit = min(len(ids) + sampling.max_new_tokens, self.max_length)
        answer: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        request = Request(episode, ids, len(ids), limit, sampling, seed, answer)
        self._waiting.append(request)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run())
        try:
            return await answer
        finally:
            self._leave(request)

    async def release(self, episode: str) -> None:
        """Forget what is kept for an episode."""
        self._slots.release(episode)

    async def new_version(self) -> int:
        """The weights have changed: count up, and drop all keys and values. Returns the version.

        Requests under way go on with the new weights, over keys and values that these compute anew; their completions
        carry the version that began them.
        """
        self.version += 1
        self._slots.forget()
        return self.version

    async def rest(self) -> None:
        """Give the memory of keys and values back until something is asked for again; nothing if something is."""
        if self._waiting or self._active:
            return
        self._slots.forget()
        # Behind a forward pass for a request that was cancelled; the next one finds an empty cache and empty slots.
        await asyncio.get_running_loop().run_in_executor(self._thread, self._cache.clear)

    async def update_weights(self, weights: Mapping[str, torch.Tensor]) -> int:
        """Load a state dict between two forward passes. Returns the new version.

        Raises:
            EngineError: if a weight is missing or does not fit.
        """

        def load() -> None:
            tied = set(getattr(self.model, "all_tied_weights_keys", None) or ())
            result = self.model.load_state_dict(weights, strict=False)
            if wrong := [*(set(result.missing_keys) - tied), *result.unexpected_keys]:
                raise KeyError(f"missing or unexpected: {', '.join(sorted(wrong)[:5])}")
            self.model.tie_weights()

        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, load)
        except (KeyError, RuntimeError) as error:
            raise EngineError(f"the weights do not fit the model: {error}") from error
        finally:
            # Even a load that failed may have changed some of them.
            await self.new_version()
        return self.version

    async def update_adapter(self, folder: str | Path) -> int:
        """Put a LoRA adapter saved by PEFT above the weights, in the place of the last one, between two forward passes.
        The weights below stay as they are. Returns the new version.

        Raises:
            EngineError: if it does not load or fit.
        """
        from peft import PeftModel, load_peft_weights, set_peft_model_state_dict

        def load() -> None:
            read_weights(Path(folder) / "adapter_model.safetensors")
            if not isinstance(self.model, PeftModel):
                adapted: Any = PeftModel.from_pretrained(self.model, str(folder))
                self.model = adapted.eval()
                return
            weights = load_peft_weights(str(folder), device=str(self.model.device))
            result: Any = set_peft_model_state_dict(self.model, weights)
            missing = [name for name in result.missing_keys if ".lora_" in name]
            if wrong := [*missing, *result.unexpected_keys]:
                raise KeyError(f"missing or unexpected: {', '.join(sorted(wrong)[:5])}")

        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, load)
        except (KeyError, RuntimeError, ValueError, OSError) as error:
            raise EngineError(f"{folder}: the adapter could not be loaded: {error}") from error
        finally:
            await self.new_version()
        return self.version

    async def close(self) -> None:
        """Fail what is under way and give the caches back."""
        self._closed = True
        self._fail([*self._waiting, *self._active], EngineError("the engine was closed"))
        # The thread first: a forward pass may still be writing.
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)
        self._cache = Cache(self.capacity, self.max_length)
        self._slots.forget()

    async def _run(self) -> None:
        """Forward passes, one after another, until nothing is asked for."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting or self._active:
                self._admit()
                batch, version = self._plan(), self.version
                try:
                    drawn = await loop.run_in_executor(self._thread, self._step, batch, self._copies, version)
                except Exception as error:
                    # It may have been left half grown, and memory may be what was short.
                    self._cache = Cache(self.capacity, self.max_length)
                    self._slots.forget()
                    failure = EngineError(f"the model failed: {type(error).__name__}: {error}")
                    failure.__cause__ = error
                    self._fail(list(self._active), failure)
                    continue
                # A step that straddled an update mixed old keys with new weights: it is done again.
                if version == self.version and self._settle(batch, drawn):
                    # Episodes that only think for microseconds are back for the very next step, if they get to run.
                    for _ in range(3):
                        await asyncio.sleep(0)
        except BaseException as error:  # the loop was stopped, or a fault of ours: nobody must wait for ever
            self._fail([*self._waiting, *self._active], EngineError(f"the engine stopped: {error!r}"))
            raise

    def _admit(self) -> None:
        """Give slots to those that wait, in order."""
        self._copies = []
        coming: list[list[int]] = []
        for request in list(self._waiting):
            if self._slots.full:
                return
            source, length = self._slots.best_prefix(request.episode, request.ids)
            # Whose beginning is just being computed for another waits a step, and copies it.
            if source.episode != request.episode and any(
                common_prefix(ids, request.ids) > length + WORTH_COPYING for ids in coming
            ):
                continue
            slot = self._slots.lend(request.episode, request.ids, source, length)
            self._waiting.remove(request)
            request.slot, request.begun, request.version = slot, time.perf_counter(), self.version
            self._active[request] = slot
            coming.append(request.ids)

    def _plan(self) -> list[tuple[Request, Chunk]]:
        """What each row adds in the next forward pass: rows with one token first, as many others as there is room."""
        todo = sorted(self._active.items(), key=lambda row: len(row[0].ids) - len(row[1].ids))
        room, batch = STEP_TOKENS, []
        for request, slot in todo:
            start = len(slot.ids)
            ids = request.ids[start : start + max(room, 0)]
            if not ids:
                break
            room -= len(ids)
            batch.append((request, Chunk(slot.index, start, ids)))
        return sorted(batch, key=lambda row: len(row[1].ids))

    def _step(
        self, batch: list[tuple[Request, Chunk]], copies: list[tuple[int, int, int]], version: int
    ) -> tuple[list[int], list[float]]:
        """One forward pass, in the worker thread: a token and its log-probability for each row."""
        self._cache.renew(version)
        for source, target, tokens in copies:
            self._cache.copy(source, target, tokens)
        logits = forward(self.model, self._cache, [chunk for _, chunk in batch])
        uniforms = [uniform(request.seed, len(request.ids) - request.prompt) for request, _ in batch]
        return draw(logits, [request.sampling for request, _ in batch], uniforms)

    def _settle(self, batch: list[tuple[Request, Chunk]], drawn: tuple[list[int], list[float]]) -> bool:
        """Enter a step's results, and answer those that have ended. Returns whether any has."""
        ended = False
        for (request, chunk), token, logprob in zip(batch, *drawn, strict=True):
            slot = self._active.get(request)
            if slot is None:
                continue  # cancelled meanwhile
            slot.ids += chunk.ids
            if chunk.end < len(request.ids):
                continue  # a part of a long prompt
            if not request.logprobs:
                request.first = time.perf_counter()
            request.ids.append(token)
            request.logprobs.append(logprob)
            if reason := self._ended(request):
                ended = True
                self._leave(request)
                if not request.answer.done():
                    request.answer.set_result(_completion(request, reason))
        return ended

    def _ended(self, request: Request) -> FinishReason | None:
        if request.ids[-1] in self.stop_ids:
            return "stop"
        for stop in request.sampling.stop:
            # Each token of the stop string is at least a byte of it, and it ends in the token just drawn.
            begin = max(request.prompt, len(request.ids) - len(stop.encode()) - 4)
            if stop in self.tokenizer.decode(request.ids[begin:]):
                return "stop"
        return "length" if len(request.ids) >= request.limit else None

    def _leave(self, request: Request) -> None:
        """Take a request off the engine, wherever it is."""
        if request in self._active:
            self._slots.give_back(self._active.pop(request))
        elif request in self._waiting:
            self._waiting.remove(request)

    def _fail(self, requests: Iterable[Request], error: EngineError) -> None:
        for request in requests:
            self._leave(request)
            if not request.answer.done():
                request.answer.set_exception(error)


def _completion(request: Request, finish: FinishReason) -> Completion:
    now = time.perf_counter()
    return Completion(
        ids=tuple(request.ids[request.prompt :]),
        logprobs=tuple(request.logprobs),
        finish=finish,
        version=request.version,
        queue=request.begun - request.asked,
        model=now - request.begun,
        prefill=request.first - request.begun,
    )
