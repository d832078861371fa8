"""TRL's conversational format for supervised fine-tuning: `messages`, and `tools` where functions were called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from envs.protocol import Message
from rollout.export.rows import Row, Rows, template_form, tools, unusable
from rollout.trajectory import Trajectory


def sft_rows(trajectories: Iterable[Trajectory], *, successes_only: bool = True) -> Rows:
    """A row an episode, and a row a turn where every turn is a conversation of its own.

    Each row names its `trajectory`, and its `turn` (from 0) where it is one of several.

    An episode that was played with a window of past turns becomes the whole conversation, of which the model saw but
    the end.

    Args:
        trajectories: in order.
        successes_only: leave out what did not solve its task.
    """
    out = Rows()
    for trajectory in trajectories:
        why = unusable(trajectory)
        if not why and successes_only and not trajectory.success:
            why = "not a success"
        if why:
            out.left_out[why] += 1
            continue
        out.rows.extend(_rows(trajectory))
    return out


def _rows(trajectory: Trajectory) -> Iterator[Row]:
    if trajectory.window != 0:
        yield {"trajectory": trajectory.id, **_talk(trajectory.conversation()), **tools(trajectory)}
        return
    for turn, step in enumerate(trajectory.steps):
        messages = [*step.messages, step.reply]
        yield {"trajectory": trajectory.id, "turn": turn, **_talk(messages), **tools(trajectory)}


def _talk(messages: Sequence[Message]) -> Row:
    return {"messages": template_form(messages)}
