"""What to type: the command as it is called here, and lines that install what is missing without an index of ours."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from envs import installation

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("envs", "configs", "rollout", "rewards", "eval", "trainers")
SOURCES = [ROOT / "train_agent.py", *(file for name in PACKAGES for file in sorted((ROOT / name).rglob("*.py")))]


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Python of a virtual environment below the working directory, which is not on PATH."""
    made = tmp_path / ".venv" / "bin" / "python"
    made.parent.mkdir(parents=True)
    made.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(made))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return made


def script(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train-agent").write_text("#!/bin/sh\n")
    (folder / "train-agent").chmod(0o755)
    return folder


def test_a_command_off_the_path_is_given_with_its_folder(python: Path) -> None:
    script(python.parent)
    assert installation.command("view", "runs/my run") == ".venv/bin/train-agent view 'runs/my run'"


def test_a_command_on_the_path_is_given_by_its_name(python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script(python.parent)))
    assert installation.command("view") == "train-agent view"


def test_another_installation_on_the_path_is_not_taken_for_this_one(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(python.parent)
    monkeypatch.setenv("PATH", str(script(tmp_path / "other")))
    assert installation.command() == ".venv/bin/train-agent"


def test_without_a_script_the_module_is_run(python: Path) -> None:
    assert installation.command("--help") == ".venv/bin/python -m train_agent --help"


def test_what_is_printed_runs_as_typed() -> None:
    words = shlex.split(installation.command("--version"))
    run = subprocess.run(words, capture_output=True, text=True, cwd=Path.cwd())
    assert run.returncode == 0, run.stderr
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run.stdout)


def test_an_extra_is_installed_from_the_checkout(python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert installation.install("mysql") == f".venv/bin/python -m pip install -e '{ROOT}[mysql]'"
    monkeypatch.chdir(ROOT)
    assert installation.install("mysql").endswith("pip install -e '.[mysql]'")


def test_without_a_checkout_an_extra_is_what_it_needs(python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_HOME", Path("/nowhere"))
    assert installation.install("mysql") == ".venv/bin/python -m pip install 'pymysql>=1.1'"
    assert "transformers" in installation.install("vllm")
    assert "CHECKOUT" in installation.update()


@pytest.mark.parametrize(
    "extra", re.findall(r"(?<!pip_)install\([\"'](\w+)[\"']\)", "".join(map(Path.read_text, SOURCES)))
)
def test_an_extra_that_is_named_exists(extra: str) -> None:
    assert re.search(rf"^{extra} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


def test_nothing_says_to_install_this_package_from_an_index() -> None:
    for file in (*SOURCES, *(ROOT / "scripts").iterdir(), ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(
            r"pip install[^\n]*train-agent(\[|\b)(?!\.)", text.replace("checkout of train-agent", "")
        ), file


def test_a_command_to_type_is_never_written_by_hand() -> None:
    """`train-agent view` does not run where the command is in .venv/bin: messages take `installation.command`."""
    by_hand = re.compile(r"train-agent (?:train|collect|eval|compare|view|export|warm-start|play|--)")
    for file in SOURCES:
        for line in file.read_text(encoding="utf-8").splitlines():
            documentation = line.lstrip().startswith(('"""', "#")) or file.name == "cli.py" or "`train-agent" in line
            assert documentation or not by_hand.search(line), f"{file}: {line}"
