"""What can go wrong with a score: its file, or what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envs.errors import EnvError


class ResultError(EnvError, ValueError):
    """A result file that is missing, corrupt, of a newer schema, or ambiguous."""


class FingerprintError(EnvError, ValueError):
    """Two results that were not scored under the same conditions.

    Attributes:
        differences: the dotted keys that differ, with the value of each side.
    """

    def __init__(self, differences: Mapping[str, tuple[Any, Any]]) -> None:
        self.differences = dict(differences)
        shown = "; ".join(f"{key}: {a!r} against {b!r}" for key, (a, b) in self.differences.items())
        super().__init__(
            f"the two were not scored under the same conditions ({shown})",
            remedy="Score one of them again under the other's protocol, or compare all the same with --force.",
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.differences,))
