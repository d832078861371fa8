"""Our engine against TextWorld itself: the same random walks must read the same to the letter."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from envs.alfworld.data import TASK_TYPES
from envs.alfworld.dialects import ForeignGameError
from envs.alfworld.game import Game, load_game
from envs.alfworld.generator import generate_game
from envs.alfworld.textworld import TextWorldPlay
from envs.errors import DataError
from tests.envs.alfworld.walks import differences

if importlib.util.find_spec("textworld") is None:
    pytest.skip("TextWorld is not installed (the `alfworld` extra)", allow_module_level=True)


@pytest.fixture(scope="session")
def wheel() -> tuple[str, str]:
    """Domain and grammar of alfworld's own package."""
    spec = importlib.util.find_spec("alfworld")
    if spec is None or spec.origin is None:
        pytest.skip("alfworld is not installed (the `alfworld` extra)")
    data = Path(spec.origin).parent / "data"
    return (data / "alfred.pddl").read_text(), (data / "alfred.twl2").read_text()


# Facts that no official game starts with, but that the rules allow.
_ODD_STARTS = {
    "plain": "",
    "something in the hand": "(holds agent1 Knife_bar_1) (holdsAny agent1)",
    "an open fridge": "(opened Fridge_bar_1)",
    "cool, hot, clean, sliced": "(isCool Apple_bar_2) (isHot Apple_bar_1) (isClean Apple_bar_1) (isSliced Apple_bar_2)",
    "an apple at two places": "(objectAtLocation Apple_bar_1 loc_bar_6) (inReceptacle Apple_bar_1 Desk_bar_1)",
    "a lamp that can be carried": "(pickupable DeskLamp_bar_1) (canContain DeskType DeskLampType)",
    "an apple that lights up": "(toggleable Apple_bar_1) (isToggled Apple_bar_1)",
}


@pytest.mark.parametrize("extra", _ODD_STARTS.values(), ids=_ODD_STARTS)
def test_walks_through_the_kitchen_agree_in_the_wheels_dialect(
    kitchen_text: Callable[..., str], wheel: tuple[str, str], tmp_path: Path, extra: str
) -> None:
    domain, grammar = wheel
    rng = random.Random(extra)
    start = rng.choice(["loc_bar_1", "loc_bar_2", "loc_bar_6"])
    problem = kitchen_text(extra=extra + " (inReceptacleObject Knife_bar_1 Bowl_bar_1)", start=start)
    game = Game.from_texts(domain=domain, grammar=grammar, problem=problem.replace("household", "alfred"))
    game.save(tmp_path / "game.tw-pddl")
    assert game.dialect == "wheel"
    assert differences(game, tmp_path / "game.tw-pddl", 40, rng) == []


@pytest.mark.parametrize("type_", ["look_at_obj_in_light", "pick_two_obj_and_place", "pick_cool_then_place_in_recep"])
def test_walks_through_the_kitchen_agree_in_our_dialect(
    make_kitchen: Callable[..., Game], tmp_path: Path, type_: str
) -> None:
    game = make_kitchen(type_)
    game.save(tmp_path / "game.tw-pddl")
    assert differences(game, tmp_path / "game.tw-pddl", 40, random.Random(type_)) == []


@pytest.mark.parametrize("name_seed", [0, 7])
def test_a_seed_gives_the_names_that_alfworlds_domain_randomisation_gives(
    kitchen: Game, tmp_path: Path, name_seed: int
) -> None:
    kitchen.save(tmp_path / "game.tw-pddl")
    assert differences(kitchen, tmp_path / "game.tw-pddl", 20, random.Random(name_seed), name_seed) == []


@pytest.mark.slow
@pytest.mark.parametrize("archive", ["json_2.1.1_old_dialect.tar.xz", "json_2.1.1.tar.xz"])
def test_walks_through_official_games_agree(shared: Path, wheel: tuple[str, str], tmp_path: Path, archive: str) -> None:
    rng = random.Random(archive)
    path = tmp_path / "game.tw-pddl"
    with tarfile.open(shared / "alfworld" / archive) as files:
        members = [member for member in files.getmembers() if member.name.endswith("game.tw-pddl")]
        contents = [files.extractfile(member) for member in rng.sample(members, 1)]
        games = [json.load(content) for content in contents if content is not None]
    # The last one again with the texts of the wheel, as `alfworld-generate` would write it.
    task = load_text(games[-1], path).task.removeprefix("Your task is to: ").removesuffix(".")
    games.append({**games[-1], "pddl_domain": wheel[0], "grammar": wheel[1].replace("UNKNOWN GOAL", task)})
    for data in games:
        game = load_text(data, path)
        assert differences(game, path, 25, rng, rng.choice([None, None, 3])) == []


@pytest.mark.slow
@pytest.mark.parametrize("size", ["tiny", "full"])
def test_walks_through_generated_games_agree(tmp_path: Path, size: str) -> None:
    rng = random.Random(size)
    for type_ in rng.sample(TASK_TYPES, 2):
        game = generate_game(seed=rng.randrange(10**6), task_type=type_, size=size)
        game.save(tmp_path / "game.tw-pddl")
        assert differences(game, tmp_path / "game.tw-pddl", 40, rng) == []


def load_text(data: dict[str, object], path: Path) -> Game:
    path.write_text(json.dumps(data))
    return load_game(path)


def test_textworld_plays_what_is_foreign_to_us(kitchen: Game, tmp_path: Path) -> None:
    path = tmp_path / "game.tw-pddl"
    kitchen.save(path)
    path.write_text(path.read_text().replace("You open", "You unlock"))
    with pytest.raises(ForeignGameError):
        load_game(path)
    play = TextWorldPlay(path)
    play.step("go to fridge 1")
    assert play.step("open fridge 1") == "You unlock the fridge 1. The fridge 1 is open. In it, you see a apple 1."
    assert not play.won


def test_textworld_leaves_the_global_generator_and_the_command_line_alone(kitchen: Game, tmp_path: Path) -> None:
    kitchen.save(tmp_path / "game.tw-pddl")
    before = random.getstate(), list(sys.argv)
    TextWorldPlay(tmp_path / "game.tw-pddl", name_seed=3)
    assert (random.getstate(), sys.argv) == before


def test_a_file_that_textworld_cannot_load_is_named(tmp_path: Path) -> None:
    path = tmp_path / "game.tw-pddl"
    path.write_text("{}")
    with pytest.raises(DataError, match="TextWorld cannot play it") as caught:
        TextWorldPlay(path)
    assert str(path) in str(caught.value)
