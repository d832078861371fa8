"""Environments are found by id, and a wrong id is told the right one."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

import envs
from envs import registry


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = dict(registry._specs)
    yield
    registry._specs.clear()
    registry._specs.update(before)


def test_a_short_name_means_the_newest_version() -> None:
    envs.register("Maze-v1", "somewhere:Maze")
    envs.register("Maze-v10", "somewhere:NewMaze")
    envs.register("Maze-v2", "somewhere:OtherMaze")
    assert envs.find("maze").id == "Maze-v10"
    assert envs.find("maze-V2").entry_point == "somewhere:OtherMaze"


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(envs.RegistryError, match="Did you mean 'alfworld'"):
        envs.make("alfwordl")
    with pytest.raises(envs.RegistryError, match="There are: ALFWorld-v1, DBBench-v1"):
        envs.make("zzz")


def test_an_unknown_version_names_those_that_exist() -> None:
    with pytest.raises(envs.RegistryError, match=r"no 'alfworld-v7'. There is ALFWorld-v1"):
        envs.make("alfworld-v7")


@pytest.mark.parametrize("id", ["maze", "maze-1", "-v1", "a b-v1", ""])
def test_an_id_has_a_name_and_a_version(id: str) -> None:
    with pytest.raises(envs.RegistryError, match="name and version"):
        envs.register(id, "somewhere:Maze")


def test_an_id_is_not_taken_twice() -> None:
    envs.register("Maze-v1", "somewhere:Maze")
    envs.register("Maze-v1", "somewhere:Maze")
    with pytest.raises(envs.RegistryError, match="taken by somewhere:Maze"):
        envs.register("maze-v1", "elsewhere:Maze")


@pytest.mark.parametrize("entry_point", ["no_such_module:Maze", "envs.errors:Maze"])
def test_an_entry_point_that_does_not_import_says_so(entry_point: str) -> None:
    envs.register("Maze-v1", entry_point)
    with pytest.raises(envs.RegistryError, match=r"Maze-v1: the entry point .* does not import"):
        envs.make("maze")


def test_an_argument_that_the_class_does_not_take_is_wrong_usage() -> None:
    with pytest.raises(envs.RegistryError, match=r"ALFWorld-v1: .*'spilt'.* It takes split, data") as caught:
        envs.make("alfworld", spilt="train")
    assert caught.value.wrong_usage


def test_an_error_says_what_where_and_what_next_also_after_pickling() -> None:
    error = pickle.loads(pickle.dumps(envs.DataError("it is cut off.", where="a/b.json", remedy="Fetch it again.")))
    assert isinstance(error, envs.DataError)
    assert str(error) == "a/b.json: it is cut off. Fetch it again."


def test_task_ids_are_unique_and_a_wrong_one_names_the_nearest() -> None:
    tasks = envs.TaskSet([envs.Task("pick-1", "pick", "train"), envs.Task("heat-1", "heat", "train")])
    assert tasks.by_id("heat-1").type == "heat"
    assert [task.id for task in tasks] == ["pick-1", "heat-1"]
    with pytest.raises(envs.TaskError, match="nearest id is 'pick-1'"):
        tasks.by_id("pick-l")
    with pytest.raises(envs.TaskError, match="no task has the id 0"):
        tasks.by_id(0)  # type: ignore[arg-type]
    with pytest.raises(envs.TaskError, match="two tasks have the id 'x'"):
        envs.TaskSet([envs.Task("x", "a", "train"), envs.Task("x", "b", "train")])
