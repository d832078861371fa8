"""A request to vLLM in this process: asked for in an event loop's thread, answered from vLLM's."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rollout.engine import Completion, EngineError, Sampling
from rollout.trajectory import FinishReason

if TYPE_CHECKING:
    from vllm import RequestOutput


@dataclass(eq=False, slots=True)
class Request:
    """A completion under way.

    Attributes:
        version: of the weights that began it.
        asked: seconds, on the monotonic clock.
    """

    id: str
    ids: list[int]
    sampling: Sampling
    seed: int
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Completion]
    version: int = 0
    asked: float = field(default_factory=time.monotonic)

    def settle(self, answer: Completion | EngineError) -> None:
        """Answer who asked, unless nobody waits any more."""
        _tell(self.loop, _settle, self.answer, answer)


@dataclass(eq=False, slots=True)
class Ended:
    """A request that vLLM has answered, before it is handed out.

    Attributes:
        at: seconds, on the monotonic clock.
    """

    request: Request
    output: RequestOutput
    at: float = field(default_factory=time.monotonic)

    def answer(self) -> Completion | EngineError:
        """What vLLM has said; the time since then counts as waiting."""
        (sampled,) = self.output.outputs
        logprobs = tuple(sampled.logprobs.logprobs)
        if any(math.isnan(logprob) for logprob in logprobs):
            return EngineError("the model gives no probabilities (NaN): it has diverged")
        finish: FinishReason = sampled.finish_reason if sampled.finish_reason in ("stop", "length") else "abort"
        times = self.output.metrics
        return Completion(
            ids=tuple(sampled.token_ids),
            logprobs=logprobs,
            finish=finish,
            version=self.request.version,
            queue=max(0.0, times.scheduled_ts - self.request.asked) + time.monotonic() - self.at,
            model=self.at - times.scheduled_ts,
            prefill=max(0.0, times.first_token_ts - times.scheduled_ts),
        )


def let_act(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    """Wait until an event loop has been round some times, and not for longer than so many seconds."""
    back = threading.Event()
    if _tell(loop, _after, loop, 3, back.set):
        back.wait(seconds)


def _tell(loop: asyncio.AbstractEventLoop, work: Callable[..., None], *arguments: Any) -> bool:
    """Call something in an event loop's thread; False if the loop is closed, and nobody waits there any more."""
    try:
        loop.call_soon_threadsafe(work, *arguments)
    except RuntimeError:
        return False
    return True


def _settle(future: asyncio.Future[Completion], answer: Completion | EngineError) -> None:
    if future.done():
        return  # cancelled meanwhile
    if isinstance(answer, EngineError):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def _after(loop: asyncio.AbstractEventLoop, rounds: int, work: Callable[[], None]) -> None:
    """Call something after some rounds of the event loop."""
    if rounds:
        loop.call_soon(_after, loop, rounds - 1, work)
    else:
        work()
