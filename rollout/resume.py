"""Going on with a run: what its folder must hold for that."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from envs.errors import EnvError


class ResumeError(EnvError, ValueError):
    """There is no run to go on with, or the folder holds another one."""

    wrong_usage = True


def holds_run(folder: Path) -> bool:
    """Whether a run was begun in a folder."""
    return (folder / "config.yaml").is_file()


def check_resumable(folder: Path) -> None:
    """See to it that there is something to go on with.

    Raises:
        ResumeError: if there is not; it names the runs beside it.
    """
    if holds_run(folder) or (folder / "episodes").exists():
        return
    try:
        runs = [path for path in folder.parent.iterdir() if path != folder and holds_run(path)]
    except OSError:
        runs = []
    runs.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    near = get_close_matches(folder.name, [path.name for path in runs], n=3, cutoff=0.5)
    named = [str(folder.parent / name) for name in near] or [str(path) for path in runs[:3]]
    others = f"Runs there: {', '.join(named)}. " if named else ""
    raise ResumeError("there is no run to resume", where=folder, remedy=f"{others}Leave --resume out to begin one.")
