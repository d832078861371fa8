"""The rules of an episode, on a small kitchen. What they are is settled by TextWorld: see test_textworld_agrees.py."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.alfworld.game import Game
from envs.alfworld.play import Play

MakeKitchen = Callable[..., Game]


def played(game: Game, *commands: str) -> Play:
    """A play after some commands, each of which must be admissible."""
    play = game.start()
    for command in commands:
        assert command in play.admissible_commands
        play.step(command)
    return play


def test_the_first_observation_lists_the_room_and_the_task(kitchen: Game) -> None:
    assert kitchen.start().observation == (
        "-= Welcome to TextWorld, ALFRED! =-\n\n"
        "You are in the middle of a room. Looking quickly around you, you see a cabinet 1, a countertop 1, a desk 1, "
        "a fridge 1, a microwave 1, and a sinkbasin 1.\n\n"
        "Your task is to: try the kitchen."
    )


def test_looking_around_in_the_middle_of_the_room_shows_nothing(kitchen: Game) -> None:
    observation = played(kitchen, "look").observation
    assert observation == "You are in the middle of a room. Looking quickly around you, you see nothing."


def test_a_start_at_furniture_faces_it(make_kitchen: MakeKitchen) -> None:
    play = make_kitchen(start="loc_bar_2").start()
    assert "You are facing the cabinet 1, and countertop 1. Next to it, you see nothing." in play.observation


def test_receptacles_at_the_same_place_cannot_be_gone_to(kitchen: Game) -> None:
    play = played(kitchen, "go to countertop 1")
    assert "go to cabinet 1" not in play.admissible_commands
    assert play.step("go to cabinet 1") == "Nothing happens."
    assert play.step("examine cabinet 1") == "The cabinet 1 is closed."


def test_a_closed_receptacle_hides_its_contents(kitchen: Game) -> None:
    play = played(kitchen, "go to fridge 1")
    assert play.observation == "You arrive at fridge 1. The fridge 1 is closed."
    assert play.step("take apple 1 from fridge 1") == "Nothing happens."
    assert play.step("open fridge 1") == "You open the fridge 1. The fridge 1 is open. In it, you see a apple 1."
    assert play.step("take apple 1 from fridge 1") == "You pick up the apple 1 from the fridge 1."
    assert play.step("examine fridge 1") == "The fridge 1 is open. In it, you see nothing."
    assert play.step("close fridge 1") == "You close the fridge 1."
    assert play.step("move apple 1 to fridge 1") == "Nothing happens."


def test_only_what_is_held_can_be_examined(kitchen: Game) -> None:
    play = played(kitchen, "go to countertop 1")
    assert play.step("examine knife 1") == "Nothing happens."
    play.step("take knife 1 from countertop 1")
    assert play.step("examine knife 1") == "There's nothing special about knife 1."


def test_the_hand_holds_one_thing(kitchen: Game) -> None:
    play = played(kitchen, "go to countertop 1", "inventory", "take knife 1 from countertop 1")
    assert play.step("take bowl 1 from countertop 1") == "Nothing happens."
    assert play.step("inventory") == "You are carrying: a knife 1."


def test_a_receptacle_takes_only_what_fits(kitchen: Game) -> None:
    play = played(kitchen, "go to countertop 1", "take apple 2 from countertop 1", "go to microwave 1")
    play.step("open microwave 1")
    assert not any(command.startswith("move") for command in play.admissible_commands)
    assert play.step("move apple 2 to microwave 1") == "Nothing happens."


@pytest.mark.parametrize(
    ("commands", "phrase"),
    [
        (["heat apple 2 with microwave 1"], "This is a hot apple 2."),
        (["cool apple 2 with fridge 1"], "This is a cold apple 2."),
        (["clean apple 2 with sinkbasin 1"], "This is a clean apple 2."),
        (["heat apple 2 with microwave 1", "cool apple 2 with fridge 1"], "This is a cold apple 2."),
        (["cool apple 2 with fridge 1", "heat apple 2 with microwave 1"], "This is a hot apple 2."),
        (["clean apple 2 with sinkbasin 1", "heat apple 2 with microwave 1"], "This is a hot and clean apple 2."),
        (["clean apple 2 with sinkbasin 1", "cool apple 2 with fridge 1"], "This is a cool and clean apple 2."),
    ],
)
@pytest.mark.parametrize("sliced", [False, True])
def test_examining_tells_what_was_done(kitchen: Game, commands: list[str], phrase: str, sliced: bool) -> None:
    play = played(kitchen, "go to countertop 1")
    if sliced:
        play.step("take knife 1 from countertop 1")
        assert play.step("slice apple 2 with knife 1") == "You sliced the apple 2 with the knife 1."
        play.step("move knife 1 to countertop 1")
        phrase = phrase.replace("apple", "sliced apple").replace("cold", "cool")
    play.step("take apple 2 from countertop 1")
    for command in commands:
        play.step(f"go to {command.split(' with ')[1]}")
        assert command in play.admissible_commands
        play.step(command)
    assert play.step("examine apple 2") == phrase


def test_a_vessel_is_always_normal(kitchen: Game) -> None:
    play = played(kitchen, "go to countertop 1", "take bowl 1 from countertop 1", "go to sinkbasin 1")
    play.step("clean bowl 1 with sinkbasin 1")
    assert play.step("examine bowl 1") == "This is a normal bowl 1. In it, you see nothing."


def test_a_lamp_stays_on(kitchen: Game) -> None:
    play = played(kitchen, "go to desk 1", "use desklamp 1")
    assert play.step("use desklamp 1") == "You turn on the desklamp 1."
    assert ("istoggled", "desklamp_bar_1") in play.facts()


def test_an_object_in_two_receptacles_lies_beside_the_one_it_was_taken_from(kitchen: Game) -> None:
    play = played(kitchen, "go to cabinet 1", "open cabinet 1", "take plate 1 from cabinet 1")
    assert play.step("examine countertop 1").endswith("a plate 1.")
    play.step("move plate 1 to countertop 1")
    assert play.step("look") == "You are facing the cabinet 1, and countertop 1. Next to it, you see a plate 1."


@pytest.mark.parametrize("command", ["", "dance", "GO TO desk 1", "go  to desk 1", "go to desk 2", "take from", "open"])
def test_what_is_no_command_changes_nothing(kitchen: Game, command: str) -> None:
    play = kitchen.start()
    key, menu = play.key, play.admissible_commands
    assert play.step(command) == "Nothing happens."
    assert (play.key, play.admissible_commands) == (key, menu)


def test_white_space_around_a_command_does_not_count(kitchen: Game) -> None:
    assert kitchen.start().step("\tgo to desk 1 \n").startswith("You arrive at desk 1.")


def test_the_list_of_commands_is_the_callers_own(kitchen: Game) -> None:
    play = kitchen.start()
    play.admissible_commands.clear()
    assert "look" in play.admissible_commands


_choices = st.lists(st.integers(min_value=0, max_value=10_000), max_size=60)


def walked(play: Play, choices: list[int]) -> Play:
    for choice in choices:
        menu = play.admissible_commands
        play.step(menu[choice % len(menu)])
    return play


@given(_choices)
def test_admissible_commands_are_sorted_distinct_and_work(kitchen: Game, choices: list[int]) -> None:
    play = walked(kitchen.start(), choices)
    menu = play.admissible_commands
    assert menu == sorted(set(menu))
    assert all(play.fork().step(command) != "Nothing happens." for command in menu)


@given(_choices)
def test_every_other_command_of_the_kitchen_is_refused(kitchen: Game, choices: list[int]) -> None:
    play = walked(kitchen.start(), choices)
    key = play.key
    everything = set()
    for other in range(40):
        everything |= set(walked(kitchen.start(), [other, *choices[:other]]).admissible_commands)
    for command in everything - set(play.admissible_commands):
        assert play.step(command) == "Nothing happens."
    assert play.key == key


@given(_choices, _choices)
def test_a_fork_goes_its_own_way_and_the_key_is_the_whole_state(
    kitchen: Game, choices: list[int], others: list[int]
) -> None:
    play = walked(kitchen.start(), choices)
    key, facts, menu = play.key, play.facts(), play.admissible_commands
    fork = walked(play.fork(), others)
    assert (play.key, play.facts(), play.admissible_commands) == (key, facts, menu)
    again = walked(walked(kitchen.start(), choices), others)
    assert again.key == fork.key
    assert (again.facts(), again.admissible_commands, again.won) == (fork.facts(), fork.admissible_commands, fork.won)


def test_threads_share_a_game_from_its_first_moment(make_kitchen: MakeKitchen) -> None:
    game, others, together = make_kitchen(), make_kitchen(), Barrier(8)

    def walk(game: Game, seed: int) -> tuple[str, list[str]]:
        play = walked(game.start(), [seed * step for step in range(200)])
        return play.observation, play.admissible_commands

    def walk_at_once(seed: int) -> tuple[str, list[str]]:
        together.wait()
        return walk(game, seed)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(walk_at_once, range(64))) == [walk(others, seed) for seed in range(64)]
    finally:
        sys.setswitchinterval(interval)
    assert game.start().script is game.start().script


@pytest.mark.parametrize("words", ["take", "move", "clean"])
def test_a_command_of_many_lines_is_refused_without_reading_it_in_every_way(kitchen: Game, words: str) -> None:
    # In quadratic time this would take minutes.
    link = {"take": " from ", "move": " to ", "clean": " with "}[words]
    assert kitchen.start().step(words + link * 60_000 + "\nx") == "Nothing happens."


def test_a_game_and_a_play_survive_pickling(kitchen: Game) -> None:
    play = played(kitchen, "go to countertop 1", "take knife 1 from countertop 1")
    copy = pickle.loads(pickle.dumps(play))
    assert copy.game == kitchen
    assert (copy.key, copy.admissible_commands) == (play.key, play.admissible_commands)
    assert copy.step("slice apple 2 with knife 1") == play.step("slice apple 2 with knife 1")
