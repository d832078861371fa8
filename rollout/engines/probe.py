"""Does an engine sample from the weights that the trainer has? Asked after each sync, by log-probabilities."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from rollout.engine import Engine, EngineError, Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Score(Protocol):
    """Log-probabilities by the trainer's weights."""

    def __call__(self, ids: Sequence[int], begin: int, sampling: Sampling = ...) -> Sequence[float]:
        """Of each of `ids[begin:]` after all before it, under the distribution that `sampling` draws from."""


TOLERANCE = {"float32": 1e-3, "bfloat16": 0.05, "float16": 0.02}
"""Nats a token between two implementations of the same weights, on average, with room to spare: vLLM and transformers
differ by 1e-6 in float32 and by 4e-3 in bfloat16 on a small model. A stale head is 0.5 and more."""

CEILING = {"float32": 0.01, "bfloat16": 0.3, "float16": 0.1}
"""What a larger model may come to; above, they do not compute the same thing."""

PROBES = 4
"""Completions: one alone may stop at its first token."""

AS_IT_IS = Sampling()
"""Temperature 1 and the whole vocabulary."""

SAMPLING = Sampling(temperature=2.0, max_new_tokens=16)
"""Hot, because the probabilities of unlikely tokens move first; a sharp policy's best has 1 before and after."""


class SyncError(EngineError):
    """Engine and trainer have different weights: what was sampled since the last good probe is not on-policy."""


async def probe(
    engine: Engine, score: Score, prompt_ids: Sequence[int], *, version: int | None = None, tolerance: float
) -> float:
    """Compare an engine's log-probabilities with the trainer's on what the engine samples after a prompt.

    Args:
        engine: after a sync.
        score: by the trainer's weights; see `scorer`.
        prompt_ids: any prompt, the same each time.
        version: what the sync returned, if the engine is to be held to it.
        tolerance: nats a token on average; see `TOLERANCE`.

    Returns:
        The average absolute difference in nats a token.

    Raises:
        SyncError: if they differ by more, or the engine samples from another version.
        EngineError: if the engine cannot be asked.
    """
    done = await asyncio.gather(*(engine.generate("sync probe", prompt_ids, SAMPLING, seed) for seed in range(PROBES)))
    await engine.release("sync probe")
    for completion in done:
        if version is not None and completion.version != version:
            raise SyncError(
                f"the engine samples from version {completion.version} of the weights, and {version} was sent. "
                "Send them again, and wait for the answer before the next rollout."
            )
    ours: list[float] = []
    theirs: list[float] = []
    for completion in done:
        ours += score([*prompt_ids, *completion.ids], len(prompt_ids), SAMPLING)
        theirs += completion.logprobs
    gaps = [abs(our - their) for our, their in zip(ours, theirs, strict=True)]
    mean = sum(gaps) / len(gaps)
    if not mean <= tolerance:  # NaN is no agreement either
        worst = max(range(len(gaps)), key=gaps.__getitem__)
        raise SyncError(
            f"engine and trainer differ by {mean:.3g} nats a token on average over {len(gaps)} tokens, and "
            f"{tolerance:g} is rounding (at worst the engine says {theirs[worst]:.4f} and the trainer "
            f"{ours[worst]:.4f}): the engine samples from other weights. Send all of them again, with lm_head.weight "
            "where embeddings are tied, and the adapter of this version where there is one."
        )
    return mean


async def measured_tolerance(engine: Engine, score: Score, prompt_ids: Sequence[int], dtype: str) -> float:
    """What later probes may find: `TOLERANCE`, or three times what is there now, within `CEILING`.

    Args:
        engine: that has just been loaded from the same files as the trainer's model, so that they differ by rounding.
        score: by the trainer's weights.
        prompt_ids: as for `probe`.
        dtype: of the engine's weights.

    Raises:
        SyncError: if engine and trainer differ by more than rounding.
        EngineError: if the engine cannot be asked.
    """
    rounding = await probe(engine, score, prompt_ids, tolerance=math.inf)
    if rounding > CEILING[dtype]:
        raise SyncError(
            f"engine and trainer have loaded the same files and differ by {rounding:.3g} nats a token, where "
            f"{CEILING[dtype]:g} is rounding: they do not compute the same model."
        )
    return min(CEILING[dtype], max(TOLERANCE[dtype], 3 * rounding))


def scorer(model: PreTrainedModel) -> Score:
    """A trainer's model as the probe asks it; one forward pass, without dropout."""

    def score(ids: Sequence[int], begin: int, sampling: Sampling = AS_IT_IS) -> list[float]:
        import torch

        from rollout.engines.sampling import log_probabilities

        was_training = model.training
        model.train(False)
        try:
            with torch.no_grad():
                logits = model(torch.tensor([list(ids)], device=model.device)).logits[0, begin - 1 : -1]
            told = log_probabilities(logits.float(), [sampling] * len(logits))
            return [told[i, token].item() for i, token in enumerate(ids[begin:])]
        finally:
            model.train(was_training)

    return score
