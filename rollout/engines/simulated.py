"""The `simulated` engine: takes the time that a model on a GPU would take, and says what a script tells it.

For measuring what surrounds an engine at sizes that no machine at hand can hold. Its time is the event loop's, so under
a loop whose clock jumps from one timer to the next (tests/benchmarks/orchestration.py) hours of it pass in a second.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from rollout.engine import Completion, ContextOverflow, EngineError, Sampling
from rollout.trajectory import FinishReason

if TYPE_CHECKING:
    import torch

Script = Callable[[str, Sequence[int], int], Sequence[int]]
"""The ids of a completion, by episode, prompt and seed; the last one is the stop token."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds that a simulated engine takes. The defaults are those of a model of some billion parameters.

    Attributes:
        prefill: for each prompt token that its episode's turns before have not computed; the others' decoding waits.
        step: for each token of all requests under way: what it takes to read the weights.
        row: the same for each request: what it takes to read its keys and values.
        load: for an update of the weights; everything waits.
    """

    prefill: float = 2e-5
    step: float = 0.01
    row: float = 1e-4
    load: float = 0.5


@dataclass(eq=False, slots=True)
class _Request:
    episode: str
    prompt: int
    ids: tuple[int, ...]
    finish: FinishReason
    answer: asyncio.Future[Completion]
    asked: float
    fresh: int
    begun: float = 0.0
    version: int = 0


class SimulatedEngine:
    """`rollout.engine.Engine` without a model: continuous batching with a latency model, nothing drawn at random.

    All requests under way grow by one token a step, so a step's length depends on how many they are. Between two
    changes of the batch nothing happens, and nothing is computed.

    Args:
        script: what is said. Log-probabilities are 0.
        latency: how long it takes.
        capacity: requests at once; others queue in order.
        max_length: tokens of prompt and completion together.
    """

    def __init__(
        self, script: Script, latency: Latency | None = None, *, capacity: int = 64, max_length: int = 4096
    ) -> None:
        self.capacity, self.max_length, self.version = capacity, max_length, 0
        self._script, self._latency = script, latency or Latency()
        self._kept: dict[str, int] = {}
        self._waiting: deque[_Request] = deque()
        self._batch: list[tuple[float, int, _Request]] = []
        self._numbers = count()
        self._steps = 0.0  # since the beginning of time, in tokens of one request
        self._now = self._busy_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def generate(self, episode: str, prompt_ids: Sequence[int], sampling: Sampling, seed: int) -> Completion:
        """What the script says, after the time it takes; see `Engine.generate`."""
        if self._closed:
            raise EngineError("the engine is closed")
        room = self.max_length - len(prompt_ids)
        if room <= 0:
            raise ContextOverflow(f"a prompt of {len(prompt_ids)} tokens leaves no room within {self.max_length}")
        said = tuple(self._script(episode, prompt_ids, seed))
        ids = said[: min(room, sampling.max_new_tokens)]
        loop = asyncio.get_running_loop()
        fresh = max(0, len(prompt_ids) - self._kept.get(episode, 0))
        finish: FinishReason = "stop" if len(ids) == len(said) else "length"
        request = _Request(episode, len(prompt_ids), ids, finish, loop.create_future(), loop.time(), fresh)
        self._waiting.append(request)
        self._turn(loop)
        try:
            return await request.answer
        finally:
            if request.answer.cancelled():
                self._drop(loop)

    async def release(self, episode: str) -> None:
        """Forget an episode's prefix."""
        self._kept.pop(episode, None)

    async def update_weights(self, weights: Mapping[str, torch.Tensor]) -> int:
        """Count up, after the time that loading takes; all prefixes are forgotten."""
        loop = asyncio.get_running_loop()
        self._advance(loop.time())
        self._busy_until = max(self._busy_until, loop.time()) + self._latency.load
        self._kept.clear()
        self._turn(loop)
        await asyncio.sleep(self._busy_until - loop.time())
        self.version += 1
        return self.version

    async def close(self) -> None:
        """Fail what is under way."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for request in [*self._waiting, *(request for _, _, request in self._batch)]:
            if not request.answer.done():
                request.answer.set_exception(EngineError("the engine was closed"))
        self._waiting.clear()
        self._batch.clear()

    def _drop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take out what was cancelled."""
        self._advance(loop.time())
        self._batch = [row for row in self._batch if not row[2].answer.done()]
        heapq.heapify(self._batch)
        self._turn(loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer what has ended, let in what waits, and set the timer for the next end."""
        now = loop.time()
        self._advance(now)
        while self._batch and self._batch[0][0] <= self._steps + 1e-6:
            self._answer(heapq.heappop(self._batch)[2], now)
        while self._waiting and len(self._batch) < self.capacity:
            request = self._waiting.popleft()
            if request.answer.done():
                continue
            request.begun, request.version = now, self.version
            self._busy_until = max(self._busy_until, now) + self._latency.prefill * request.fresh
            heapq.heappush(self._batch, (self._steps + len(request.ids), next(self._numbers), request))
        if self._timer is not None:
            self._timer.cancel()
        if self._batch:
            at = max(now, self._busy_until) + (self._batch[0][0] - self._steps) * self._step()
            self._timer = loop.call_at(at, self._turn, loop)

    def _step(self) -> float:
        return self._latency.step + self._latency.row * len(self._batch)

    def _advance(self, now: float) -> None:
        """What has been decoded since the last change of the batch."""
        begin = max(self._now, self._busy_until)
        if self._batch and now > begin:
            self._steps += (now - begin) / self._step()
        self._now = now

    def _answer(self, request: _Request, now: float) -> None:
        if request.answer.done():
            return
        self._kept[request.episode] = request.prompt + len(request.ids)
        done = Completion(
            ids=request.ids,
            logprobs=(0.0,) * len(request.ids),
            finish=request.finish,
            version=request.version,
            queue=request.begun - request.asked,
            model=now - request.begun,
        )
        request.answer.set_result(done)
