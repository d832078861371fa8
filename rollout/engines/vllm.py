"""The `vllm` engine: vLLM in this process, stepped by a thread of its own, token ids in and out.

A request joins vLLM's batch at the next token and leaves it with its last one. Whatever touches vLLM (requests,
cancellations, new weights) is done by its thread between two steps, so that nothing needs a lock or a pause; the event
loops that ask, one after another or several at once, only ever wait for a future.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rollout.engine import Completion, EngineError, Sampling
from rollout.engines.memory import MEMORY_SHARE
from rollout.engines.tokens import check_prompt, stop_tokens
from rollout.engines.vllm_core import build_core, close_core, parameters
from rollout.engines.vllm_request import Ended, Request, let_act
from rollout.engines.weights import Shapes, checkpoint_shapes, misfits, read_weights
from rollout.errors import ModelError

if TYPE_CHECKING:
    import torch
    from vllm import RequestOutput
    from vllm.v1.engine.llm_engine import LLMEngine

T = TypeVar("T")

log = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds that closing waits for the step under way, and for vLLM's end after it."""

SETTLE = 0.005
"""Seconds that a step waits at most for the event loop to hand in the next turns of what has just ended."""

TOGETHER = 8
"""Answers handed out at once, at most, while other requests wait for the places that have become free.

Little is lost by it: the episodes' next turns would have to wait for those others. Between two turns vLLM's steps put
what plays an episode out of the processor's caches, so that eight in a row cost half of eight one by one.
"""

HOLD = 0.5
"""Seconds that an answer waits at most to be handed out with others."""


