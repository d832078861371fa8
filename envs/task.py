"""Tasks: what an episode is about, as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Generic, TypeVar, overload

from envs.errors import TaskError


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a benchmark. Frozen and picklable; an environment derives from it to add what it needs.

    Attributes:
        id: unique in its environment and stable from run to run: scores are paired by it.
        type: the benchmark's own name of the kind of task, by which scores are broken down.
        split: the split it belongs to, by which training refuses evaluation tasks.
    """

    id: str
    type: str
    split: str

    def content(self) -> str:
        """What the task is made of, as text, for a fingerprint: another text is another task under the same id."""
        return self.id


T = TypeVar("T", bound=Task, covariant=True)


class TaskSet(Sequence[T], Generic[T]):
    """Tasks in their benchmark's order, found by position or by id.

    Raises:
        TaskError: if two tasks share an id, or an id is asked for that is not there (it names the nearest).
    """

    def __init__(self, tasks: Iterable[T]) -> None:
        self._tasks = tuple(tasks)
        self._by_id = {task.id: task for task in self._tasks}
        if len(self._by_id) < len(self._tasks):
            twice = Counter(task.id for task in self._tasks).most_common(1)[0][0]
            raise TaskError(f"two tasks have the id {twice!r}", remedy="Give every task an id of its own.")

    def by_id(self, task_id: str) -> T:
        """The task with this id."""
        try:
            return self._by_id[task_id]
        except KeyError:
            near = get_close_matches(str(task_id), self._by_id, n=1, cutoff=0.3)
            hint = f"The nearest id is {near[0]!r}." if near else "List them with `env.tasks`."
            raise TaskError(f"no task has the id {task_id!r} (there are {len(self)})", remedy=hint) from None

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._tasks[index]

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[T]:
        return iter(self._tasks)

    def __repr__(self) -> str:
        return f"TaskSet({len(self)} tasks)"
