"""What the journal says about the episodes of an iteration."""

from __future__ import annotations

import pytest

from envs.protocol import Message
from rollout import Step, Tokens, Trajectory
from tests.trainers.episodes import cancelled, episode, failed
from trainers.groups import form_groups
from trainers.measures import measures


def turn(prompt: int, said: int, action: str = "go", *, valid: bool = True, admissible: bool | None = True) -> Step:
    tokens = Tokens(tuple(range(prompt)), tuple(range(said)), (-1.0,) * said)
    message = Message("assistant", "a")
    return Step((), message, (action,), ("seen",), tokens=tokens, valid=valid, admissible=admissible)


def walked(sample: int, score: float, *steps: Step, **more: object) -> Trajectory:
    return episode("t", sample, score, *steps, **more)


def test_means_are_over_episodes_and_over_their_turns() -> None:
    one = walked(0, 1.0, turn(10, 2), turn(3, 4, "look", admissible=False))
    other = walked(1, 0.5, turn(10, 3), turn(3, 3), turn(3, 3, valid=False, admissible=None))
    found = measures([one, other])
    assert found["success"] == 0.5
    assert found["return"] == 0.75
    assert found["turns"] == 2.5
    assert found["tokens_per_turn"] == 3
    assert found["sampled_tokens"] == 15
    assert found["episode_tokens"] == ((10 + 2 + 3 + 4) + (10 + 3 + 3 + 3 + 3 + 3)) / 2
    assert found["invalid"] == pytest.approx(1 / 5)
    assert found["inadmissible"] == pytest.approx(1 / 4)  # of the turns of which somebody knows
    assert found["repetition"] == pytest.approx(2 / 3)
    assert found["overlong"] == 0


def test_the_tokens_of_an_episode_with_a_window_are_those_of_its_last_context() -> None:
    assert measures([walked(0, 1.0, turn(10, 2), turn(15, 4), window=1)])["episode_tokens"] == 19


def test_failed_and_cancelled_episodes_count_in_no_mean() -> None:
    solved = walked(0, 1.0, turn(10, 2))
    found = measures([solved, failed("t", 1), failed("t", 2, "engine_error"), cancelled("t", 3)])
    assert found["success"] == 1
    assert found["turns"] == 1
    assert found["failed"] == {"env_died": 1, "engine_error": 1}


def test_groups_are_counted_by_kind() -> None:
    episodes = [walked(0, 1.0, turn(9, 1)), walked(1, 0.0, turn(9, 1)), episode("u", 0, 0.0), episode("u", 1, 0.0)]
    found = measures(episodes, form_groups(episodes)[1])
    assert found["groups"] == {"signal": 1, "none solved": 1}
    assert found["signal_share"] == 0.5


def test_what_there_is_nothing_of_is_left_out() -> None:
    found = measures([failed()])
    assert found == {"sampled_tokens": 0, "failed": {"env_died": 1}}
