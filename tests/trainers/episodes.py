"""Episodes made up for tests: whole ones by hand, and Hypothesis strategies for ones with tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from envs.protocol import Message
from rollout import Failure, Step, Tokens, Trajectory

STOP = 7
"""Ends every sampled reply."""

_ids = st.lists(st.integers(0, STOP - 1), min_size=1, max_size=4)


def step(prompt: Sequence[int], said: Sequence[int], **more: Any) -> Step:
    """A turn with tokens; the logprob of each is minus a tenth of its id."""
    tokens = Tokens(tuple(prompt), tuple(said), tuple(-id / 10 for id in said))
    return Step((Message("user", "u"),), Message("assistant", "a"), ("go",), ("seen",), tokens=tokens, **more)


def episode(task: str = "t", sample: int = 0, score: float | None = 0.0, *steps: Step, **more: Any) -> Trajectory:
    """A scored episode, solved if its score is 1 or more."""
    settings: dict[str, Any] = {"success": score is not None and score >= 1, "score": score, **more}
    return Trajectory(f"{task}#{sample}", task, "pick", "train", sample, steps=steps, **settings)


def failed(task: str = "t", sample: int = 0, kind: str = "env_died") -> Trajectory:
    """An episode that failed outside the model."""
    return episode(task, sample, None, success=None, ending="error", failure=Failure(kind, "gone"))


def cancelled(task: str = "t", sample: int = 0) -> Trajectory:
    """An episode that was stopped with its run."""
    return episode(task, sample, None, success=None, ending="cancelled")


@st.composite
def append_only(draw: st.DrawFn) -> Trajectory:
    """An episode whose context only grew; replies end with `STOP`."""
    turns = draw(st.lists(st.tuples(_ids, _ids), min_size=1, max_size=6))
    steps = [step(shown, [*said, STOP], version=number // 2) for number, (shown, said) in enumerate(turns)]
    return episode("t", 0, 1.0, *steps)


@st.composite
def windowed(draw: st.DrawFn) -> Trajectory:
    """An episode with a window: each prompt is the opening and the last few turns, as sampled."""
    window = draw(st.integers(0, 4))
    opening, turns = draw(_ids), draw(st.lists(st.tuples(_ids, _ids), min_size=1, max_size=6))
    past: list[list[int]] = []
    steps = []
    for said, shown in turns:
        kept = past[max(0, len(past) - window) :]
        reply = [*said, STOP]
        steps.append(step([*opening, *(id for turn in kept for id in turn)], reply))
        past.append([*reply, *shown])
    return episode("t", 0, 1.0, *steps, window=window)
