"""The embedded benchmark: balanced, stable and disjoint splits."""

from __future__ import annotations

from collections import Counter

import pytest

from envs.alfworld.data import TASK_TYPES
from envs.alfworld.embedded import DEFAULT_LENGTHS, GeneratedTask, generated_task, generated_tasks
from envs.alfworld.generator import KINDS
from envs.alfworld.layout import SIZES, TRAIN_LAYOUTS, layouts
from envs.alfworld.world import World
from envs.errors import TaskError


def household(task: GeneratedTask) -> World:
    """Everything that there is at the start, and the goal."""
    return task.game().world


@pytest.mark.parametrize("size", SIZES)
def test_an_id_is_all_that_it_takes_to_make_a_task_again(size: str) -> None:
    for split in DEFAULT_LENGTHS:
        for task in generated_tasks(split, 12, size=size):
            again = generated_task(task.id)
            assert again == task
            assert household(again) == household(task)
            assert task.game().type == task.type


def test_task_types_take_turns() -> None:
    counts = Counter(task.type for task in generated_tasks("valid_seen"))
    assert set(counts) == set(KINDS)
    assert len(set(counts.values())) == 1


def test_a_shorter_list_is_the_beginning_of_a_longer_one() -> None:
    assert list(generated_tasks("train", 20)) == list(generated_tasks("train", 50))[:20]


def test_only_the_asked_for_types_are_played() -> None:
    types = {task.type for task in generated_tasks("train", 10, types=["look_at_obj_in_light"])}
    assert types == {"look_at_obj_in_light"}


@pytest.mark.parametrize("size", SIZES)
def test_unseen_rooms_have_furniture_that_training_never_shows(size: str) -> None:
    shown = {
        tuple(sorted(layout.kinds.items()))
        for room in {task.room for task in generated_tasks("train", 200, size=size)}
        for layout in layouts(size, room)[:TRAIN_LAYOUTS]
    }
    for task in generated_tasks("train", 200, size=size):
        assert task.layout < TRAIN_LAYOUTS
    for task in generated_tasks("valid_unseen", size=size):
        assert task.layout >= TRAIN_LAYOUTS
        assert tuple(sorted(layouts(size, task.room)[task.layout].kinds.items())) not in shown


@pytest.mark.slow
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_no_household_of_valid_seen_is_in_train(size: str) -> None:
    held_back = {household(task) for task in generated_tasks("valid_seen", size=size)}
    assert not held_back & {household(task) for task in generated_tasks("train", size=size)}


def test_valid_seen_plays_in_layouts_of_train() -> None:
    assert all(task.layout < TRAIN_LAYOUTS for task in generated_tasks("valid_seen"))


@pytest.mark.parametrize(
    "task_id",
    [
        "small/train/pick_and_place_simple/kitchen-001/000000",  # not where the task of this number is set
        "small/test/pick_and_place_simple/kitchen-001/000000",
        "huge/train/pick_and_place_simple/kitchen-001/000000",
        "anything",
    ],
)
def test_an_id_that_no_task_has_is_refused(task_id: str) -> None:
    with pytest.raises(TaskError):
        generated_task(task_id)


def test_wrong_settings_are_refused_by_name() -> None:
    with pytest.raises(TaskError, match="'test'"):
        generated_tasks("test")
    with pytest.raises(TaskError, match="huge"):
        generated_tasks("train", size="huge")
    with pytest.raises(TaskError, match="pick_nothing"):
        generated_tasks("train", types=["pick_nothing"])
    with pytest.raises(TaskError, match="no task type"):
        generated_tasks("train", types=[])
    for length in (0, -1, "many"):
        with pytest.raises(TaskError, match=f"length of train is {length!r}"):
            generated_tasks("train", length)  # type: ignore[arg-type]


def test_the_generator_has_the_task_types_of_the_official_games() -> None:
    assert set(KINDS) == set(TASK_TYPES)
