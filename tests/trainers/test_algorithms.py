"""What is an algorithm's own where the user has said nothing, and what the options say instead."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from configs import TrainConfig
from tests.trainers.episodes import episode, step
from trainers.algorithms import GROUP_RELATIVE
from trainers.groups import Group
from trainers.online import _Loop, arguments


@pytest.mark.parametrize(
    ("options", "low", "high"),
    [
        ({"algo": "grpo"}, 0.2, 0.28),
        ({"algo": "gspo"}, 3e-4, 4e-4),
        ({"algo": "gspo", "epsilon": 0.1}, 0.1, 4e-4),
        ({"algo": "grpo", "epsilon_high": 0.2}, 0.2, 0.2),
        ({"algo": "grpo", "loss_type": "cispo"}, 0.2, 1.28),
    ],
)
def test_ratios_are_clipped_as_the_algorithms_paper_does(
    options: dict[str, Any], low: float, high: float, tmp_path: Path
) -> None:
    made = arguments(TrainConfig(**options), str(tmp_path))
    assert (made.epsilon, made.epsilon_high) == pytest.approx((low, high))


@pytest.mark.parametrize("name", GROUP_RELATIVE)
def test_every_algorithm_names_its_paper(name: str) -> None:
    assert GROUP_RELATIVE[name].source[:4].isdecimal()


@pytest.mark.parametrize(("scaled", "expected"), [(False, [0.5, -0.5]), (True, [0.5**0.5, -(0.5**0.5)])])
def test_gigpo_divides_by_the_deviation_where_the_option_says_so(scaled: bool, expected: list[float]) -> None:
    group = Group("t", tuple(episode("t", number, score, step([1], [2])) for number, score in enumerate((1.0, 0.0))))
    config = TrainConfig(algo="gigpo", omega=0.0, scale_rewards=scaled)
    loop = _Loop(SimpleNamespace(config=config, stop=None))  # type: ignore[arg-type]
    found = loop._advantages([group])
    assert [float(found[member.id][0]) for member in group.members] == pytest.approx(expected)
