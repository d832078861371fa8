"""The front door of train-agent: what `train-agent` and `python -m train_agent` run.

The six packages have short names (`envs`, `eval`, ...), so a folder of the user's or another distribution can take
their place on `sys.path`. This module has a name of its own and checks that first, in the command and in every worker.
It imports nothing of ours before the check has passed.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path

PACKAGES = ("envs", "rollout", "rewards", "trainers", "eval", "configs")
_HOME = Path(__file__).resolve().parent


def shadowed() -> dict[str, Path | None]:
    """The packages that do not resolve to ours, each with the path that does shadow it (None: it is missing).

    A package is ours when it lies beside this file and its first line says so: another distribution with a package of
    the same name overwrites the file in place.
    """
    found: dict[str, Path | None] = {}
    for name in PACKAGES:
        spec = PathFinder.find_spec(name)
        origin = spec and (spec.origin or next(iter(spec.submodule_search_locations or ()), None))
        path = Path(origin).resolve() if origin else None
        expected = _HOME / name / "__init__.py"
        if path != expected or not _first_line(expected).startswith(f'"""train-agent {name}:'):
            found[name] = path
    return found


def check_installation() -> None:
    """Refuse to run where a package of ours is shadowed.

    Raises:
        SystemExit: with status 2, naming the path that shadows each package and what to do.
    """
    wrong = shadowed()
    if not wrong:
        return
    lines = [f"  {name}: expected {_HOME / name}, found {path or 'nothing'}" for name, path in wrong.items()]
    print(
        "train-agent: these packages are not the ones that were installed with it:\n"
        + "\n".join(lines)
        + "\nRun from another folder, rename yours, or take the path out of PYTHONPATH; if a distribution has"
        "\noverwritten the package, uninstall it, and from the checkout of train-agent run:"
        f"\n{sys.executable} -m pip install --force-reinstall .",
        file=sys.stderr,
    )
    raise SystemExit(2)


def main() -> int:
    """Run the command line."""
    check_installation()
    from trainers.cli import main as run

    return run()


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline()


if __name__ == "__main__":
    sys.exit(main())
