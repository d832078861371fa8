"""ALFWorld's official games on disk: found, filtered, parsed once and cached.

The layout is that of `alfworld-download`: `json_2.1.1/SPLIT/TASK-FOLDER/TRIAL/game.tw-pddl`, with a `traj_data.json`
beside every game. The filters are those of alfworld's `AlfredTWEnv` (0.4.2, `collect_game_files`).
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from envs.alfworld.cache import cached
from envs.alfworld.dialects import ForeignGameError
from envs.alfworld.game import FETCH_AGAIN, Game, load_game
from envs.errors import DataError, TaskError
from envs.task import Task, TaskSet

logger = logging.getLogger(__name__)

SPLITS = ("train", "valid_seen", "valid_unseen")
TASK_TYPES = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)
_DOWNLOAD = "Run `alfworld-download`, and set ALFWORLD_DATA to the folder that holds json_2.1.1."
_GAME = "game.tw-pddl"
_TRAJECTORY = "traj_data.json"


@dataclass(frozen=True, slots=True)
class ALFWorldTask(Task):
    """A game file of a split. Its id is the folder under the data's root: "valid_seen/pick_...-329/trial_...".

    Attributes:
        path: the `game.tw-pddl`.
        dialect: as in `Game`; None if only TextWorld can play it.
    """

    path: Path
    dialect: str | None

    def content(self) -> str:
        # The size stands for the file: its bytes are 90 KB a game, and a release of other games has other sizes.
        return f"{self.id} {self.path.stat().st_size}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A folder of a split that is not played, and why.

    Attributes:
        path: the folder or the file.
        reason: in a few words, the same for all folders of a kind.
        detail: the whole message; empty where the reason says it all.
        wanted: whether it was left out by a filter, not because something is wrong with it.
    """

    path: Path
    reason: str
    detail: str = ""
    wanted: bool = False


@dataclass(frozen=True, slots=True)
class GameSet:
    """The games of a split.

    Attributes:
        tasks: every game once, sorted by id.
        games: the parsed games by task id.
        foreign: the tasks that only TextWorld can play, by id, and why.
        skipped: everything else that lay in the split's folder.
    """

    tasks: TaskSet[ALFWorldTask]
    games: dict[str, Game]
    foreign: dict[str, str]
    skipped: tuple[Skipped, ...]

    def report(self) -> str:
        """What was loaded and what was not, and why, in a line."""
        reasons = Counter(skipped.reason for skipped in self.skipped)
        parts = [f"{len(self.tasks)} games"]
        parts += [f"{len(self.foreign)} of them for TextWorld only"] if self.foreign else []
        parts += [f"{count} left out: {reason}" for reason, count in sorted(reasons.items())]
        return "; ".join(parts)


def load_split(
    split: str,
    *,
    data: str | Path | None = None,
    task_types: Collection[str] = TASK_TYPES,
    cache: str | Path | None = None,
) -> GameSet:
    """Loads the games of a split.

    Args:
        split: "train", "valid_seen" or "valid_unseen".
        data: the folder that holds `json_2.1.1`, or that holds the splits; ALFWORLD_DATA by default.
        task_types: which of `TASK_TYPES` to keep.
        cache: the folder for parsed games; `train-agent` in the user's cache folder by default.

    Raises:
        TaskError: if the split or a task type is unknown.
        DataError: if there is no data, or no game in it.
    """
    unknown = [type_ for type_ in task_types if type_ not in TASK_TYPES]
    if unknown:
        raise TaskError(f"unknown task type {unknown[0]!r}", remedy=f"There are {', '.join(TASK_TYPES)}.")
    folder = split_folder(split, data)
    trials = list(_walk(folder))
    wanted = [trial for trial in trials if trial.game is not None and not trial.filtered]
    parsed = cached(
        folder,
        [file for trial in wanted for file in (trial.game, trial.trajectory) if file is not None],
        cache,
        lambda: {trial.id: _parse(trial) for trial in wanted},
    )
    games = _select(split, trials, parsed, frozenset(task_types))
    _log(folder, games)
    if not games.tasks:
        filtered = games.skipped and all(skipped.wanted for skipped in games.skipped)
        remedy = "Ask for other task types." if filtered else _DOWNLOAD
        raise DataError(f"no game to play: {games.report()}", where=folder, remedy=remedy)
    return games


