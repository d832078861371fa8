"""The benchmark that needs no download: generated tasks in three disjoint splits.

As with the official games, `valid_seen` sets new tasks in the layouts of `train`, and `valid_unseen` has layouts that
`train` never shows. `train` can be as long as one likes and still holds no game of `valid_seen`: which of the two a
household belongs to is a function of the household itself, one in eight being held back.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from envs.alfworld.dice import Dice
from envs.alfworld.game import Game
from envs.alfworld.generator import KINDS, build, draft, draw_layout, draw_room
from envs.alfworld.layout import TRAIN_LAYOUTS, layouts, size_named
from envs.errors import TaskError
from envs.task import Task, TaskSet

DEFAULT_LENGTHS = {"train": 3000, "valid_seen": 204, "valid_unseen": 204}
_HELD_BACK = 8
_ID = re.compile(r"(?P<size>\w+)/(?P<split>\w+)/(?P<type>\w+)/(?P<room>[a-z-]+)-(?P<layout>\d{3})/(?P<number>\d{6,})")


@dataclass(frozen=True, slots=True)
class GeneratedTask(Task):
    """A task whose game is made when it is asked for; its id says all that this takes.

    Attributes:
        size: how large the room is, one of `layout.SIZES`.
        room: "kitchen", "living room", "bedroom" or "bathroom".
        layout: which layout of this room and size.
        number: its number in the split.
    """

    size: str
    room: str
    layout: int
    number: int

    def game(self) -> Game:
        """The game: a few milliseconds' work, the same bytes every time and everywhere."""
        layout = layouts(self.size, self.room)[self.layout]
        for attempt in count():
            sentence, problem = draft(self.type, layout, self.size, Dice(f"{self.id}/{attempt}"))
            if self.split == "valid_unseen" or _is_held_back(problem) == (self.split == "valid_seen"):
                return build(sentence, problem)
        raise AssertionError("an endless loop ended")


def generated_tasks(
    split: str, length: int | None = None, *, size: str = "small", types: Sequence[str] = tuple(KINDS)
) -> TaskSet[GeneratedTask]:
    """The first tasks of a split, the task types taking turns.

    Args:
        split: "train", "valid_seen" or "valid_unseen".
        length: how many; `DEFAULT_LENGTHS` says how many if not given. A shorter list is the beginning of a longer one.
        size: one of `layout.SIZES`.
        types: which of `generator.KINDS`.

    Raises:
        TaskError: if there is no such split, size or task type, or no task is asked for.
    """
    if split not in DEFAULT_LENGTHS:
        raise TaskError(f"there is no split {split!r}", remedy=f"Take one of {', '.join(DEFAULT_LENGTHS)}.")
    if not types:
        raise TaskError("no task type is asked for", remedy=f"Take some of {', '.join(KINDS)}.")
    size_named(size)
    length = DEFAULT_LENGTHS[split] if length is None else length
    if not isinstance(length, int) or length < 1:
        raise TaskError(f"the length of {split} is {length!r}", remedy="Ask for a whole number of tasks, at least one.")
    return TaskSet(_task(split, types[number % len(types)], size, number) for number in range(length))


def generated_task(task_id: str) -> GeneratedTask:
    """The task with this id, such as "small/train/pick_and_place_simple/bedroom-017/000123".

    Raises:
        TaskError: if it is no such id, or names a layout or a room in which the task cannot be set.
    """
    match = _ID.fullmatch(task_id)
    if match and match["split"] in DEFAULT_LENGTHS and match["type"] in KINDS:
        size_named(match["size"])
        task = _task(match["split"], match["type"], match["size"], int(match["number"]))
        if task.id == task_id:
            return task
    raise TaskError(f"{task_id!r} is not the id of a generated task", remedy="List them with `generated_tasks(split)`.")


def _task(split: str, type_: str, size: str, number: int) -> GeneratedTask:
    dice = Dice(f"task/{size}/{split}/{type_}/{number}")
    room = draw_room(type_, None, dice)
    known = split != "valid_unseen"
    among = layouts(size, room)[:TRAIN_LAYOUTS] if known else layouts(size, room)[TRAIN_LAYOUTS:]
    layout = draw_layout(type_, among, dice).number
    id_ = f"{size}/{split}/{type_}/{room.replace(' ', '-')}-{layout:03}/{number:06}"
    return GeneratedTask(id_, type_, split, size, room, layout, number)


def _is_held_back(problem: str) -> bool:
    """Whether a household is one of those that `train` leaves to `valid_seen`; the order of its facts is no matter."""
    return zlib.crc32("\n".join(sorted(problem.splitlines())).encode()) % _HELD_BACK == 0
