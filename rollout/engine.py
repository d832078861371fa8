"""The one protocol of engines: token ids in; ids, logprobs and finish reason out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from envs.record import Record
from rollout.errors import ModelError
from rollout.trajectory import FinishReason


@dataclass(frozen=True, slots=True)
class Sampling(Record):
    """How tokens are drawn.

    Attributes:
        temperature: 0 is greedy.
        top_p: nucleus; 1 keeps everything.
        top_k: 0 keeps everything.
        max_new_tokens: of one turn.
        stop: strings at which a completion ends early, besides the tokenizer's stop tokens.

    Raises:
        ModelError: if a number has no meaning.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # A comparison with NaN is false, and so refused.
        if not (
            0 <= self.temperature < math.inf and 0 < self.top_p <= 1 and self.top_k >= 0 and self.max_new_tokens >= 1
        ):
            raise ModelError(
                f"there is no such sampling: {self}",
                remedy="Take a temperature from 0, a top_p above 0 and up to 1, a top_k from 0 and at least one token.",
            )


@dataclass(frozen=True, slots=True)
class Completion(Record):
    """What an engine sampled.

    Attributes:
        ids: the sampled tokens, the stop token included where it was sampled.
        logprobs: natural log of the probability by which each token was drawn: after temperature, top-k and top-p,
            normalised; of greedy ones, at temperature 1 over the whole vocabulary. As long as `ids`.
        finish: why it ended.
        version: of the weights that sampled it.
        queue: seconds until the first token was begun.
        model: seconds from then to the last.
        prefill: of these, until the first token was there; 0 where the engine does not know.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: FinishReason
    version: int = 0
    queue: float = 0.0
    model: float = 0.0
    prefill: float = 0.0


class EngineError(Exception):
    """An engine could not answer. It says nothing about the model: the episode fails by the class `engine_error`."""


class ContextOverflow(EngineError):
    """The prompt leaves no room for a token: the episode ends as `overlong`."""


class Engine(Protocol):
    """Samples from a model, many requests at once.

    Attributes:
        capacity: how many requests it can work on at once; the number of episodes kept alive.
        max_length: tokens of prompt and completion together.
        version: of its weights, counted up by each update.
    """

    capacity: int
    max_length: int
    version: int

    async def generate(self, episode: str, prompt_ids: Sequence[int], sampling: Sampling, seed: int) -> Completion:
        """Sample one completion.

        Args:
            episode: whose turn it is. The prompts of one episode usually begin with its earlier prompt and completion,
                and an engine may keep their key-value cache until `release`.
            prompt_ids: the whole prompt.
            sampling: how to draw.
            seed: the same request with the same seed draws the same tokens, whatever else is in the batch.

        Raises:
            ContextOverflow: if the prompt is as long as `max_length`.
            EngineError: if the engine failed.
        """

    async def release(self, episode: str) -> None:
        """Forget what is kept for an episode."""

    async def close(self) -> None:
        """Give everything back; requests under way fail with `EngineError`. May be called twice."""