def split_folder(split: str, data: str | Path | None = None) -> Path:
    """The folder of a split.

    Raises:
        TaskError: if the split is unknown.
        DataError: if there is no such folder.
    """
    if split not in SPLITS:
        raise TaskError(f"unknown split {split!r}", remedy=f"There are {', '.join(SPLITS)}.")
    data = data or os.environ.get("ALFWORLD_DATA")
    if not data:
        raise DataError("ALFWORLD_DATA is not set, and no folder was given", remedy=_DOWNLOAD)
    root = Path(os.path.expandvars(data)).expanduser().absolute()
    if not root.is_dir():
        raise DataError("the data folder does not exist", where=root, remedy=_DOWNLOAD)
    for folder in (root / "json_2.1.1" / split, root / split):
        if folder.is_dir():
            return folder
    raise DataError(f"the data folder has neither json_2.1.1/{split} nor {split}", where=root, remedy=_DOWNLOAD)


@dataclass(frozen=True, slots=True)
class _Trial:
    """A folder that holds a game, or a trajectory without one. The id is its path below the split."""

    id: str
    folder: Path
    game: Path | None
    trajectory: Path | None

    @property
    def filtered(self) -> bool:
        return "movable" in self.id or "Sliced" in self.id

    @property
    def type(self) -> str:
        """As the trajectory says; else the beginning of the task folder's name."""
        if self.trajectory is not None:
            try:
                return str(json.loads(self.trajectory.read_bytes())["task_type"])
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    "the trajectory does not tell the task's type", where=self.trajectory, remedy=FETCH_AGAIN
                ) from error
        parts = [part.partition("-")[0] for part in reversed(self.folder.parts)]
        return next((part for part in parts if part in TASK_TYPES), "unknown")


def _walk(folder: Path) -> Iterator[_Trial]:
    for path, folders, files in os.walk(folder, onerror=_unreadable):
        folders.sort()
        if _GAME in files or _TRAJECTORY in files:
            trial = Path(path)
            yield _Trial(
                id=trial.relative_to(folder).as_posix(),
                folder=trial,
                game=trial / _GAME if _GAME in files else None,
                trajectory=trial / _TRAJECTORY if _TRAJECTORY in files else None,
            )


def _unreadable(error: OSError) -> None:
    raise DataError(f"the folder cannot be read ({error.strerror})", where=error.filename) from error


@dataclass(frozen=True, slots=True)
class _Foreign:
    type: str
    why: str


def _parse(trial: _Trial) -> Game | _Foreign | DataError:
    assert trial.game is not None
    try:
        try:
            return load_game(trial.game)
        except ForeignGameError as error:
            return _Foreign(trial.type, str(error))
    except DataError as error:
        return error


def _select(
    split: str, trials: list[_Trial], parsed: dict[str, Game | _Foreign | DataError], task_types: frozenset[str]
) -> GameSet:
    tasks: list[ALFWorldTask] = []
    games: dict[str, Game] = {}
    foreign: dict[str, str] = {}
    skipped: list[Skipped] = []
    for trial in trials:
        if trial.filtered:
            skipped.append(Skipped(trial.folder, "movable receptacles or sliced objects", wanted=True))
            continue
        if trial.game is None:
            skipped.append(Skipped(trial.folder, f"no {_GAME}"))
            continue
        found = parsed[trial.id]
        if isinstance(found, DataError):
            skipped.append(Skipped(trial.game, found.what.partition(" (")[0], str(found)))
            continue
        if found.type not in task_types:
            skipped.append(Skipped(trial.game, f"task type {found.type}", wanted=True))
            continue
        id_ = f"{split}/{trial.id}"
        if isinstance(found, Game):
            games[id_] = found
        else:
            foreign[id_] = found.why
        dialect = found.dialect if isinstance(found, Game) else None
        tasks.append(ALFWorldTask(id=id_, type=found.type, split=split, path=trial.game, dialect=dialect))
    tasks.sort(key=lambda task: task.id)
    return GameSet(TaskSet(tasks), games, foreign, tuple(skipped))


def _log(folder: Path, games: GameSet) -> None:
    wrong = [skipped.detail or str(skipped.path) for skipped in games.skipped if not skipped.wanted]
    wrong += games.foreign.values()
    if wrong:
        logger.warning("%s: %s. The first: %s", folder, games.report(), wrong[0])
    else:
        logger.info("%s: %s", folder, games.report())
