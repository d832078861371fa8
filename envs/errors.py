"""What can go wrong in an environment: one class for each boundary that a caller treats differently.

```
EnvError
├── RegistryError   an unknown environment, or one whose entry point does not import   (wrong usage)
├── TaskError       an unknown split, task id or generator setting                     (wrong usage)
├── DataError       a benchmark's file is missing, truncated, corrupt or foreign       (mend the data)
├── BackendError    something outside this process is absent or failed: TextWorld,
│                   a database server                                                  (infrastructure)
├── InternalError   code of the environment failed in the middle of an episode         (a bug in the environment)
└── ContractError   the caller broke the environment's contract: step before reset,
                    step after the end, an action that is no string                    (a bug in the caller)
```

What a model does, however odd, is never an error: an inadmissible command or a refused query is an observation.
Only `BackendError` says anything about the machine rather than about the input, so only it is worth a second try.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class EnvError(Exception):
    """Base of every error that `envs` raises on purpose.

    Args:
        what: what happened, a sentence without the final stop.
        where: the file (or table, or id) in which it happened; printed first.
        remedy: what to type or to do next; printed last.

    Attributes:
        wrong_usage: whether the mend is to ask for something else, so that a command ends with exit code 2 and not 1.
    """

    wrong_usage: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str | Path | None = None, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where is not None else ""
        advice = f" {self.remedy}" if self.remedy else ""
        return f"{place}{self.what.removesuffix('.')}.{advice}"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors cross processes here.
        return (_rebuild, (type(self), self.what, self.where, self.remedy))


class RegistryError(EnvError, LookupError):
    """An environment id that is not registered, or whose entry point cannot be imported."""

    wrong_usage = True


class TaskError(EnvError, LookupError):
    """A split, task id, task type or generator setting that the environment does not have."""

    wrong_usage = True


class DataError(EnvError, ValueError):
    """A benchmark's file or folder that is missing, truncated, corrupt, unsolvable or of another kind."""


class BackendError(EnvError, RuntimeError):
    """A part outside this process is not installed, does not answer, or died."""


class InternalError(EnvError, RuntimeError):
    """Code of the environment failed: the episode says nothing about the model, and what it changed is undone."""


class ContractError(EnvError, RuntimeError):
    """The caller used the environment against its contract."""


def _rebuild(cls: type[EnvError], what: str, where: str | Path | None, remedy: str | None) -> EnvError:
    return cls(what, where=where, remedy=remedy)
