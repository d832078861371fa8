"""The expert wins by what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import mean

import pytest

from envs.alfworld.domain import DOMAIN, grammar
from envs.alfworld.expert import ALFWorldExpert, Assignment, read_assignment
from envs.alfworld.game import Game
from envs.alfworld.generator import KINDS, generate_game
from envs.alfworld.layout import SIZES
from envs.errors import ContractError, TaskError

STEPS = 50


def play(game: Game, *, told: bool = True, name_seed: int | None = None) -> list[str] | None:
    """The commands with which the expert wins, from texts alone; None if it does not within 50 steps."""
    episode, expert = game.start(name_seed=name_seed), ALFWorldExpert()
    expert.reset(episode.observation)
    commands: list[str] = []
    while not episode.won:
        if len(commands) == STEPS:
            return None
        commands.append(
            expert.act(episode.observation, {"admissible_commands": episode.admissible_commands} if told else {})
        )
        episode.step(commands[-1])
    return commands


def share_won(games: Iterable[Game], *, told: bool = True) -> float:
    return mean(play(game, told=told) is not None for game in games)


@pytest.mark.parametrize(
    ("sentence", "assignment"),
    [
        ("put a mug in desk", Assignment("mug", "desk")),
        ("put some mug on desk", Assignment("mug", "desk")),
        ("put a clean mug in desk", Assignment("mug", "desk", verb="clean", appliance="sinkbasin")),
        ("clean some mug and put it in desk", Assignment("mug", "desk", verb="clean", appliance="sinkbasin")),
        ("put a hot egg in fridge", Assignment("egg", "fridge", verb="heat", appliance="microwave")),
        ("heat some egg and put it in fridge", Assignment("egg", "fridge", verb="heat", appliance="microwave")),
        ("put a cool egg in microwave", Assignment("egg", "microwave", verb="cool", appliance="fridge")),
        ("cool some egg and put it in microwave", Assignment("egg", "microwave", verb="cool", appliance="fridge")),
        ("put two mug in desk", Assignment("mug", "desk", count=2)),
        ("find two mug and put them in desk", Assignment("mug", "desk", count=2)),
        ("look at mug under the desklamp", Assignment("mug", lamp="desklamp")),
        ("examine the mug with the desklamp", Assignment("mug", lamp="desklamp")),
    ],
)
def test_every_templated_sentence_is_understood(sentence: str, assignment: Assignment) -> None:
    assert read_assignment(f"You see a desk 1.\n\nYour task is to: {sentence}.") == assignment


def test_a_task_in_other_words_is_an_error_that_quotes_it() -> None:
    with pytest.raises(TaskError, match="tidy up"):
        ALFWorldExpert().reset("You see a desk 1.\n\nYour task is to: tidy up a little.")


def test_acting_before_a_reset_is_an_error() -> None:
    with pytest.raises(ContractError):
        ALFWorldExpert().act("")


@pytest.mark.parametrize("size", SIZES)
def test_the_expert_wins_generated_games(size: str) -> None:
    games = [generate_game(seed=s, size=size, task_type=list(KINDS)[s % 6]) for s in range(60)]
    assert share_won(games) >= 0.95
    assert share_won(games, told=False) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_the_expert_wins_nearly_all_of_a_thousand_generated_games(size: str) -> None:
    assert (
        share_won(generate_game(seed=20_000 + s, size=size, task_type=list(KINDS)[s % 6]) for s in range(1000)) >= 0.95
    )


def test_the_expert_wins_under_shuffled_names() -> None:
    for seed in range(30):
        assert play(generate_game(seed=seed, size="medium"), name_seed=seed) is not None


def test_the_same_texts_get_the_same_commands() -> None:
    game = generate_game(seed=11)
    assert play(game) == play(game)


def test_an_expert_that_is_told_what_is_admissible_wastes_no_step() -> None:
    for seed in range(30):
        game = generate_game(seed=seed)
        episode, expert = game.start(), ALFWorldExpert()
        expert.reset(episode.observation)
        while not episode.won:
            command = expert.act(episode.observation, {"admissible_commands": episode.admissible_commands})
            assert command in episode.admissible_commands
            episode.step(command)


def test_an_expert_that_is_told_nothing_notices_that_it_is_there_already() -> None:
    expert = ALFWorldExpert()
    expert.reset("you see a desk 1, and a drawer 1.\n\nYour task is to: put a mug in drawer.")
    assert expert.act("") == "go to desk 1"
    assert expert.act("You arrive at desk 1. On the desk 1, you see a mug 1, and a pen 2.") == "take mug 1 from desk 1"
    assert expert.act("You pick up the mug 1 from the desk 1.") == "go to drawer 1"
    assert expert.act("Nothing happens.") == "open drawer 1"
    assert expert.act("Nothing happens.") == "move mug 1 to drawer 1"
    assert expert.act("Nothing happens.") == "put mug 1 in/on drawer 1"


@pytest.mark.parametrize("told", [True, False])
def test_a_closed_target_beside_the_object_is_opened(told: bool, kitchen_text: Callable[..., str]) -> None:
    goal = (
        "(exists (?r - receptacle ?o - object)"
        " (and (receptacleType ?r CabinetType) (objectType ?o AppleType) (inReceptacle ?o ?r)))"
    )
    game = Game.from_texts(domain=DOMAIN, grammar=grammar("put a apple in cabinet"), problem=kitchen_text(goal))
    commands = play(game, told=told)
    assert commands is not None
    assert commands[-2:] == ["open cabinet 1", "move apple 2 to cabinet 1"]


def test_the_expert_learns_the_dialects_word_for_putting_down() -> None:
    expert = ALFWorldExpert()
    expert.reset("you see a desk 1, and a shelf 1.\n\nYour task is to: put two mug in shelf.")
    for answer, command in (
        ("", "go to desk 1"),
        ("You arrive at loc 3. On the desk 1, you see a mug 2, and a mug 1.", "take mug 2 from desk 1"),
        ("You pick up the mug 2 from the desk 1.", "go to shelf 1"),
        ("You arrive at loc 5. On the shelf 1, you see nothing.", "move mug 2 to shelf 1"),
        ("Nothing happens.", "put mug 2 in/on shelf 1"),
        ("You put the mug 2 in/on the shelf 1.", "go to desk 1"),
        ("You arrive at loc 3. On the desk 1, you see a mug 1.", "take mug 1 from desk 1"),
        ("You pick up the mug 1 from the desk 1.", "go to shelf 1"),
        ("You arrive at loc 5. On the shelf 1, you see a mug 2.", "put mug 1 in/on shelf 1"),
    ):
        assert expert.act(answer) == command


def test_closed_places_are_opened_and_looked_into() -> None:
    expert = ALFWorldExpert()
    expert.reset("you see a fridge 1.\n\nYour task is to: put a cool egg in microwave.")
    assert expert.act("") == "go to fridge 1"
    assert expert.act("You arrive at fridge 1. The fridge 1 is closed.") == "open fridge 1"
    answer = "You open the fridge 1. The fridge 1 is open. In it, you see a egg 1."
    assert expert.act(answer) == "take egg 1 from fridge 1"


def test_the_expert_does_not_give_up_when_nothing_is_found() -> None:
    expert = ALFWorldExpert()
    expert.reset("you see a desk 1, and a shelf 1.\n\nYour task is to: put a mug in shelf.")
    commands = [expert.act("")]
    for _ in range(10):
        place = commands[-1].removeprefix("go to ")
        commands.append(expert.act(f"You arrive at {place}. On the {place}, you see nothing."))
    assert {"go to desk 1", "go to shelf 1"} <= set(commands)
