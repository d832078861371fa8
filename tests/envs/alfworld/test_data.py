"""Finding, filtering and caching the official games, on a folder of our own games in the official layout."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from envs.alfworld import data as data_module
from envs.alfworld.data import SPLITS, TASK_TYPES, load_split, split_folder
from envs.alfworld.game import Game
from envs.errors import DataError, TaskError

NAMES = {
    "pick_and_place_simple": "pick_and_place_simple-Apple-None-Desk-1/trial_1",
    "look_at_obj_in_light": "look_at_obj_in_light-Apple-None-DeskLamp-1/trial_2",
    "pick_two_obj_and_place": "pick_two_obj_and_place-Apple-None-Desk-1/trial_3",
}


def write(folder: Path, game: Game, type_: str | None) -> Path:
    folder.mkdir(parents=True)
    game.save(folder / "game.tw-pddl")
    if type_ is not None:
        (folder / "traj_data.json").write_text(json.dumps({"task_type": type_}))
    return folder / "game.tw-pddl"


@pytest.fixture
def root(tmp_path: Path, make_kitchen: Callable[..., Game]) -> Path:
    """Three good games in valid_seen."""
    for type_, name in NAMES.items():
        write(tmp_path / "data" / "json_2.1.1" / "valid_seen" / name, make_kitchen(type_), type_)
    return tmp_path / "data"


@pytest.fixture
def load(root: Path, tmp_path: Path) -> Callable[..., data_module.GameSet]:
    """Loads valid_seen of that folder, with a cache of its own."""

    def load_with(**kwargs: object) -> data_module.GameSet:
        return load_split("valid_seen", **{"data": root, "cache": tmp_path / "cache", **kwargs})  # type: ignore[arg-type]

    return load_with


def content(games: data_module.GameSet) -> tuple[object, ...]:
    return list(games.tasks), games.games, games.foreign, games.skipped


def refuse_to_parse(path: Path) -> Game:
    raise AssertionError(f"{path} was parsed, not read from the cache")


def test_every_game_is_there_once_in_a_stable_order(load: Callable[..., data_module.GameSet]) -> None:
    games = load()
    assert [task.id for task in games.tasks] == sorted(f"valid_seen/{name}" for name in NAMES.values())
    assert {task.type for task in games.tasks} == set(NAMES)
    assert {task.dialect for task in games.tasks} == {"generated"}
    assert all(games.games[task.id].path == task.path for task in games.tasks)
    assert games.skipped == ()
    assert games.report() == "3 games"


def test_the_folder_may_hold_the_splits_themselves(root: Path, load: Callable[..., data_module.GameSet]) -> None:
    assert load(data=root / "json_2.1.1").tasks[0].id == load().tasks[0].id


def test_the_environment_variable_is_the_default(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(root))
    assert split_folder("valid_seen") == root / "json_2.1.1" / "valid_seen"


def test_task_types_are_filtered_and_the_rest_is_reported(load: Callable[..., data_module.GameSet]) -> None:
    games = load(task_types=["pick_two_obj_and_place"])
    assert [task.type for task in games.tasks] == ["pick_two_obj_and_place"]
    assert {skipped.reason for skipped in games.skipped} == {
        "task type pick_and_place_simple",
        "task type look_at_obj_in_light",
    }


def test_alfworlds_filters_leave_out_movable_and_sliced(
    root: Path, load: Callable[..., data_module.GameSet], kitchen: Game, caplog: pytest.LogCaptureFixture
) -> None:
    split = root / "json_2.1.1" / "valid_seen"
    write(split / "pick_and_place_with_movable_recep-Apple-Bowl-Desk-1/trial_4", kitchen, "x")
    write(split / "pick_and_place_simple-AppleSliced-None-Desk-1/trial_5", kitchen, "pick_and_place_simple")
    with caplog.at_level(logging.WARNING):
        games = load()
    assert games.report() == "3 games; 2 left out: movable receptacles or sliced objects"
    assert not caplog.records


def test_what_is_wrong_is_reported_in_one_warning(
    root: Path, load: Callable[..., data_module.GameSet], kitchen: Game, caplog: pytest.LogCaptureFixture
) -> None:
    split = root / "json_2.1.1" / "valid_seen"
    broken = write(split / "pick_and_place_simple-A-None-Desk-1/trial_4", kitchen, "pick_and_place_simple")
    broken.write_bytes(broken.read_bytes()[:100])
    unsolvable = write(split / "pick_and_place_simple-A-None-Desk-1/trial_5", kitchen, "pick_and_place_simple")
    unsolvable.write_text(unsolvable.read_text().replace('"solvable": true', '"solvable": false'))
    foreign = write(split / "pick_and_place_simple-A-None-Desk-1/trial_6", kitchen, None)
    foreign.write_text(foreign.read_text().replace("You open", "You unlock"))
    write(split / "pick_and_place_simple-A-None-Desk-1/trial_7", kitchen, "x").unlink()
    for _ in ("parsed", "cached"):
        caplog.clear()
        games = load()
        assert len(games.tasks) == 4
        assert list(games.foreign) == ["valid_seen/pick_and_place_simple-A-None-Desk-1/trial_6"]
        assert games.tasks.by_id(next(iter(games.foreign))).dialect is None
        assert {(skipped.path.parent.name, skipped.reason) for skipped in games.skipped if skipped.detail} == {
            ("trial_4", "the file is not JSON, it may be truncated"),
            ("trial_5", "the game is marked as unsolvable"),
        }
        assert "1 left out: no game.tw-pddl" in games.report()
        [record] = caplog.records
        assert games.report() in record.message
        assert str(broken) in record.message


def test_the_second_load_parses_nothing(
    load: Callable[..., data_module.GameSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load()
    monkeypatch.setattr(data_module, "load_game", refuse_to_parse)
    assert content(load()) == content(first)


def test_a_changed_game_is_parsed_again(
    root: Path, load: Callable[..., data_module.GameSet], make_kitchen: Callable[..., Game]
) -> None:
    path = load().tasks.by_id(f"valid_seen/{NAMES['pick_and_place_simple']}").path
    make_kitchen("pick_heat_then_place_in_recep").save(path)
    assert load().tasks.by_id(f"valid_seen/{NAMES['pick_and_place_simple']}").type == "pick_heat_then_place_in_recep"


def test_a_game_that_is_exchanged_with_its_size_and_time_kept_is_parsed_again(
    load: Callable[..., data_module.GameSet],
) -> None:
    path = load().tasks[0].path
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"solvable": true', b'"solvable": 1234'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert len(load().tasks) == 2


def test_a_relative_folder_gives_paths_that_hold_elsewhere(
    root: Path, load: Callable[..., data_module.GameSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    assert load(data=root.name).tasks[0].path == load().tasks[0].path


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: b"", lambda data: data[:200] + data[201:]])
def test_a_corrupt_cache_is_built_again(
    load: Callable[..., data_module.GameSet], tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    first = load()
    [cache] = (tmp_path / "cache").iterdir()
    good = cache.read_bytes()
    cache.write_bytes(spoil(good))
    assert content(load()) == content(first)
    assert cache.read_bytes()[:64] == good[:64]


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_a_cache_in_a_folder_that_others_can_write_to_is_not_read(
    load: Callable[..., data_module.GameSet], tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    first = load()
    [cache] = (tmp_path / "cache").iterdir()
    stamp = cache.read_bytes()[:32]
    attack = pickle.dumps(Attack(tmp_path / "ran"))
    cache.write_bytes(stamp + hashlib.sha256(attack).digest() + attack)
    (tmp_path / "cache").chmod(mode)
    assert content(load()) == content(first)
    assert not (tmp_path / "ran").exists()
    assert "others can write" in caplog.text


class Attack:
    """Writes a file where its pickle is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_cache_of_ones_own_is_private(load: Callable[..., data_module.GameSet], tmp_path: Path) -> None:
    load()
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_a_cache_that_cannot_be_written_costs_only_a_warning(
    load: Callable[..., data_module.GameSet], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    assert len(load(cache=tmp_path / "file").tasks) == 3
    assert "cannot be cached" in caplog.text


def test_an_unknown_split_and_type_name_the_known_ones(load: Callable[..., data_module.GameSet]) -> None:
    with pytest.raises(TaskError, match=r"valid_unseen"):
        load_split("test")
    with pytest.raises(TaskError, match=TASK_TYPES[0]):
        load(task_types=["pick"])


@pytest.mark.parametrize("split", SPLITS)
def test_no_data_says_how_to_get_it(split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    with pytest.raises(DataError, match="alfworld-download"):
        load_split(split)
    with pytest.raises(DataError, match="alfworld-download") as missing:
        load_split(split, data=tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(missing.value)
    with pytest.raises(DataError, match=r"neither .*alfworld-download"):
        load_split(split, data=tmp_path)


def test_an_empty_split_says_how_to_fill_it(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match=r"no game to play.*alfworld-download"):
        load_split("train", data=tmp_path, cache=tmp_path / "cache")


def test_a_split_without_a_game_of_the_type_does_not_ask_for_a_download(
    load: Callable[..., data_module.GameSet],
) -> None:
    with pytest.raises(DataError, match="Ask for other task types") as caught:
        load(task_types=["pick_cool_then_place_in_recep"])
    assert "download" not in str(caught.value)


def test_a_split_of_broken_games_says_why(root: Path, load: Callable[..., data_module.GameSet]) -> None:
    for path in root.rglob("game.tw-pddl"):
        path.write_text("{")
    with pytest.raises(DataError, match=r"3 left out: the file is not JSON"):
        load()
