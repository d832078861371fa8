"""A result file: a score, all that changes it, and every episode it was made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.installation import command, update
from eval.episode import Episode
from eval.errors import ResultError
from eval.metrics import Summary
from rollout.disk import read_remedy
from rollout.files import atomic_file

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Result:
    """What an evaluation leaves behind.

    Attributes:
        protocol: the name of the evaluation protocol, such as `alfworld-seen`.
        fingerprint: everything that changes a score but the model: split, dialect, step cap, prompt, action matching,
            template, sampling, seeds. Flat or nested; what JSON holds.
        model: which model was scored: name, checkpoint, policy version.
        summary: the statistics.
        episodes: one row an episode, failed and cancelled ones included.
        departures: where the score was not made as the protocol's name says, each with what it says in parentheses.
    """

    protocol: str
    fingerprint: dict[str, Any]
    model: dict[str, Any]
    summary: Summary
    episodes: tuple[Episode, ...]
    departures: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "schema": SCHEMA,
            "protocol": self.protocol,
            "departures": list(self.departures),
            "fingerprint": self.fingerprint,
            "model": self.model,
            "summary": self.summary.to_dict(),
            "episodes": [episode.to_dict() for episode in self.episodes],
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Result:
        """The inverse of `to_dict`; the schema is the caller's business."""
        values = {key: value for key, value in plain.items() if key != "schema"}
        values["summary"] = Summary.from_dict(values["summary"])
        values["episodes"] = tuple(Episode.from_dict(row) for row in values["episodes"])
        values["departures"] = tuple(values.get("departures", ()))
        return cls(**values)

    def write(self, path: Path) -> None:
        """Write the file atomically: whole and on the disk, or the earlier one.

        Raises:
            StoreError: if the folder cannot be written to.
            ValueError: if the fingerprint or the model holds something that is not JSON.
        """
        text = json.dumps(self.to_dict(), allow_nan=False, separators=(",", ":"))
        with atomic_file(path) as file:
            file.write(text.encode("ascii") + b"\n")


def read_result(path: Path) -> Result:
    """Read a result file.

    Raises:
        ResultError: if it is missing, not a result, damaged, or of a newer schema.
    """
    again = f"Score again with `{command('eval')}`; with --resume it takes the stored episodes."
    try:
        plain = json.loads(path.read_bytes())
    except OSError as error:
        remedy = again if path.parent.is_dir() and not path.exists() else read_remedy(error, path)
        raise ResultError(f"cannot be read: {error.strerror}", where=path, remedy=remedy) from error
    except ValueError as error:
        raise ResultError(f"is damaged: {error}", where=path, remedy=again) from error
    if not isinstance(plain, dict) or not isinstance(plain.get("schema"), int):
        raise ResultError("is not a result file: it has no schema", where=path, remedy=again)
    if plain["schema"] > SCHEMA:
        raise ResultError(
            f"has schema {plain['schema']}, and this version reads up to {SCHEMA}",
            where=path,
            remedy=update(),
        )
    try:
        return Result.from_dict(plain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResultError(f"is damaged: {type(error).__name__}: {error}", where=path, remedy=again) from error


def find_result(path: Path, protocol: str | None = None) -> Result:
    """The result in a file, or in the `eval` folder of a run.

    Args:
        path: a result file, or a run's folder.
        protocol: which one, where a run has several.

    Raises:
        ResultError: if there is none, or there are several and `protocol` does not say which.
    """
    if not path.is_dir():
        return read_result(path)
    files = sorted((path / "eval").glob("*.json"))
    results = [(file, read_result(file)) for file in files]
    wanted = [(file, result) for file, result in results if protocol in (None, result.protocol)]
    if len(wanted) == 1:
        return wanted[0][1]
    if not wanted:
        kind = f" of protocol {protocol!r}" if protocol else ""
        remedy = f"Score it: {command('eval', '--model', path, '--split', 'SPLIT', '-o', 'FOLDER')}"
        raise ResultError(f"no result{kind} in its eval folder", where=path, remedy=remedy)
    names = ", ".join(f"{file.name} ({result.protocol})" for file, result in wanted)
    raise ResultError(f"has several results: {names}", where=path, remedy="Give the path of one of these files.")
