"""The models that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

MODELS = Path(str(files("configs"))) / "models"


def model_path(name: str) -> str:
    """The folder of a stored model of this name; any other name as it is."""
    folder = MODELS / name
    return str(folder) if (folder / "config.json").is_file() else name
