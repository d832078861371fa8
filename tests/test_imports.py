"""Who may import whom, and what importing costs."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("envs", "configs", "rollout", "rewards", "eval", "trainers")
MAY_IMPORT = {
    "envs": set(),
    "configs": set(),
    "rollout": {"envs"},
    "rewards": {"envs", "rollout"},
    "eval": {"envs", "rollout", "rewards", "configs"},
    "trainers": set(PACKAGES),
}
PUBLIC = {
    "configs": """CollectConfig CompareConfig ConfigError EnvConfig EvalConfig ExportConfig ModelConfig PlayConfig
        RunConfig TrainConfig ViewConfig WarmStartConfig add_arguments as_yaml build documentation read_yaml""",
    "envs": """BackendError ContractError DataError EnvError Expert InternalError Outcome RegistryError Spec Task
        TaskError TaskSet TextEnv Tool find make register specs""",
    "envs.alfworld": "ALFWorldExpert Game Play generate_game generated_tasks load_game shortest_plan",
    "envs.dbbench": "DBTask Reply Sandbox Table generate_task generated_tasks grade load_tasks",
    "eval": "Comparison Evaluation Result compare evaluate read_result summarise write_report",
    "rewards": "LIMIT SHAPINGS Mixture outcome",
    "rollout": """Collected Completion ContextOverflow Deadlines Difference Engine EngineError Episode Failure Job
        ModelPolicy Player Policy Reply Sampling Step Store StoreError Timing Tokens Trajectories Trajectory Turn
        collect read_trajectories replay run_episode""",
    "trainers": "",
}
HEAVY = {"torch", "transformers", "trl", "peft", "vllm", "ray", "textworld", "alfworld", "wandb", "datasets", "pandas"}


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import hides what it imports"
            yield node.module or ""


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_the_table_allows(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package}
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in sorted((ROOT / package).rglob("*.py"))
        for name in imported(file)
        if name.partition(".")[0] in PACKAGES and name.partition(".")[0] not in allowed
    ]
    assert not wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    code = f"import sys, {package}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & HEAVY


def test_help_loads_no_environment_and_nothing_heavy() -> None:
    code = "import sys, train_agent; sys.argv[1:] = ['--help']; train_agent.main(); print('LOADED', *sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.partition("LOADED")[2].split()}
    assert not loaded & (HEAVY | {"numpy", "gymnasium", "sqlalchemy"})


@pytest.mark.parametrize("package", PUBLIC)
def test_a_public_name_comes_or_goes_only_on_purpose(package: str) -> None:
    assert set(importlib.import_module(package).__all__) == set(PUBLIC[package].split())


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_exists_and_the_package_is_typed(package: str) -> None:
    module = importlib.import_module(package)
    assert all(hasattr(module, name) for name in module.__all__)
    assert (ROOT / package / "py.typed").is_file()
