"""Records travel between processes unchanged."""

from __future__ import annotations

import copy
import pickle

import pytest

from envs.protocol import Message, ToolCall
from rollout.trajectory import Step, Timing, Tokens, Trajectory

MESSAGE = Message("assistant", "I look.", (ToolCall("1", "act", '{"command": "look"}'),))
EPISODE = Trajectory(
    "walk-1#0",
    "walk-1",
    "walk",
    "train",
    seed=7,
    steps=(Step((), MESSAGE, ("look",), ("A room.",), tokens=Tokens((1, 2), (3,), (-0.5,)), timing=Timing(model=0.5)),),
    rewards={"format": 1.0},
)


@pytest.mark.parametrize("record", [MESSAGE, EPISODE])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_record_comes_out_as_it_went_in(record: object, protocol: int) -> None:
    arrived = pickle.loads(pickle.dumps(record, protocol))
    assert type(arrived) is type(record)
    assert arrived == record
    assert hash(pickle.loads(pickle.dumps(EPISODE.steps[0].tokens, protocol))) == hash(EPISODE.steps[0].tokens)


def test_a_copied_record_shares_nothing_that_changes() -> None:
    copied = copy.deepcopy(EPISODE)
    assert copied == EPISODE
    assert copied.rewards is not EPISODE.rewards
