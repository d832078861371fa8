"""What to type here: the command as it is called on this machine, and how to install what is missing."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "train-agent"
_HOME = Path(__file__).resolve().parents[1]


def command(*words: object) -> str:
    """`train-agent WORDS` as it can be typed in this folder.

    The command lies in a virtual environment which need not be on PATH: then its path is given, or
    `PYTHON -m train_agent` where there is no such file.
    """
    script = Path(sys.executable).parent / DISTRIBUTION
    found = shutil.which(DISTRIBUTION)
    if found is not None and (not script.is_file() or os.path.samefile(found, script)):
        typed = [DISTRIBUTION]
    elif script.is_file():
        typed = [_short(script)]
    else:
        typed = [_short(Path(sys.executable)), "-m", "train_agent"]
    return shlex.join([*typed, *map(str, words)])


def install(extra: str) -> str:
    """The command that installs an extra of this package: from the checkout if this is one, else what the extra needs.

    Args:
        extra: its name in `pyproject.toml`.
    """
    if (_HOME / "pyproject.toml").is_file():
        return _pip("-e", f"{_short(_HOME)}[{extra}]")
    return _pip(*(_needs(extra) or [extra]))


def pip_install(*packages: str) -> str:
    """The command that installs packages from the index into this environment."""
    return _pip(*packages)


def update() -> str:
    """How to get a newer version of this package."""
    if (_HOME / "pyproject.toml").is_file():
        return f"Update the checkout: git -C {shlex.quote(_short(_HOME))} pull."
    return f"Install a newer version over it: {_pip('--upgrade', 'CHECKOUT-OR-WHEEL')}."


def _pip(*words: str) -> str:
    return f"{shlex.quote(_short(Path(sys.executable)))} -m pip install {shlex.join(words)}"


def _needs(extra: str) -> list[str]:
    """The requirements that an extra adds, without their markers."""
    with suppress(metadata.PackageNotFoundError):
        marked = (line.partition(";") for line in metadata.requires(DISTRIBUTION) or ())
        wanted = re.compile(rf"\bextra\s*==\s*['\"]{re.escape(extra)}['\"]")
        return [requirement.strip() for requirement, _, marker in marked if wanted.search(marker)]
    return []


def _short(path: Path) -> str:
    """A path below the working directory relative to it, as one would type it."""
    with suppress(ValueError, OSError):
        inside = path.relative_to(Path.cwd())
        return str(inside) if inside.parts else "."
    return str(path)
