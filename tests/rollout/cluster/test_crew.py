"""Who plays for which engine."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.cluster.crew import Crew, Patience
from rollout.cluster.member import Member


@pytest.mark.parametrize(("workers", "engines", "near"), [(2, 2, 1), (2, 8, 1), (6, 4, 3), (3, 2, 3), (1, 4, 1)])
def test_workers_talk_to_few_engines_and_all_to_equally_many(workers: int, engines: int, near: int) -> None:
    crew = Crew(workers, engines, 0, lambda: None, Patience())  # type: ignore[arg-type, return-value]
    there: dict[int, Member] = {number: Member("worker", number, None) for number in range(workers)}
    members: Any = crew._members
    members["worker"] = there
    served = [crew.near(Member("engine", number, None)) for number in range(engines)]
    assert {len(found) for found in served} == {near}
    assert {sum(worker in found for found in served) for worker in there.values()} == {engines * near // workers}
