"""The composition root: which command is which function, and what an error becomes on the terminal."""

from __future__ import annotations

import argparse
import importlib
import os
import select
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its config class and the function that takes it and returns an exit code.

    All are named and not imported, so that `--help` costs no import of a training stack. `layers` names a function that
    completes the layers of options.
    """

    name: str
    summary: str
    config: str
    run: str
    example: str
    layers: str | None = None


COMMANDS = (
    Command(
        "train",
        "play, learn and evaluate, in turns; what options without a command mean",
        "configs.train:TrainConfig",
        "trainers.commands.train:run",
        "train-agent --env alfworld --algo grpo",
        "configs.presets:with_preset",
    ),
    Command(
        "collect",
        "play episodes and keep every one of them",
        "configs.collect:CollectConfig",
        "trainers.commands.collect:run",
        "train-agent collect --env alfworld --policy expert --episodes 200 -o runs/demos",
        "configs.trained:for_collecting",
    ),
    Command(
        "eval",
        "score a policy by a named protocol",
        "configs.runs:EvalConfig",
        "trainers.commands.eval:run",
        "train-agent eval --env alfworld --split valid_unseen --model expert -o runs/expert",
        "configs.trained:for_scoring",
    ),
    Command(
        "compare",
        "compare two scored runs on the same tasks",
        "configs.runs:CompareConfig",
        "trainers.commands.compare:run",
        "train-agent compare runs/before runs/after",
    ),
    Command(
        "view",
        "write a run's report: every episode in one HTML file",
        "configs.runs:ViewConfig",
        "trainers.commands.view:run",
        "train-agent view runs/expert",
    ),
    Command(
        "export",
        "write a run's episodes as HF dataset, TRL data or inspect_ai log",
        "configs.runs:ExportConfig",
        "trainers.commands.export:run",
        "train-agent export runs/demos sft demos.jsonl",
    ),
    Command(
        "warm-start",
        "make the small default model from nothing",
        "configs.warm_start:WarmStartConfig",
        "trainers.commands.warm_start:run",
        "train-agent warm-start -o runs/warm-start",
    ),
    Command(
        "play",
        "play a task in the terminal, or watch the expert play it",
        "configs.play:PlayConfig",
        "trainers.commands.play:play",
        "train-agent play --env alfworld --expert",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `train-agent ARGV`.

    Returns:
        0 done, 1 the work failed, 2 wrong usage, 130 interrupted by Ctrl-C.
    """
    try:
        code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:  # while modules are imported
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        if _is_read():
            raise
        return EXIT_FAILED


def _dispatch(words: Sequence[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(_overview())
        return EXIT_DONE
    if words[0] == "--version":
        from importlib.metadata import version

        print(version("train-agent"))
        return EXIT_DONE
    if words[0].startswith("-"):
        words = ["train", *words]
    command = next((command for command in COMMANDS if command.name == words[0]), None)
    if command is None:
        return _unknown(words[0])
    return _run(command, words[1:])


def _run(command: Command, words: Sequence[str]) -> int:
    from configs import ConfigError, build, read_yaml
    from envs.errors import EnvError

    cls = _load(command.config)
    try:
        typed = vars(_parser(command, cls).parse_args(words))
        path: Path | None = typed.pop("config", None)
        layers: list[tuple[str, dict[str, Any]]] = [("command line", typed)]
        if path is not None:
            layers.insert(0, (str(path), read_yaml(path)))
        if command.layers is not None:
            layers = _load(command.layers)(layers)
        return int(_load(command.run)(build(cls, *layers)))
    except SystemExit as stop:  # argparse has printed its message (2) or the help (0); rich, that nobody reads (1)
        return EXIT_DONE if stop.code is None else int(stop.code)
    except ConfigError as error:
        print(f"train-agent {command.name}: {error}", file=sys.stderr)
        return EXIT_USAGE
    except EnvError as error:
        print(f"train-agent {command.name}: {error}", file=sys.stderr)
        return EXIT_USAGE if error.wrong_usage else EXIT_FAILED
    except OSError as error:
        if error.filename is None or isinstance(error, BrokenPipeError):
            raise
        print(f"train-agent {command.name}: {error.filename}: {error.strerror}. {_remedy(error)}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print(f"\ntrain-agent {command.name}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _remedy(error: OSError) -> str:
    from rollout.disk import read_remedy

    return read_remedy(error, str(error.filename))


def _is_read() -> bool:
    """Whether somebody still reads what is printed, other than in `train-agent ... | head`."""
    output = select.poll()
    output.register(sys.stdout, 0)
    if not any(event & select.POLLERR for _, event in output.poll(0)):
        return True
    # What is buffered would raise once more when Python exits.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return False


def _parser(command: Command, cls: type) -> argparse.ArgumentParser:
    from configs import add_arguments

    parser = _Parser(
        prog=f"train-agent {command.name}",
        description=f"{cls.__doc__}\n\nExample: {command.example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="YAML file; the command line wins over it",
    )
    add_arguments(parser, cls)
    return parser


class _Parser(argparse.ArgumentParser):
    """Argparse that names the nearest option where it meets an unknown one."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        known, unknown = self.parse_known_args(args, namespace)
        if unknown:
            options = [option for action in self._actions for option in action.option_strings]
            near = get_close_matches(unknown[0].partition("=")[0], options, n=1, cutoff=0.5)
            self.error(f"unknown option {unknown[0]!r}." + (f" Did you mean {near[0]!r}?" if near else " Try --help."))
        return known


def _load(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _overview() -> str:
    typed = _typed()
    width = max(len(command.name) for command in COMMANDS)
    lines = [f"  {command.name:<{width}}  {command.summary}" for command in COMMANDS]
    examples = [f"  {command.example.replace('train-agent', typed, 1)}" for command in COMMANDS]
    return "\n".join(
        [
            "train-agent: make a small language model a good agent, and know by how much",
            "",
            f"usage: {typed} COMMAND [options]     (options of a command: {typed} COMMAND --help)",
            "",
            "commands:",
            *lines,
            "",
            "examples:",
            *examples,
        ]
    )


def _typed() -> str:
    """This command as it was called, by its name alone where that is on PATH; see `envs.installation.command`, which
    would import an environment for `--help`."""
    program = Path(sys.argv[0])
    if program.name == "train_agent.py":
        return f"{sys.executable} -m train_agent"
    off_path = program.name == "train-agent" and shutil.which("train-agent") != str(program.absolute())
    return str(program) if off_path else "train-agent"


def _unknown(word: str) -> int:
    near = get_close_matches(word, [command.name for command in COMMANDS], n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    print(f"train-agent: unknown command {word!r}.{hint} `{_typed()} --help` lists them.", file=sys.stderr)
    return EXIT_USAGE
