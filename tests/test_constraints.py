"""constraints/: what `make` installs is fixed by version and hash, and fits pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

CHECKOUT = Path(__file__).resolve().parents[1]
FILES = ("all", "torch-cpu", "vllm-cpu")
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = ("test", "mysql", "postgres", "trackers", "alfworld")


def packages(name: str) -> dict[str, tuple[str, int]]:
    """Each package of a file, with its version and the number of its hashes."""
    text = (CHECKOUT / "constraints" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip()]
    found = {}
    for line in lines:
        match = re.match(r"(\S+?)==(\S+)", line)
        assert match, f"{name}: not a pinned package: {line[:80]}"
        found[match[1]] = (match[2], line.count("--hash=sha256:"))
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_package_has_a_version_and_a_hash(name: str) -> None:
    found = packages(name)
    assert found
    assert [package for package, (_, hashes) in found.items() if not hashes] == []


@pytest.mark.parametrize("extra", [None, *EXTRAS])
def test_the_pinned_versions_are_what_pyproject_allows(extra: str | None) -> None:
    pinned = packages("all")
    for line in PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]:
        wanted = Requirement(line)
        version, _ = pinned[wanted.name.lower()]
        assert wanted.specifier.contains(Version(version)), f"{line}, but {version} is pinned: run `make lock`"


def test_the_build_of_torch_for_the_cpu_is_of_the_same_version() -> None:
    assert packages("torch-cpu")["torch"][0] == packages("all")["torch"][0] + "+cpu"


def test_vllm_is_pinned_with_a_transformers_that_its_extra_allows() -> None:
    pinned = packages("vllm-cpu")
    wanted = {Requirement(line).name: Requirement(line) for line in PROJECT["optional-dependencies"]["vllm"]}
    assert wanted["transformers"].specifier.contains(pinned["transformers"][0])
    assert wanted["vllm"].specifier.contains(pinned["vllm-cpu"][0])
    assert "torch" not in pinned


def test_nothing_in_the_files_names_where_packages_come_from() -> None:
    for name in FILES:
        assert "://" not in (CHECKOUT / "constraints" / f"{name}.txt").read_text(encoding="utf-8")


def test_no_script_installs_what_is_not_pinned() -> None:
    """Each call of pip asks for hashes, or installs the checkout itself without its dependencies."""
    calls = []
    for path in [CHECKOUT / "Makefile", *(CHECKOUT / "scripts").iterdir(), CHECKOUT / ".ci" / "run"]:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        calls += [(path.name, line.strip()) for line in text.splitlines() if re.search(r"\bpip\"? install\b", line)]
    unpinned = [
        call
        for call in calls
        if "--require-hashes" not in call[1] and "--no-deps" not in call[1] and not call[1].startswith("#")
    ]
    # `scripts/lock` itself installs the resolver into a folder that it removes.
    assert [call for call in unpinned if call[0] != "lock"] == []
