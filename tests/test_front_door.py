"""The six packages have common names: somebody else's must be noticed before they are used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import train_agent

ROOT = Path(__file__).resolve().parents[1]


def run(*argv: str, path: Path | str, cwd: Path) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run([sys.executable, *argv], capture_output=True, text=True, env=variables, cwd=cwd, timeout=120)


def test_nothing_is_shadowed_in_a_sound_installation() -> None:
    assert train_agent.shadowed() == {}


@pytest.mark.parametrize("name", train_agent.PACKAGES)
def test_a_folder_that_shadows_a_package_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise RuntimeError('imported')\n")
    result = run("-c", "import train_agent; train_agent.main()", path=tmp_path, cwd=Path("/"))
    assert result.returncode == 2
    assert f"{name}: expected {ROOT / name}, found {tmp_path / name}" in result.stderr
    assert "imported" not in result.stderr


def test_a_folder_in_the_working_directory_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "__init__.py").touch()
    result = run("-m", "train_agent", "--help", path="", cwd=tmp_path)
    assert result.returncode == 2
    assert str(tmp_path / "envs") in result.stderr


def test_a_distribution_that_overwrote_a_package_is_noticed(tmp_path: Path) -> None:
    shutil.copy(ROOT / "train_agent.py", tmp_path)
    for name in train_agent.PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text((ROOT / name / "__init__.py").read_text())
    assert (
        run("-c", "import train_agent; assert not train_agent.shadowed()", path=tmp_path, cwd=tmp_path).returncode == 0
    )
    (tmp_path / "envs" / "__init__.py").write_text('"""Environment variables for humans."""\n')
    result = run("-m", "train_agent", "--help", path=tmp_path, cwd=tmp_path)
    assert result.returncode == 2
    assert "envs: expected" in result.stderr
    assert "--force-reinstall" in result.stderr
