"""The oracle's plans win, and no plan is shorter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.alfworld.domain import DOMAIN, grammar
from envs.alfworld.game import Game
from envs.alfworld.generator import KINDS, generate_game
from envs.alfworld.oracle import shortest_plan
from envs.errors import DataError


def length_by_search(game: Game) -> int:
    """The length of the shortest way to win, by breadth-first search over the states of the game."""
    level, depth = [game.start()], 0
    seen = {level[0].key}
    while level:
        depth += 1
        following = []
        for play in level:
            for command in play.admissible_commands:
                after = play.fork()
                after.step(command)
                if after.won:
                    return depth
                if after.key not in seen:
                    seen.add(after.key)
                    following.append(after)
        level = following
    raise AssertionError("the game cannot be won")


def wins(game: Game, plan: list[str]) -> bool:
    play = game.start()
    for command in plan:
        assert not play.won
        assert command in play.admissible_commands
        play.step(command)
    return play.won


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), task_type=st.sampled_from(list(KINDS)))
def test_no_plan_is_shorter_than_the_oracles(seed: int, task_type: str) -> None:
    game = generate_game(seed=seed, task_type=task_type, size="tiny")
    plan = shortest_plan(game)
    assert wins(game, plan)
    assert len(plan) == length_by_search(game)


@pytest.mark.parametrize("task_type", KINDS)
@pytest.mark.parametrize(
    "extra",
    [
        "",
        "(inReceptacle Apple_bar_1 Fridge_bar_1)",
        "(inReceptacle Apple_bar_1 Cabinet_bar_1) (isClean Apple_bar_1)",
        "(inReceptacle Apple_bar_2 Cabinet_bar_1) (isCool Apple_bar_2)",
        "(opened Fridge_bar_1)",
    ],
)
def test_odd_starts_are_planned_as_short_as_can_be(
    make_kitchen: Callable[..., Game], task_type: str, extra: str
) -> None:
    game = make_kitchen(task_type, extra=extra)
    plan = shortest_plan(game)
    assert wins(game, plan)
    assert len(plan) == length_by_search(game)


def test_a_thing_that_also_lies_in_the_target_need_only_be_treated(make_kitchen: Callable[..., Game]) -> None:
    game = make_kitchen("pick_clean_then_place_in_recep", extra="(inReceptacle Apple_bar_1 Desk_bar_1)")
    assert len(shortest_plan(game)) == length_by_search(game)


def test_a_game_that_cannot_be_won_is_an_error(kitchen_text: Callable[..., str]) -> None:
    problem = kitchen_text().replace("(canContain DeskType AppleType)", "")
    game = Game.from_texts(domain=DOMAIN, grammar=grammar("put a apple in desk"), problem=problem)
    with pytest.raises(DataError, match="put a apple in desk"):
        shortest_plan(game)
