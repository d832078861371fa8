"""train-agent configs: presets and their schema; the only place with defaults."""

from configs.collect import CollectConfig
from configs.common import EnvConfig, ModelConfig, RunConfig
from configs.errors import ConfigError
from configs.eval import CompareConfig, EvalConfig, ViewConfig
from configs.play import PlayConfig
from configs.schema import add_arguments, as_yaml, build, documentation, read_yaml

__all__ = [
    "CollectConfig",
    "CompareConfig",
    "ConfigError",
    "EnvConfig",
    "EvalConfig",
    "ModelConfig",
    "PlayConfig",
    "RunConfig",
    "ViewConfig",
    "add_arguments",
    "as_yaml",
    "build",
    "documentation",
    "read_yaml",
]
