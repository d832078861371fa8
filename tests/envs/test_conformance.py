"""Every environment of ours holds to the contract, and the checks notice those that do not."""

from __future__ import annotations

from typing import Any

import pytest

import envs
from envs import Outcome
from envs.conformance import CHECKS, ConformanceError, check
from tests.rollout.corridor import Corridor

OURS = {
    "alfworld": lambda: envs.make("alfworld", data="generated", size="tiny", length=12),
    "alfworld-shuffled": lambda: envs.make(
        "alfworld", data="generated", size="tiny", length=12, domain_randomization=True
    ),
    "dbbench": lambda: envs.make("dbbench", generate={"count": 6}),
    "corridor": Corridor,
}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("env", OURS)
def test_an_environment_of_ours_conforms(env: str, name: str) -> None:
    CHECKS[name](OURS[env])


class _Forgetful(Corridor):
    """Observation: - Action: - Reward: - End: - Source: - Versions: -"""

    def step(self, action: str) -> tuple[str, Any, bool, bool, dict[str, Any]]:
        if not isinstance(action, str):
            return "What?", 0.0, False, False, {}
        self._live = True
        return super().step(action)


class _Random(Corridor):
    """Observation: - Action: - Reward: - End: - Source: - Versions: -"""

    count = 0

    def _act(self, action: str) -> Outcome:
        _Random.count += 1
        return super()._act(action)._replace(observation=f"{_Random.count}")


class _Shared(Corridor):
    """Observation: - Action: - Reward: - End: - Source: - Versions: -"""

    where = [0]

    def _act(self, action: str) -> Outcome:
        self.where[0] += action == "right"
        return super()._act(action)._replace(observation=f"place {self.where[0] - self.where[0] // 3 * 3}")


class _Brittle(Corridor):
    """No card."""

    def _act(self, action: str) -> Outcome:
        return super()._act({"left": "left", "right": "right"}[action])


class _Unpicklable(Corridor):
    """Observation: - Action: - Reward: - End: - Source: - Versions: -"""

    def __init__(self) -> None:
        super().__init__()
        self.callback = lambda: None


@pytest.mark.parametrize(
    ("env", "name", "message"),
    [
        (_Forgetful, "actions", "the action None is accepted"),
        (_Forgetful, "order", "raises AssertionError, not ContractError"),
        (_Random, "seeding", "seed 0 and the same actions differ"),
        (_Shared, "interleaving", "another is played beside it"),
        (_Brittle, "actions", "'' raises KeyError"),
        (_Brittle, "card", "no 'Observation' part"),
        (lambda: Corridor(tasks=0), "tasks", "there are no tasks"),
    ],
)
def test_a_breach_is_named(env: Any, name: str, message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        CHECKS[name](env)


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_closes_what_it_made(name: str) -> None:
    made: list[Corridor] = []

    def make() -> Corridor:
        made.append(Corridor())
        return made[-1]

    CHECKS[name](make)
    assert made
    assert all(env._closed for env in made)


def test_the_first_breach_stops_the_whole_check() -> None:
    check(Corridor)
    with pytest.raises(ConformanceError):
        check(_Brittle)
