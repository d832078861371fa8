"""The journal of a training run: `metrics.jsonl`, on disk before the run goes on, and the trackers that follow it.

The file is the truth and trackers are copies. So a run that is resumed tells them its whole history once more: what a
tracker had buffered when the run was killed is not lost, and what was rewound is not there twice.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from eval.history import METRICS, Record, flat, read_metrics
from rollout.files import atomic_file
from rollout.store import PRIVATE, cannot_write
from trainers.trackers import Trackers

_NOT_TRACKED = ("kind", "iteration", "time")


class Journal:
    """Appends records to a run's folder; a context manager.

    Args:
        run: the run's folder.
        report_to: trackers: `wandb`, `tensorboard`, `trackio`; or `none`.

    Raises:
        TrackerError: if a tracker is unknown or not installed.
        StoreError: if the folder cannot be written to.
    """

    def __init__(self, run: str | Path, report_to: Sequence[str] = ()) -> None:
        self.run = Path(run)
        self.path = self.run / METRICS
        self._trackers = Trackers(report_to, self.run)
        self._told = False
        self._file = self._open()

    def append(self, record: Record) -> None:
        """Write a record, which has an `iteration`; when this returns it is on disk.

        Raises:
            StoreError: if the disk does not take it.
        """
        if not self._told:
            for earlier in read_metrics(self.run):
                self._tell(earlier)
            self._told = True
        line = json.dumps(_plain(record), allow_nan=False, separators=(",", ":"))
        try:
            self._file.write(line.encode("ascii") + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._tell(record)

    def rewind(self, iteration: int) -> None:
        """Drop the records after an iteration, from which the run goes on: it will write them again.

        Raises:
            StoreError: if the disk does not take it. Then all records stay.
        """
        kept = [record for record in read_metrics(self.run) if record["iteration"] <= iteration]
        self._file.close()
        try:
            with atomic_file(self.path) as file:
                file.writelines(json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n" for record in kept)
        finally:
            self._file = self._open()
        self._told = False

    def close(self) -> None:
        """Close the file, and let the trackers write what they hold. May be called twice."""
        self._file.close()
        self._trackers.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> IO[bytes]:
        """The file, at the beginning of a line: a kill may have torn the last one."""
        try:
            self.run.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
            file = self.path.open("ab+")
            if end := file.seek(0, os.SEEK_END):
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    file.write(b"\n")
        except OSError as error:
            raise cannot_write(self.path, error) from error
        return file

    def _tell(self, record: Record) -> None:
        values = {key: value for key, value in flat(record).items() if key not in _NOT_TRACKED}
        if record.get("kind") == "evaluation":
            # success/value, success/low ... would hide that the first is the curve and the others its interval.
            name = f"eval/{record.get('name', 'heldout')}"
            values = {f"{name}/{key.removesuffix('/value')}": value for key, value in values.items()}
        self._trackers.log(values, record["iteration"])


def _plain(value: Any) -> Any:
    """As JSON holds it: it has no NaN and no infinity, and a reader must see them all the same."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
