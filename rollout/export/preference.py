"""TRL's preference format: two episodes of one task, of which one is worth more."""

from __future__ import annotations

from collections.abc import Iterable

from envs.protocol import Message
from rollout.export.rows import Row, Rows, reward, template_form, tools, unusable
from rollout.trajectory import Trajectory


def preference_rows(trajectories: Iterable[Trajectory], *, min_gap: float = 0.0) -> Rows:
    """Rows of `prompt`, `chosen` and `rejected`, each a list of messages, with `tools` where functions were called.

    The episodes of a task are ranked by reward, then by id; the best is paired with the worst, the second best with the
    second worst, and so on while the gap is wide enough. So an episode stands in one pair at most, and the same
    episodes give the same pairs whatever their order. The prompt is what came before the model's first turn; what came
    later, the environment's messages included, is the answer (mask those messages in the loss).

    Each row names its trajectories (`chosen_trajectory`, `rejected_trajectory`) and the `gap` of their rewards.

    Args:
        trajectories: of any tasks.
        min_gap: a pair's rewards differ by more than this; never by nothing.
    """
    out = Rows()
    groups: dict[tuple[str, str], list[Trajectory]] = {}
    for trajectory in trajectories:
        why = unusable(trajectory)
        if not why and trajectory.window == 0:
            why = "its turns are conversations of their own"
        if why:
            out.left_out[why] += 1
        else:
            # An environment may open the same task in other words under another seed.
            opening = repr(trajectory.steps[0].messages)
            groups.setdefault((trajectory.task, opening), []).append(trajectory)
    for _, group in sorted(groups.items()):
        ranked = sorted(group, key=lambda trajectory: (-reward(trajectory), trajectory.id))
        pairs = [
            _row(better, worse)
            for better, worse in zip(ranked[: len(ranked) // 2], reversed(ranked), strict=False)
            if reward(better) - reward(worse) > max(min_gap, 0.0)
        ]
        out.rows.extend(pairs)
        if left := len(group) - 2 * len(pairs):
            out.left_out["no partner of another reward"] += left
    return out


def _row(better: Trajectory, worse: Trajectory) -> Row:
    return {
        "chosen_trajectory": better.id,
        "rejected_trajectory": worse.id,
        "gap": reward(better) - reward(worse),
        "prompt": template_form(better.steps[0].messages),
        "chosen": template_form(_answer(better)),
        "rejected": template_form(_answer(worse)),
        **tools(better),
    }


def _answer(trajectory: Trajectory) -> list[Message]:
    return trajectory.conversation()[len(trajectory.steps[0].messages) :]
