"""A message names only options that the command which shows it has, and commands that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainers.cli import COMMANDS, _load, _parser

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {
    command.name: {
        option for action in _parser(command, _load(command.config))._actions for option in action.option_strings
    }
    for command in COMMANDS
}
PLAYING = ("collect", "eval")
SHOWN_BY = {
    "trainers/warm_start": ("warm-start",),
    "trainers/commands/play.py": ("play",),
    "trainers/commands": (),  # the file's own name
    "trainers/cli.py": tuple(OPTIONS),
    "trainers/card.py": ("eval",),
    "trainers": ("train",),
    "rewards": ("train",),
    "rollout/cluster": ("train",),
    "rollout/engines/choice.py": ("train",),
    "rollout/engines/vllm_server.py": (),
    "rollout/export": ("export",),
    "eval/tables.py": (),  # see `EITHER`
    "eval/errors.py": ("compare",),
    "eval/evaluate.py": ("eval",),
    "": PLAYING,
}
"""Which commands show a file's messages: the longest beginning of its path counts."""

EITHER = {"eval/tables.py": ("eval", "compare")}
"""Files with messages of several commands, each of which belongs to one."""

OTHERS = {
    "envs/installation.py": {"--upgrade"},
    "envs/dbbench/mysql/errors.py": {"--thread_stack"},
    "rollout/cluster/session.py": {"--head"},
    "rollout/served.py": {"--logprobs-mode"},
    "trainers/engines.py": {"--dtype", "--gpu-memory-utilization"},
    "trainers/conversations/files.py": {"--repo-type"},
}
"""Options of pip, MySQL, Ray, vLLM and hf."""


def files() -> list[str]:
    packages = ("envs", "configs", "rollout", "rewards", "eval", "trainers")
    found = [str(file.relative_to(ROOT)) for name in packages for file in sorted((ROOT / name).rglob("*.py"))]
    return [file for file in found if not file.startswith(("configs/", "rollout/engines/vllm_server"))]


def commands_of(file: str) -> tuple[str, ...]:
    if file.startswith("trainers/commands/"):
        return (Path(file).stem.replace("_", "-"),)
    return SHOWN_BY[max((start for start in SHOWN_BY if file.startswith(start)), key=len)]


def texts(tree: ast.AST) -> Iterator[str]:
    """Every text of a module but its documentation; the parts of one text together."""
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield " ".join(str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and id(node) not in documentation | inside:
            yield str(node.value)


@pytest.mark.parametrize("file", files())
def test_every_option_in_a_message_exists_where_it_is_shown(file: str) -> None:
    for text in texts(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text)) - OTHERS.get(file, set())
        others = [name for name in OPTIONS if re.search(rf"\b{name}\b", text)]
        for option in named:
            if option in ("--help", "--version"):
                continue
            own = all(option in OPTIONS[name] for name in commands_of(file)) and bool(commands_of(file))
            others += EITHER.get(file, ())
            assert own or any(option in OPTIONS[name] for name in others), f"{file}: {option} in {text!r}"


def test_every_command_that_is_printed_exists_with_its_options() -> None:
    for file in files():
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "command":
                words = [word.value for word in node.args if isinstance(word, ast.Constant)]
                if words and not words[0].startswith("-"):
                    assert words[0] in OPTIONS, f"{file}: {words}"
                    missing = [word for word in words[1:] if word.startswith("-") and word not in OPTIONS[words[0]]]
                    assert not missing, f"{file}: {words}"
