"""What wins, and how much of it is done."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.alfworld.data import TASK_TYPES
from envs.alfworld.dialects import ForeignGameError
from envs.alfworld.domain import DOMAIN, grammar
from envs.alfworld.game import Game

MakeKitchen = Callable[..., Game]
TAKE_APPLE = ["go to countertop 1", "take apple 2 from countertop 1"]
TO_DESK = ["go to desk 1", "move apple 2 to desk 1"]
OTHER_APPLE = ["go to fridge 1", "open fridge 1", "take apple 1 from fridge 1"]
OTHER_TO_DESK = ["go to desk 1", "move apple 1 to desk 1"]

# type -> commands and the progress after each group, by hand.
COURSES: dict[str, list[tuple[list[str], float]]] = {
    "pick_and_place_simple": [(TAKE_APPLE, 0.0), (TO_DESK, 1.0)],
    "look_at_obj_in_light": [
        (TAKE_APPLE, 1 / 3),
        (["go to desk 1"], 2 / 3),
        (["use desklamp 1"], 1.0),
        (["go to fridge 1"], 2 / 3),
        (["go to desk 1"], 1.0),
        (["move apple 2 to desk 1"], 2 / 3),
    ],
    "pick_clean_then_place_in_recep": [
        (TAKE_APPLE, 0.0),
        (["go to sinkbasin 1", "clean apple 2 with sinkbasin 1"], 0.5),
        (TO_DESK, 1.0),
    ],
    "pick_heat_then_place_in_recep": [
        (TAKE_APPLE + TO_DESK, 0.5),
        (["take apple 2 from desk 1"], 0.0),
        (["go to microwave 1", "heat apple 2 with microwave 1"], 0.5),
        (["go to fridge 1", "cool apple 2 with fridge 1"], 0.0),
    ],
    "pick_cool_then_place_in_recep": [
        (TAKE_APPLE, 0.0),
        (["go to fridge 1", "cool apple 2 with fridge 1"], 0.5),
        # Another apple on the desk does not help the cool one.
        (["open fridge 1", "move apple 2 to fridge 1", "take apple 1 from fridge 1"], 0.5),
        (OTHER_TO_DESK, 0.5),
    ],
    "pick_two_obj_and_place": [(TAKE_APPLE, 0.0), (TO_DESK, 0.5), (OTHER_APPLE, 0.5), (OTHER_TO_DESK, 1.0)],
}


@pytest.mark.parametrize("type_", TASK_TYPES)
def test_progress_counts_the_conditions_of_the_best_binding(make_kitchen: MakeKitchen, type_: str) -> None:
    game = make_kitchen(type_)
    assert game.type == type_
    play = game.start()
    assert play.progress == 0.0
    for commands, progress in COURSES[type_]:
        for command in commands:
            assert command in play.admissible_commands
            play.step(command)
        assert play.progress == pytest.approx(progress)
        assert play.won == (progress == 1.0)


@pytest.mark.parametrize("type_", TASK_TYPES)
@given(choices=st.lists(st.integers(min_value=0, max_value=10_000), max_size=80))
def test_progress_is_whole_if_and_only_if_the_game_is_won(
    make_kitchen: MakeKitchen, type_: str, choices: list[int]
) -> None:
    play = make_kitchen(type_).start()
    for choice in choices:
        menu = play.admissible_commands
        play.step(menu[choice % len(menu)])
        assert 0.0 <= play.progress <= 1.0
        assert (play.progress == 1.0) == play.won


@pytest.mark.parametrize(
    "goal",
    [
        "(forall (?o - object) (not (objectType ?o AppleType)))",
        "(exists (?r - receptacle) (opened ?r))",
        "(exists (?r - receptacle ?o - object ?m - object) (and (inReceptacle ?o ?r) (inReceptacleObject ?m ?o)))",
        "(exists (?r - receptacle ?o1 - object ?o2 - object) (and (objectType ?o1 AppleType) (objectType ?o2 AppleType)"
        " (inReceptacle ?o1 ?r) (inReceptacle ?o2 ?r)))",
        "(exists (?o - object ?r - receptacle) (and (objectType ?o AppleType) (receptacleType ?r DeskType)))",
        "",
    ],
)
def test_a_goal_of_another_form_is_foreign(kitchen_text: Callable[[str], str], goal: str) -> None:
    with pytest.raises(ForeignGameError, match="goal"):
        Game.from_texts(domain=DOMAIN, grammar=grammar("x"), problem=kitchen_text(goal))
