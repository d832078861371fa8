"""From a dataclass to a command line and a YAML file, and back to one checked value.

A command's options are the fields of one dataclass. The string below a field is its documentation and becomes its help
text, so there is one place in which an option, its type, its default and its meaning stand. YAML keys are the field
names (TRL's names where TRL has one); the command line wins over the file, the file over the defaults.

Types: str, int, float, bool, Path, a Literal of strings, any of these `| None`, `tuple[str, ...]` and `dict[str, Any]`
(written as `key=value ...`, values as YAML). A number is `Annotated` with its range (`configs.ranges`).
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import yaml

from configs.errors import ConfigError
from configs.ranges import range_of
from configs.secrets import masked

C = TypeVar("C")

_ALSO = {"output_dir": ("-o",), "output": ("-o",), "model": ("--policy",), "source": ("--from",)}
"""Further names of options on the command line."""


@cache
def documentation(cls: type) -> Mapping[str, str]:
    """The string below each field of a dataclass and of its bases, as one line each."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        body = typing.cast(ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]).body
        for field, below in pairwise(body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = " ".join(text.split())
    return found


def add_arguments(parser: argparse.ArgumentParser, cls: type) -> None:
    """Give `parser` one option a field, and a positional argument for each field without a default; what is not typed
    stays out of the namespace."""
    help_of, hints = documentation(cls), typing.get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        base, optional = _unwrap(hints[field.name])
        if _required(field):
            parser.add_argument(field.name, metavar=field.name.upper(), help=help_of[field.name])
            continue
        options: dict[str, Any] = {"default": argparse.SUPPRESS, "dest": field.name}
        limits = range_of(hints[field.name])
        usual = _shown(_default(field), optional) + (f"; {limits}" if limits else "")
        options["help"] = f"{help_of[field.name]} (default: {usual})".replace("%", "%%")
        flags = [*_ALSO.get(field.name, ()), f"--{field.name.replace('_', '-')}"]
        if "_" in field.name:
            flags.append(f"--{field.name}")
        if base is bool:
            parser.add_argument(*flags, action=argparse.BooleanOptionalAction, **options)
            continue
        if typing.get_origin(base) in (tuple, dict):
            options["nargs"] = "*"
        parser.add_argument(*flags, metavar=_metavar(base), **options)


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys of a config file.

    Raises:
        ConfigError: if the file is absent, is not YAML, or holds no mapping.
    """
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        advice = "Give one that you may read" if isinstance(error, PermissionError) else "Give an existing file"
        raise ConfigError(f"{path}: {error.strerror}. {advice} to --config.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path}: holds {type(loaded).__name__}, not keys with values. Write lines `key: value`.")
    return {str(key): value for key, value in loaded.items()}


def build(cls: type[C], *layers: tuple[str, Mapping[str, Any]]) -> C:
    """Make the config from layers of values, the later winning; dicts are merged key by key, and an empty one empties.

    Args:
        cls: the dataclass.
        layers: pairs of a name for messages (a file, "command line") and values.

    Raises:
        ConfigError: on an unknown key (it names the nearest), a value of the wrong type or a number out of its range.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    values: dict[str, Any] = {}
    for where, layer in layers:
        for raw, value in layer.items():
            key = raw.replace("-", "_")
            if key not in hints:
                near = get_close_matches(key, hints, n=1, cutoff=0.5)
                hint = f" Did you mean {near[0]!r}?" if near else f" Known keys: {', '.join(hints)}."
                raise ConfigError(f"{where}: unknown key {raw!r}.{hint}")
            converted = _convert(value, hints[key], f"{where}: {key}")
            values[key] = _merged(values.get(key), converted)
    return cls(**values)


def as_yaml(config: Any) -> str:
    """The resolved config as YAML, with every field: what a run's folder keeps. Passwords in URLs are masked."""
    plain = {key: masked(_plain(value)) for key, value in dataclasses.asdict(config).items()}
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _unwrap(hint: Any) -> tuple[Any, bool]:
    optional = typing.get_origin(hint) in (types.UnionType, typing.Union)
    if optional:
        (hint,) = [part for part in typing.get_args(hint) if part is not type(None)]
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    return hint, optional


def _convert(value: Any, hint: Any, where: str) -> Any:
    base, optional = _unwrap(hint)
    if optional and (value is None or value == "none"):
        return None
    origin = typing.get_origin(base)
    try:
        if origin is typing.Literal:
            return _choice(str(value).lower() if isinstance(value, bool) else str(value), typing.get_args(base), where)
        if origin is tuple:
            return tuple(str(item) for item in ([value] if isinstance(value, str) else value))
        if origin is dict:
            return _mapping(value, where)
        if base is bool:
            return _boolean(value)
        if base in (int, float):
            return _number(value, base, hint, where)
        if base is str and isinstance(value, bool):
            raise ConfigError(f"{where}: YAML reads {value} here. Put the word in quotes, as in 'off'.")
        if isinstance(value, (dict, list)):
            raise ValueError(value)
        return base(value)
    except (TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{where}: {value!r} is not {_metavar(base).lower()}.") from error


def _number(value: Any, base: type, hint: Any, where: str) -> Any:
    limits = range_of(hint)
    try:
        if isinstance(value, (bool, dict, list)) or (base is int and isinstance(value, float) and value % 1):
            raise ValueError(value)
        number = base(value)
    except (TypeError, ValueError, OverflowError) as error:
        advice = f" Take {limits}." if limits else ""
        raise ConfigError(f"{where}: {value!r} is not {_metavar(base).lower()}.{advice}") from error
    if limits is not None and number not in limits:
        raise ConfigError(f"{where}: {number} is out of range. Take {limits}.")
    return number


def _merged(lower: Any, upper: Any) -> Any:
    if not (isinstance(lower, Mapping) and isinstance(upper, Mapping) and upper):
        return upper
    return {**lower, **{key: _merged(lower.get(key), value) for key, value in upper.items()}}


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "yes", "on", "1"):
        return True
    if str(value).lower() in ("false", "no", "off", "0"):
        return False
    raise ValueError(value)


def _choice(value: str, choices: Sequence[str], where: str) -> str:
    if value in choices:
        return value
    near = get_close_matches(value, choices, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"{where}: {value!r} is not one of {', '.join(choices)}.{hint}")


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    pairs: dict[str, Any] = {}
    for text in [value] if isinstance(value, str) else value:
        key, equals, item = str(text).partition("=")
        if not equals or not key:
            raise ConfigError(f"{where}: {text!r} has no key. Write it as key=value.")
        try:
            pairs[key.replace("-", "_")] = yaml.safe_load(item)
        except yaml.YAMLError as error:
            raise ConfigError(f"{where}: {text!r}: the value is not YAML. Quote it, as in 'key=\"value\"'.") from error
    return pairs


def _metavar(base: Any) -> str:
    if typing.get_origin(base) is typing.Literal:
        return "{" + ",".join(typing.get_args(base)) + "}"
    names = {tuple: "TEXT", dict: "KEY=VALUE", str: "TEXT", int: "INTEGER", float: "NUMBER", bool: "YES OR NO"}
    return "PATH" if base is Path else names.get(typing.get_origin(base) or base, "VALUE")


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _shown(value: Any, optional: bool) -> str:
    if value is None or (optional and value == ""):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) or "none" if isinstance(value, (tuple, dict)) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
