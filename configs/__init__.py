"""train-agent configs: presets and their schema; the only place with defaults."""

from configs.collect import CollectConfig
from configs.common import EnvConfig, ModelConfig, RunConfig
from configs.errors import ConfigError
from configs.play import PlayConfig
from configs.runs import CompareConfig, EvalConfig, ExportConfig, ViewConfig
from configs.schema import add_arguments, as_yaml, build, documentation, read_yaml
from configs.train import TrainConfig
from configs.warm_start import WarmStartConfig

__all__ = [
    "CollectConfig",
    "CompareConfig",
    "ConfigError",
    "EnvConfig",
    "EvalConfig",
    "ExportConfig",
    "ModelConfig",
    "PlayConfig",
    "RunConfig",
    "TrainConfig",
    "ViewConfig",
    "WarmStartConfig",
    "add_arguments",
    "as_yaml",
    "build",
    "documentation",
    "read_yaml",
]