class VLLMEngine:
    """`rollout.engine.Engine` on vLLM.

    Args:
        model: a folder with a whole checkpoint, or a name on the hub.
        capacity: episodes that are kept alive, each with its prefix where the memory lasts.
        max_num_seqs: requests in one step, `capacity` by default. With fewer the others wait, and vLLM is full while
            games move and until the last episodes end.
        max_length: tokens of prompt and completion together; the model's own limit by default.
        stop_ids: further tokens that end a completion, besides the tokenizer's and the generation config's.
        dtype: of the weights, as for `rollout.loading.load_model`.
        lora_rank: the highest rank of an adapter; None where no adapter will be loaded.
        cache_bytes: for keys and values; by default as many as `capacity` episodes of `max_length` take, within
            `memory_share`. With fewer, vLLM computes the youngest requests again when it runs out.
        memory_share: of the device's memory that is free when the engine starts, for keys and values at most. Beside a
            trainer on the same GPU the default leaves the larger part to its optimizer and activations; where nothing
            else will use the GPU, 0.8 leaves room for vLLM's own weights.

    Attributes:
        version: of the weights or the adapter.

    Raises:
        ModelError: if vLLM cannot serve the model.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        capacity: int = 64,
        max_num_seqs: int | None = None,
        max_length: int | None = None,
        stop_ids: Iterable[int] = (),
        dtype: str = "auto",
        lora_rank: int | None = None,
        cache_bytes: int | None = None,
        memory_share: float = MEMORY_SHARE,
    ) -> None:
        self.model, self.capacity, self.version = str(model), capacity, 0
        self._places = max_num_seqs or capacity
        self._requests: dict[str, Request] = {}
        self._ended: list[Ended] = []
        self._orders: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any] | None]] = queue.SimpleQueue()
        self._numbers = itertools.count()
        self._dead: EngineError | None = None
        self._refuses: str | None = None
        self._adapter: Any = None
        ready: Future[LLMEngine] = Future()

        def build() -> LLMEngine:
            return build_core(
                self.model, capacity, self._places, max_length, dtype, lora_rank, cache_bytes, memory_share
            )

        # What torch keeps by thread (the device, inference mode) is set where it is used.
        self._thread = threading.Thread(target=self._serve, args=(build, ready), name="vllm-engine", daemon=True)
        self._thread.start()
        try:
            self._llm = ready.result()
        except Exception as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            remedy = "Use the engine hf, or see vLLM's log with VLLM_LOGGING_LEVEL=INFO."
            raise ModelError(f"vLLM cannot serve it: {lines[-1]}", where=self.model, remedy=remedy) from error
        config = self._llm.model_config
        self.max_length: int = config.max_model_len
        self._vocabulary: int = config.get_vocab_size()
        self._tied = bool(getattr(config.hf_text_config, "tie_word_embeddings", False))
        self._shapes: Shapes | None = checkpoint_shapes(self.model)
        declared = config.try_get_generation_config().get("eos_token_id")
        self.stop_ids = frozenset(stop_ids) | stop_tokens(declared, self._llm.get_tokenizer())

    async def generate(self, episode: str, prompt_ids: Sequence[int], sampling: Sampling, seed: int) -> Completion:
        """Sample one completion; see `Engine.generate`. Cancelling the call frees its place before the next step."""
        ids = list(prompt_ids)
        check_prompt(ids, self._vocabulary, self.max_length)
        loop = asyncio.get_running_loop()
        request = Request(f"{next(self._numbers)}", ids, sampling, seed, loop, loop.create_future())
        self._requests[request.id] = request
        self._orders.put((lambda: self._begin(request), None))
        try:
            # After the order: what dies later finds the request, and what died before is seen here.
            if self._dead:
                raise self._dead
            return await request.answer
        finally:
            if self._requests.pop(request.id, None):
                self._orders.put((lambda: self._llm.abort_request([request.id]), None))

    async def release(self, episode: str) -> None:
        """Nothing is kept by episode: the prefix cache forgets what is unused when it needs the room."""

    async def update_weights(self, weights: Mapping[str, torch.Tensor]) -> int:
        """Load a state dict between two steps. Returns the new version.

        Requests under way go on with the new weights, over keys and values that these compute anew; their completions
        carry the version that began them.

        Args:
            weights: by the names of the checkpoint. Where embeddings are tied, the head may be left out.

        Raises:
            EngineError: if a weight is missing or does not fit (the old weights stay), or if loading failed half-way
                (then the engine refuses to generate until an update succeeds).
        """
        return await self._order(lambda: self._load(weights))

    async def update_weights_from(self, file: str | Path) -> int:
        """Load what `rollout.engines.weights.write_weights` has written, in this process or another.

        Raises:
            EngineError: as `update_weights` does, and if the file is absent, truncated or no safetensors file (the old
                weights stay).
        """
        return await self._order(lambda: self._load(read_weights(file)))

    async def update_adapter(self, folder: str | Path) -> int:
        """Put a LoRA adapter saved by PEFT in the place of the last one. Returns the new version.

        Raises:
            EngineError: if it does not load; the last one stays.
        """
        return await self._order(lambda: self._adopt(Path(folder)))

    async def close(self) -> None:
        """Fail what is under way and give the memory back. A step that hangs keeps it, and the log says so."""
        with suppress(EngineError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._order(self._stop)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, PATIENCE)
        if self._thread.is_alive():
            log.warning("vLLM hangs in a step, and keeps its memory until this process ends")

    async def _order(self, work: Callable[[], T]) -> T:
        """Have the thread do something between two steps. Once begun it is done, whether or not one waits."""
        done: Future[T] = Future()
        self._orders.put((work, done))
        if self._dead:
            raise self._dead
        return await asyncio.shield(asyncio.wrap_future(done))

    # From here on in the thread.

    def _serve(self, build: Callable[[], LLMEngine], ready: Future[LLMEngine]) -> None:
        try:
            llm = build()
        except BaseException as error:  # whatever vLLM raises, the constructor passes it on
            self._dead = EngineError("the engine never started")
            ready.set_exception(error)
            return
        ready.set_result(llm)
        death = EngineError("the engine was closed")
        try:
            while True:
                if idle := not llm.has_unfinished_requests():
                    self._hand_out()
                self._obey(wait=idle)
                if llm.has_unfinished_requests():
                    self._deliver(llm.step())
        except _Stop:
            pass
        except BaseException as error:
            death = EngineError(f"vLLM failed: {type(error).__name__}: {error}")
            death.__cause__ = error
        finally:
            self._die(death)
            with suppress(Exception):
                close_core(llm)

    def _obey(self, wait: bool) -> None:
        """Carry out the orders that have come in; wait for one if there is nothing else to do."""
        with suppress(queue.Empty):
            while True:
                work, done = self._orders.get(block=wait)
                wait = False
                try:
                    result = work()
                except _Stop:
                    if done:
                        done.set_result(None)
                    raise
                except Exception as error:
                    if done is None:
                        raise
                    done.set_exception(error)
                else:
                    if done:
                        done.set_result(result)

    def _die(self, death: EngineError) -> None:
        self._dead = death
        with suppress(Exception):
            self._hand_out()
        for request in list(self._requests.values()):
            self._answer(request, death)
        with suppress(queue.Empty):
            while True:
                _, done = self._orders.get_nowait()
                if done:
                    done.set_exception(death)

    def _stop(self) -> None:
        raise _Stop

    def _begin(self, request: Request) -> None:
        from vllm.inputs import tokens_input

        if request.id not in self._requests:
            return  # cancelled meanwhile
        if self._refuses:
            self._answer(request, EngineError(self._refuses))
            return
        request.version = self.version
        room = self.max_length - len(request.ids)
        try:
            self._llm.add_request(
                request.id,
                tokens_input(request.ids, cache_salt=str(self.version)),
                parameters(request.sampling, request.seed, room, self.stop_ids),
                lora_request=self._adapter,
            )
        except Exception as error:
            self._answer(request, EngineError(f"vLLM refuses the request: {error}"))

    def _deliver(self, outputs: Sequence[RequestOutput]) -> None:
        """Hand out what has ended, several at once while others wait for the free places.

        Where places stay free, the episodes that only think for microseconds are let into the very next step.
        """
        for output in outputs:
            request = self._requests.get(output.request_id)
            if request is not None and output.finished:
                self._ended.append(Ended(request, output))
        if not self._ended:
            return
        waiting = len(self._requests) - len(self._ended) - self._places
        if len(self._ended) < min(TOGETHER, waiting) and time.monotonic() - self._ended[0].at < HOLD:
            return
        loops = {one.request.loop for one in self._ended} if waiting < 0 else ()
        self._hand_out()
        for loop in loops:
            let_act(loop, SETTLE)

    def _hand_out(self) -> None:
        ended, self._ended = self._ended, []
        for one in ended:
            self._answer(one.request, one.answer())

    def _answer(self, request: Request, answer: Completion | EngineError) -> None:
        self._requests.pop(request.id, None)
        request.settle(answer)

    def _load(self, weights: Mapping[str, torch.Tensor]) -> int:
        if self._shapes is not None and (wrong := misfits(weights, self._shapes, tied=self._tied)):
            raise EngineError(f"the weights do not fit the model: {wrong}")
        weights = dict(weights)
        if self._tied and "lm_head.weight" not in weights:
            # vLLM would keep its old head, and say nothing.
            weights["lm_head.weight"] = next(w for name, w in weights.items() if name.endswith("embed_tokens.weight"))
        self._refuses = "new weights were loaded in part only: update them again"
        try:
            self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights.items())})
        except Exception as error:
            raise EngineError(f"the weights could not be loaded: {type(error).__name__}: {error}") from error
        finally:
            self._new_version()
        self._refuses = self._adapter = None
        return self.version

    def _adopt(self, folder: Path) -> int:
        from vllm.lora.request import LoRARequest

        name = f"version-{self.version + 1}"
        read_weights(folder / "adapter_model.safetensors")  # vLLM drops the old adapter before it reads the new one
        try:
            self._llm.add_lora(LoRARequest(name, 1, str(folder), load_inplace=True))
        except Exception as error:
            raise EngineError(f"{folder}: the adapter could not be loaded: {error}") from error
        self._adapter = LoRARequest(name, 1, str(folder))
        self._new_version()
        return self.version

    def _new_version(self) -> None:
        self.version += 1
        self._llm.reset_prefix_cache(reset_running_requests=True)


class _Stop(Exception):
    """The thread is asked to end."""
