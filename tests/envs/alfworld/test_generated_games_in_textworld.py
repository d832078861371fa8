"""Generated games are played to a win in TextWorld, with the texts and the admissible commands of our engine."""

from __future__ import annotations

import importlib.util
from itertools import cycle
from pathlib import Path

import pytest

from envs.alfworld.expert import ALFWorldExpert
from envs.alfworld.game import Game
from envs.alfworld.generator import KINDS, generate_game
from envs.alfworld.layout import SIZES
from envs.alfworld.textworld import TextWorldPlay

if importlib.util.find_spec("textworld") is None:
    pytest.skip("TextWorld is not installed (the `alfworld` extra)", allow_module_level=True)


def play_in_both(game: Game, path: Path) -> None:
    """The expert plays in TextWorld; our engine follows and must say the same."""
    game.save(path)
    ours, theirs, expert = game.start(), TextWorldPlay(path), ALFWorldExpert()
    idle = cycle(("look", "inventory", "help", "dance"))
    answer = theirs.observation
    expert.reset(answer)
    for _ in range(50):
        for command in (next(idle), expert.act(answer, {"admissible_commands": theirs.admissible_commands})):
            assert ours.admissible_commands == theirs.admissible_commands
            answer = theirs.step(command)
            assert ours.step(command) == answer
            assert ours.won == theirs.won
        if ours.won:
            theirs.close()
            return
    raise AssertionError(f"the expert did not win: {game.task}")


@pytest.mark.parametrize(
    ("task_type", "size"), [("pick_heat_then_place_in_recep", "full"), ("look_at_obj_in_light", "tiny")]
)
def test_a_generated_game_is_won_in_textworld(task_type: str, size: str, tmp_path: Path) -> None:
    play_in_both(generate_game(seed=1, task_type=task_type, size=size), tmp_path / "game.tw-pddl")


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "task_type"), enumerate(KINDS))
def test_generated_games_of_all_types_and_sizes_are_won_in_textworld(seed: int, task_type: str, tmp_path: Path) -> None:
    size = list(SIZES)[seed % len(SIZES)]
    play_in_both(generate_game(seed=30_000 + seed, task_type=task_type, size=size), tmp_path / "game.tw-pddl")
