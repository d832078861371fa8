"""The options that commands share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from configs.errors import ConfigError
from configs.ranges import CONTEXT, POSITIVE_SHARE, SEED, TEMPERATURE, count
from configs.secrets import is_masked

Thinking = Literal["auto", "true", "false"]
"""What is said to a chat template's `enable_thinking`."""


def thinking(choice: Thinking) -> bool | None:
    """The choice as a chat template takes it; None says nothing."""
    return {"auto": None, "true": True, "false": False}[choice]


class Options:
    """Base of the options of a command."""

    def __post_init__(self) -> None:
        """Refuse values that do not fit each other; each class adds its own check.

        Raises:
            ConfigError: naming the option and what to take instead.
        """


def check_room(max_length: int, max_completion_length: int) -> None:
    """Refuse a context that a single reply fills.

    Raises:
        ConfigError: if the reply leaves no room for a prompt.
    """
    if max_completion_length >= max_length:
        raise ConfigError(
            f"max_length: {max_length} tokens leave no room beside a reply of {max_completion_length} "
            "(max_completion_length). Raise max_length, or lower max_completion_length."
        )


@dataclass(frozen=True, kw_only=True)
class EnvConfig(Options):
    """Which environment and which of its tasks."""

    env: str = "alfworld"
    """The environment: alfworld, dbbench, or a versioned id such as ALFWorld-v1."""

    split: str | None = None
    """The split of tasks to play; the environment's own default where none is given."""

    env_args: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the environment, as in `--env-args size=full max_steps=30`. A preset's others stay; null
    takes one out, as `size=null`. A password in a URL is stored as ***; `$NAME` in its place stands for an environment
    variable."""

    seed: Annotated[int, SEED] = 0
    """Seeds every draw: tasks, names, sampling."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.env_args.keys() & {"id", "split"}:
            option = {"id": "--env", "split": "--split"}[name]
            raise ConfigError(f"env_args: {name!r} has an option of its own: {option}.")
        for name in [name for name, value in self.env_args.items() if is_masked(value)]:
            raise ConfigError(
                f"env_args: the password in {name!r} is masked, since passwords are not stored. Write the name of an "
                f"environment variable in its place: --env-args {name}='SCHEME://USER:$DB_PASSWORD@HOST/'"
            )


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Options):
    """Which policy plays, and how its tokens are drawn."""

    model: str = "expert"
    """Who plays: expert, random, gold (DB-Bench's own solutions), or a model: tiny-alfworld (stored in the package), a
    checkpoint's folder, a hub's name, or the URL of a server."""

    temperature: Annotated[float, TEMPERATURE] | None = None
    """Sampling temperature, 0 for greedy; the protocol's own (1 for collecting) where none is given."""

    top_p: Annotated[float, POSITIVE_SHARE] | None = None
    """Nucleus of the sampling; the protocol's own (1 for collecting) where none is given."""

    max_completion_length: Annotated[int, count()] | None = None
    """Tokens of one turn at most; the protocol's own (256 for collecting) where none is given."""

    max_length: Annotated[int, CONTEXT] | None = None
    """Tokens of an episode's context at most; 4096, or its server's limit, where none is given. An episode that fills
    it ends as overlong."""

    window: Annotated[int, count()] | None = None
    """How many past turns the context keeps; all of them where none is given."""

    tokenizer: str | None = None
    """Of a model behind a URL: a folder or a hub's name. With it a server that takes token ids is asked by these;
    without it, by messages, since a server does not get to choose what is loaded here."""

    enable_thinking: Thinking = "auto"
    """Whether a hybrid model, such as Qwen3, thinks before it answers: true, false, or auto, which leaves it to the
    model's chat template. A template without this option is not told."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of the model's weights."""

    capacity: Annotated[int, count(high=65_536)] = 32
    """Episodes that a model plays at once."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_length is not None:
            check_room(self.max_length, self.max_completion_length or 256)


@dataclass(frozen=True, kw_only=True)
class RunConfig(Options):
    """Where a run is kept and how it is played."""

    output_dir: Path | None = None
    """The run's folder (also -o); runs/COMMAND-DATE where none is given."""

    workers: Annotated[int, count(high=65_536)] | None = None
    """Episodes at once; as many as the policy can take where none is given."""

    limit: Annotated[int, count()] | None = None
    """Play only so many tasks, drawn evenly over their types."""

    resume: bool = False
    """Go on with the run in the folder: what is scored there is not played again."""

    dry_run: bool = False
    """Say what would be played, and play nothing."""

    json: bool = False
    """Print the result as JSON instead of tables."""
