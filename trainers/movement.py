"""How far training moves the policy: an estimate of the divergence that no loss uses, for the record and its alarm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from rollout.engine import Sampling
from rollout.engines.sampling import log_probabilities
from rollout.trajectory import Trajectory
from trainers.batch import Row, rows_of
from trainers.padding import causal_alone

SAMPLE = 8
"""Rows by which a movement is estimated. Of 128 rows they take about a twentieth of an update's time."""


class Movement:
    """The KL divergence from the policy as it is now to the policy later, estimated on what the former has sampled.

    With a weight of 0 for the KL term nothing ties the policy to the one before training, and no reference is kept.
    What goes wrong then is a step that is too large, so the step is measured: Schulman's third estimator,
    `exp(r) - 1 - r` with r the log-ratio of the later policy to the earlier one, averaged over tokens.

    Args:
        model: that is trained; it is run without dropout.
        rows: that it has sampled; `SAMPLE` of them at most are used.
        temperature: at which they were sampled.
    """

    def __init__(self, model: Any, rows: Sequence[Row], temperature: float = 1.0) -> None:
        self._model = model
        self._rows = [row for row in rows if row.trained][:SAMPLE]
        self._sampling = Sampling(temperature)
        self._before = self._logprobs()

    def kl(self) -> float | None:
        """Nats a token from then to now; None without rows."""
        if not self._rows:
            return None
        ratios = torch.cat([now - before for now, before in zip(self._logprobs(), self._before, strict=True)])
        return float((ratios.exp() - 1 - ratios).mean())

    def _logprobs(self) -> list[torch.Tensor]:
        with torch.no_grad(), _without_dropout(self._model):
            return [
                logprobs_of(self._model, torch.from_numpy(row.ids), torch.from_numpy(row.mask), self._sampling)
                for row in self._rows
            ]


def logprobs_of(model: Any, ids: torch.Tensor, mask: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """(trained tokens,), float32: log-probabilities under the distribution that `sampling` draws from.

    Args:
        model: a causal language model.
        ids: (L,), padded on the right if at all.
        mask: (L,), 1 on trained tokens; never on the first.
        sampling: temperature and truncation.
    """
    places = mask.nonzero()[:, 0].to(model.device)
    ids = ids.to(model.device)
    with causal_alone(model):
        logits = model(input_ids=ids[None], use_cache=False, logits_to_keep=places - 1).logits[0].float()
    logprobs = log_probabilities(logits, [sampling] * len(places))
    return logprobs.gather(1, ids[places, None])[:, 0]


def sample_rows(episodes: Sequence[Trajectory]) -> list[Row]:
    """Rows of some episodes, spread over all of them."""
    scored = [episode for episode in episodes if episode.scored]
    return [row for episode in scored[:: max(1, len(scored) // SAMPLE)] for row in rows_of(episode)]


@contextmanager
def _without_dropout(model: Any) -> Iterator[None]:
    training = model.training
    model.train(False)
    try:
        yield
    finally:
        model.train(training)
