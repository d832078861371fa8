"""Episodes go to the least loaded place and stay there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.cluster.routes import Routes


def test_an_episode_stays_with_the_engine_that_holds_its_prefix() -> None:
    routes: Routes[str] = Routes()
    routes.add("a")
    assert [routes.assign("one"), routes.assign("two")] == ["a", "a"]
    routes.add("b")
    assert routes.assign("three") == "b"
    assert routes.assign("one") == "a"


def test_an_episode_begins_near_where_somebody_is_near_and_anywhere_else_otherwise() -> None:
    routes: Routes[str] = Routes()
    for place in ("a", "b", "c"):
        routes.add(place)
    assert [routes.assign(episode, ["b", "c"]) for episode in ("one", "two", "three")] == ["b", "c", "b"]
    routes.drop("b")
    assert routes.assign("four", ["b"]) == "c"


def test_without_a_place_left_episodes_wait_for_the_next() -> None:
    routes: Routes[str] = Routes()
    routes.add("a")
    for episode in ("one", "two"):
        routes.assign(episode)
    assert routes.drop("a") == {}
    routes.release("two")
    with pytest.raises(LookupError):
        routes.assign("three")
    assert routes.add("b") == {"one": "b"}


@given(st.lists(st.tuples(st.sampled_from(["add", "drop", "assign", "release"]), st.integers(0, 5)), max_size=60))
def test_loads_are_level_where_only_new_episodes_come_and_nothing_is_lost(moves: list[tuple[str, int]]) -> None:
    routes: Routes[int] = Routes()
    places: set[int] = set()
    live: set[str] = set()
    for move, number in moves:
        episode = f"e{number}"
        if move == "add" and number not in places:
            places.add(number)
            routes.add(number)
        elif move == "drop" and number in places:
            places.remove(number)
            moved = routes.drop(number)
            assert set(moved.values()) <= places
        elif move == "assign" and places:
            before = {place: routes.load(place) for place in places}
            known = episode in live
            place = routes.assign(episode)
            live.add(episode)
            assert known or before[place] == min(before.values())
        elif move == "release":
            live.discard(episode)
            routes.release(episode)
        if places:
            assert sum(routes.load(place) for place in places) == len(live)
