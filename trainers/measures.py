"""What the episodes of an iteration were like, as numbers for the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from rollout.trajectory import Trajectory
from trainers.groups import GroupAccount, score


def measures(
    episodes: Sequence[Trajectory], account: GroupAccount | None = None, staleness: Sequence[int] = ()
) -> dict[str, Any]:
    """Means over scored episodes (`success`, `return`, `turns`, `episode_tokens`) and over their turns
    (`tokens_per_turn`, `invalid`, `forgiven`, `inadmissible`, `repetition`: the share that repeats the action before),
    `overlong`, the share of episodes that filled their context, `failed` by class, the groups by kind, and the groups'
    `staleness`. What there is nothing of is left out.
    """
    scored = [episode for episode in episodes if episode.scored]
    steps = [step for episode in scored for step in episode.steps]
    sampled = [len(step.tokens.completion_ids) for step in steps if step.tokens]
    repeats = [a.actions == b.actions for one in scored for a, b in zip(one.steps, one.steps[1:], strict=False)]
    means: dict[str, list[float]] = {
        "success": [bool(episode.success) for episode in scored],
        "return": [score(episode) for episode in scored],
        "turns": [len(episode.steps) for episode in scored],
        "episode_tokens": [_tokens(episode) for episode in scored],
        "tokens_per_turn": [float(count) for count in sampled],
        "invalid": [not step.valid for step in steps],
        "forgiven": [step.valid and bool(step.forgiven) for step in steps],
        "inadmissible": [not step.admissible for step in steps if step.admissible is not None],
        "repetition": [float(repeat) for repeat in repeats],
        "overlong": [episode.ending == "overlong" for episode in scored],
    }
    found: dict[str, Any] = {name: fmean(values) for name, values in means.items() if values}
    found["sampled_tokens"] = sum(sampled)
    found["failed"] = dict(Counter(episode.failure.kind for episode in episodes if episode.failure))
    if account is not None:
        found["groups"] = dict(account.groups)
        found["signal_share"] = account.signal_share
    if staleness:
        found["staleness"] = {"mean": fmean(staleness), "max": max(staleness)}
    return found


def _tokens(episode: Trajectory) -> int:
    last = [step.tokens for step in episode.steps if step.tokens]
    if episode.window is None:
        return sum(len(tokens.prompt_ids) + len(tokens.completion_ids) for tokens in last)
    return len(last[-1].prompt_ids) + len(last[-1].completion_ids) if last else 0
