"""Trackers of experiments: copies of a run's metrics for the tools that show them.

All write into the run's folder and upload nothing, unless the user sets WANDB_MODE=online:

| name | where | how to look |
|---|---|---|
| `wandb` | RUN/wandb | `wandb sync RUN/wandb/offline-run-*` |
| `tensorboard` | RUN/tensorboard | `tensorboard --logdir RUN` |
| `trackio` | RUN/trackio | `TRACKIO_DIR=RUN/trackio trackio show` |

A tracker never stops a run: one that fails is given up with a warning, and `metrics.jsonl` holds all that it lacks.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from envs.installation import pip_install
from rollout.lineage import fingerprint
from trainers.errors import TrackerError

log = logging.getLogger(__name__)

PROJECT = "train-agent"


class Tracker(Protocol):
    """A copy of the metrics. It is told the whole history of a run, from its first record on."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Take the numbers of a record in."""

    def close(self) -> None:
        """Write what is held."""


class Trackers:
    """Several trackers as one, of which none can stop a run.

    Args:
        names: which; `none` stands for no tracker.
        run: the run's folder.

    Raises:
        TrackerError: if one is unknown or not installed.
    """

    def __init__(self, names: Sequence[str], run: Path) -> None:
        self._live: dict[str, Tracker] = {}
        for name in dict.fromkeys(names):
            if name != "none":
                self._open(name, run)

    @property
    def names(self) -> tuple[str, ...]:
        """Those that still follow."""
        return tuple(self._live)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Tell all of them."""
        for name, tracker in list(self._live.items()):
            with self._guarded(name):
                tracker.log(values, step)

    def close(self) -> None:
        """Let all of them write what they hold. May be called twice."""
        for name, tracker in list(self._live.items()):
            with self._guarded(name):
                tracker.close()
        self._live.clear()

    def _open(self, name: str, run: Path) -> None:
        check_names([name])
        with self._guarded(name):
            try:
                self._live[name] = _TRACKERS[name](run)
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] != name:
                    raise
                remedy = f"Install it: {pip_install(name)}; or leave it out of --report-to."
                raise TrackerError(f"{name} is not installed", remedy=remedy) from error

    @contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        try:
            yield
        except TrackerError:
            raise
        except Exception as error:  # whatever it is: hours of training are worth more than a copy of their metrics
            self._live.pop(name, None)
            log.warning("%s is given up (%s: %s); metrics.jsonl goes on", name, type(error).__name__, error)


class _WandB:
    """Weights & Biases. A run that is resumed becomes another offline run of the same id, which holds everything."""

    def __init__(self, run: Path) -> None:
        mode = os.environ.get("WANDB_MODE", "offline")
        folder = run / "wandb"
        # Its caches and logs go to the user's home otherwise, and its crashes to its makers. Online it needs the
        # user's own folders, in which the key is.
        private = {
            **{f"WANDB_{kind}_DIR": str(folder / ".private") for kind in ("CACHE", "CONFIG", "DATA")},
            "WANDB_ERROR_REPORTING": "false",
        }
        folder.mkdir(parents=True, exist_ok=True)
        with _environment(private if mode == "offline" else {}):
            import wandb

            # Its metadata holds the command line, in which there may be a password.
            settings = wandb.Settings(
                console="off", disable_git=True, save_code=False, silent=True, x_disable_meta=True
            )
            self._run: Any = wandb.init(
                project=os.environ.get("WANDB_PROJECT", PROJECT),
                name=run.name,
                id=_id(run),
                dir=run,
                mode=mode,  # type: ignore[arg-type]  # wandb itself refuses what it does not know
                resume="allow",
                settings=settings,
            )

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class _TensorBoard:
    """TensorBoard's event files. Earlier ones of the run are purged by a mark, not deleted."""

    def __init__(self, run: Path) -> None:
        import_module("tensorboard")  # torch's own message names neither it nor the remedy
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(run / "tensorboard"), purge_step=0)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Trackio:
    """Trackio's database. Its storage is used without its client, which asks the Hub who the user is."""

    def __init__(self, run: Path) -> None:
        folder = (run / "trackio").resolve()
        self._storage: Any = _trackio_storage(folder)
        self._name = run.name
        if (folder / f"{PROJECT}.db").is_file():
            self._storage.delete_run(PROJECT, self._name)

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._storage.bulk_log(PROJECT, self._name, [dict(values)], steps=[step])

    def close(self) -> None:
        """Every record is in the database already."""


def check_names(names: Sequence[str]) -> None:
    """Refuse what is no tracker.

    Raises:
        TrackerError: naming the nearest.
    """
    for name in names:
        if name not in (*_TRACKERS, "none"):
            near = get_close_matches(name, [*_TRACKERS, "none"], n=1, cutoff=0.4)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise TrackerError(f"unknown tracker {name!r}", remedy=f"{hint}There are: {', '.join(_TRACKERS)}, none.")


def reserve_folder(names: Sequence[str], run: Path) -> None:
    """Trackio takes its folder when it is imported, and TRL imports it: have it imported for this run first."""
    if "trackio" in names:
        with suppress(Exception):  # it is said when the tracker is opened
            _trackio_storage((run / "trackio").resolve())


def _trackio_storage(folder: Path) -> Any:
    with _environment({"TRACKIO_DIR": str(folder)}):
        from trackio import utils
        from trackio.sqlite_storage import SQLiteStorage
    if Path(utils.TRACKIO_DIR) != folder:
        raise RuntimeError(f"in this process it writes to {utils.TRACKIO_DIR} already")
    return SQLiteStorage


_TRACKERS: dict[str, Callable[[Path], Tracker]] = {
    "wandb": _WandB,
    "tensorboard": _TensorBoard,
    "trackio": _Trackio,
}


def _id(run: Path) -> str:
    """The same whenever the run is resumed, and another one for a folder of the same name elsewhere."""
    return f"{run.name}-{fingerprint(str(run.resolve()))}"[-64:]


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for a while, where the user has not set them."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
