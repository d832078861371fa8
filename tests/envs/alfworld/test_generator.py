"""The generator makes valid games, the same ones everywhere, like the official ones in size."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pytest

from envs.alfworld.game import Game, load_game
from envs.alfworld.generator import KINDS, generate_game
from envs.alfworld.layout import SIZES, TRAIN_LAYOUTS, UNSEEN_LAYOUTS, layouts
from envs.alfworld.places import PLACES
from envs.alfworld.rooms import ROOMS
from envs.alfworld.world import members
from envs.errors import TaskError

# Changes only when games change, and then everybody's task ids stop meaning what they meant: say so in the changelog.
GOLDEN = "957c9d7130751ba9b38745f3e0202dcb4100f1ffde6a48b63434bb840cd6cf2b"


PRINT = """
import hashlib, sys, tempfile
from pathlib import Path
from envs.alfworld.generator import generate_game
from envs.alfworld.layout import SIZES

digest = hashlib.sha256()
with tempfile.TemporaryDirectory() as folder:
    for size in SIZES:
        for seed in range(10):
            generate_game(seed=seed, size=size).save(Path(folder, "game.tw-pddl"))
            digest.update(Path(folder, "game.tw-pddl").read_bytes())
print(digest.hexdigest())
"""


def check(game: Game, task_type: str) -> None:
    """Everything that makes a game valid."""
    world, play = game.world, game.start()
    assert game.type == task_type
    assert not world.receptacles_at[world.start], "the agent starts at a receptacle"
    assert not play.won
    assert all(world.object_types)
    assert all(world.receptacle_types)
    placed = 0
    for contents in world.inside:
        placed |= contents
    assert not world.pickupable & ~placed, "a thing that could be taken is nowhere"
    assert game.walkthrough is not None
    for command in game.walkthrough:
        assert not play.won
        assert command in play.admissible_commands
        play.step(command)
    assert play.won


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_gives_the_same_files_in_every_process_for_ever(hash_seed: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", PRINT], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == GOLDEN


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("task_type", KINDS)
def test_generated_games_are_valid_and_their_walkthroughs_win(task_type: str, size: str) -> None:
    for seed in range(15):
        check(generate_game(seed=seed, task_type=task_type, size=size), task_type)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_a_thousand_generated_games_are_valid_and_their_walkthroughs_win(size: str) -> None:
    for seed in range(1000):
        task_type = list(KINDS)[seed % len(KINDS)]
        check(generate_game(seed=10_000 + seed, task_type=task_type, size=size), task_type)


@pytest.mark.parametrize("task_type", KINDS)
def test_a_task_is_set_in_any_room_asked_for(task_type: str) -> None:
    for room in KINDS[task_type].rooms:
        check(generate_game(seed=3, task_type=task_type, room=room, size="small"), task_type)


def test_both_sentences_of_a_task_type_occur() -> None:
    for task_type, kind in KINDS.items():
        templates = [
            re.escape(sentence).replace(r"\{o\}", "(.+)").replace(r"\{r\}", "(.+)") for sentence in kind.sentences
        ]
        patterns = [re.compile(f"Your task is to: {template}\\.") for template in templates]
        tasks = [generate_game(seed=seed, task_type=task_type, size="tiny").task for seed in range(20)]
        assert all(any(pattern.fullmatch(task) for task in tasks) for pattern in patterns)
        assert all(any(pattern.fullmatch(task) for pattern in patterns) for task in tasks)


def test_rooms_grow_with_the_size() -> None:
    receptacles = [mean(len(generate_game(seed=s, size=size).world.receptacles) for s in range(60)) for size in SIZES]
    texts = [mean(len(generate_game(seed=s, size=size).start().observation) for s in range(60)) for size in SIZES]
    assert receptacles == sorted(receptacles)
    assert texts == sorted(texts)
    assert receptacles[0] < 7


# Mean of the official games of each room: receptacles, objects, locations, share of closed receptacles.
OFFICIAL = {
    "kitchen": (33.4, 55.2, 38.0, 0.52),
    "living room": (14.7, 32.9, 26.8, 0.26),
    "bedroom": (14.5, 33.3, 23.1, 0.34),
    "bathroom": (14.4, 27.5, 20.2, 0.28),
}


@pytest.mark.parametrize("room", OFFICIAL)
def test_full_rooms_have_the_official_rooms_statistics(room: str) -> None:
    games = [generate_game(seed=s, task_type="pick_two_obj_and_place", room=room) for s in range(120)]
    worlds = [game.world for game in games]
    receptacles, objects, locations, closed = OFFICIAL[room]
    assert mean(len(world.receptacles) for world in worlds) == pytest.approx(receptacles, rel=0.15)
    assert mean(len(world.objects) for world in worlds) == pytest.approx(objects, rel=0.15)
    assert mean(len(world.locations) for world in worlds) == pytest.approx(locations, rel=0.15)
    share = mean(world.openable.bit_count() / len(world.receptacles) for world in worlds)
    assert share == pytest.approx(closed, abs=0.08)
    shared = mean(len(world.receptacles) - len(set(world.location_of)) for world in worlds)
    assert shared > 0


def test_full_kitchens_have_things_in_two_receptacles_as_official_ones_do() -> None:
    worlds = [generate_game(seed=s, room="kitchen", task_type="pick_heat_then_place_in_recep").world for s in range(60)]
    assert any(one & other for world in worlds for i, one in enumerate(world.inside) for other in world.inside[:i])


def test_things_lie_only_where_the_official_games_have_them() -> None:
    for seed in range(40):
        world = generate_game(seed=seed, size="medium").world
        for receptacle, contents in enumerate(world.inside):
            place = world.receptacle_types[receptacle].removesuffix("type")
            for thing in members(contents):
                kind = world.object_types[thing].removesuffix("type")
                row = next(row for name, row in PLACES.items() if name.lower() == kind)
                assert place in {name.lower() for name in row}


def test_a_saved_game_is_loaded_as_it_was(tmp_path: Path) -> None:
    game = generate_game(seed=5)
    game.save(tmp_path / "game.tw-pddl")
    loaded = load_game(tmp_path / "game.tw-pddl")
    assert loaded.world == game.world
    assert loaded.walkthrough == game.walkthrough
    assert loaded.start().observation == game.start().observation


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("size", SIZES)
def test_no_two_layouts_have_the_same_furniture(size: str, room: str) -> None:
    furniture = [tuple(sorted(layout.kinds.items())) for layout in layouts(size, room)]
    assert len(set(furniture)) == len(furniture) == TRAIN_LAYOUTS + UNSEEN_LAYOUTS
    assert [layout.number for layout in layouts(size, room)] == list(range(len(furniture)))


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: generate_game(seed=1, task_type="pick_nothing"), "pick_nothing"),
        (lambda: generate_game(seed=1, size="huge"), "huge"),
        (lambda: generate_game(seed=1, task_type="look_at_obj_in_light", room="kitchen"), "kitchen"),
        (lambda: generate_game(seed=1, room="cellar"), "cellar"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(call: Callable[[], Game], names: str) -> None:
    with pytest.raises(TaskError, match=names):
        call()
