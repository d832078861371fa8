"""Preference pairs: two episodes of one task of which one is worth more, as rows for a DPO trainer that masks.

TRL's DPO counts everything after the prompt; an episode's answer holds the environment's tokens too. So each side comes
with a mask that is 1 on what the model sampled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rollout.trajectory import Trajectory
from trainers.batch import Row, rows_of
from trainers.groups import EQUAL, score


@dataclass(slots=True)
class Pairs:
    """Rows of pairs.

    Attributes:
        rows: `prompt_ids`, `chosen_ids`, `rejected_ids`, `chosen_mask`, `rejected_mask` (lists of numbers), and
            whose they are: `chosen_trajectory`, `rejected_trajectory`, `gap`.
        left_out: episodes in no pair, by reason.
        cut_rows: sides that were longer than the cap and lost their end.
        cut_tokens: sampled tokens lost so.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    cut_rows: int = 0
    cut_tokens: int = 0


def preference_pairs(
    trajectories: Iterable[Trajectory], *, min_gap: float = 0.1, diverging: bool = False, max_length: int | None = None
) -> Pairs:
    """Pairs by the gap of scores: of the episodes of a task the best with the worst, the second best with the second
    worst, and so on while the gap is wide enough. An episode stands in one pair at most.

    Args:
        trajectories: with tokens.
        min_gap: the least difference of scores; equal scores are never a pair.
        diverging: prefer not episode to episode but reply to reply, at the first turn in which the two differ and after
            the history that they share (Step-DPO, 2406.18629). Without it, an episode with a window can only be paired
            as long as it is one row.
        max_length: tokens of prompt and answer; the end of a longer answer is cut and counted.

    Raises:
        DataError: if an episode has tokens for some of its turns only, or no finite score.
    """
    result = Pairs()
    add = _at_divergence if diverging else _whole
    by_task: dict[str, list[Trajectory]] = {}
    for trajectory in trajectories:
        if why := _unusable(trajectory):
            result.left_out[why] += 1
        else:
            by_task.setdefault(trajectory.task, []).append(trajectory)
    for group in by_task.values():
        ranked = sorted(group, key=lambda episode: (-score(episode), episode.id))
        half = len(ranked) // 2
        result.left_out["no partner of another score"] += len(ranked) - 2 * half
        for better, worse in zip(ranked[:half], reversed(ranked), strict=False):
            gap = score(better) - score(worse)
            wide = gap > EQUAL and gap >= min_gap - EQUAL
            why = add(result, better, worse, max_length) if wide else "no partner of another score"
            if why:
                result.left_out[why] += 2
    result.left_out = +result.left_out
    return result


def _unusable(trajectory: Trajectory) -> str:
    if not trajectory.scored:
        return "failed outside the model or cancelled"
    return "" if any(step.tokens is not None for step in trajectory.steps) else "without tokens"


def _whole(result: Pairs, better: Trajectory, worse: Trajectory, max_length: int | None) -> str:
    """Add a pair of episodes, or say why not."""
    sides = [rows_of(better), rows_of(worse)]
    if any(len(side) > 1 for side in sides):
        return "its window makes it several rows"
    chosen, rejected = (side[0] for side in sides)
    prompt = chosen.ids[: chosen.prompt].tolist()
    if rejected.ids[: rejected.prompt].tolist() != prompt:
        return "opened in other words than its partner"
    if chosen.ids.tolist() == rejected.ids.tolist():
        return "the same replies as its partner"
    kept = [row.start(len(row) if max_length is None else max_length) for row in (chosen, rejected)]
    if not all(row.trained for row in kept):
        return "its prompt leaves no room"
    for before, after in zip((chosen, rejected), kept, strict=True):
        result.cut_rows += len(after) < len(before)
        result.cut_tokens += before.trained - after.trained
    result.rows.append(_row(better, worse, prompt, *(_answer(row) for row in kept)))
    return ""


def _at_divergence(result: Pairs, better: Trajectory, worse: Trajectory, max_length: int | None) -> str:
    """Add a pair of replies, or say why not."""
    turns = [zip(side.prompts(), _completions(side), strict=True) for side in (better, worse)]
    for (prompt, chosen), (other_prompt, rejected) in zip(*turns, strict=False):
        if prompt != other_prompt:
            return "was answered otherwise than its partner before they differed"
        if chosen == rejected:
            continue
        if max_length is not None and len(prompt) + max(len(chosen), len(rejected)) > max_length:
            return "its prompt leaves no room"
        answers = [(list(reply), [1] * len(reply)) for reply in (chosen, rejected)]
        result.rows.append(_row(better, worse, list(prompt), *answers))
        return ""
    return "the same replies as its partner"


def _completions(trajectory: Trajectory) -> list[tuple[int, ...]]:
    return [step.tokens.completion_ids for step in trajectory.steps if step.tokens is not None]


def _answer(row: Row) -> tuple[list[int], list[int]]:
    return row.ids[row.prompt :].tolist(), row.mask[row.prompt :].tolist()


def _row(
    better: Trajectory,
    worse: Trajectory,
    prompt: list[int],
    chosen: tuple[list[int], list[int]],
    rejected: tuple[list[int], list[int]],
) -> dict[str, Any]:
    return {
        "prompt_ids": prompt,
        "chosen_ids": chosen[0],
        "rejected_ids": rejected[0],
        "chosen_mask": chosen[1],
        "rejected_mask": rejected[1],
        "chosen_trajectory": better.id,
        "rejected_trajectory": worse.id,
        "gap": score(better) - score(worse),
    }
