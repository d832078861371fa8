"""Which environments there are: versioned ids, entry points that are imported when an environment is made."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from envs.errors import RegistryError

if TYPE_CHECKING:
    from envs.base import TextEnv

_ID = re.compile(r"(?P<name>[A-Za-z][\w./]*(?:-[A-Za-z]\w*)*)-v(?P<version>\d+)")
_specs: dict[str, Spec] = {}


@dataclass(frozen=True, slots=True)
class Spec:
    """A registered environment.

    Attributes:
        id: its name and version, as in `ALFWorld-v1`. A change that changes scores is a new version.
        entry_point: `module:Class` of a `TextEnv`.
    """

    id: str
    entry_point: str

    @property
    def name(self) -> str:
        """The short name without version, in lower case: what the command line takes."""
        return self.id.rpartition("-v")[0].lower()

    @property
    def version(self) -> int:
        return int(self.id.rpartition("-v")[2])

    def load(self) -> type[TextEnv[Any]]:
        """Import the class.

        Raises:
            RegistryError: if the entry point does not import.
        """
        module, _, attribute = self.entry_point.partition(":")
        try:
            cls: type[TextEnv[Any]] = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise RegistryError(
                f"the entry point {self.entry_point!r} does not import ({error})", where=self.id
            ) from error
        return cls


def register(id: str, entry_point: str) -> Spec:
    """Add an environment. Its class is imported when it is first made.

    Args:
        id: name and version, as in `MyEnv-v1`.
        entry_point: `module:Class`, a class derived from `envs.TextEnv`.

    Raises:
        RegistryError: if the id has no version, the entry point no class, or the id is taken by another entry point.
    """
    if not _ID.fullmatch(id):
        raise RegistryError(f"{id!r} is not an environment id", remedy="Write name and version, as in 'MyEnv-v1'.")
    if not re.fullmatch(r"[\w.]+:\w+", entry_point):
        raise RegistryError(f"{entry_point!r} is not an entry point", where=id, remedy="Write 'module:Class'.")
    spec = Spec(id, entry_point)
    taken = _specs.get(id.lower())
    if taken is not None and taken != spec:
        raise RegistryError(f"the id is taken by {taken.entry_point}", where=id, remedy="Register a new version.")
    _specs[id.lower()] = spec
    return spec


def specs() -> list[Spec]:
    """Every registered environment, by name and version."""
    return sorted(_specs.values(), key=lambda spec: (spec.name, spec.version))


def find(id: str) -> Spec:
    """The environment of this id: `ALFWorld-v1`, or `alfworld` for its newest version; case does not matter.

    Raises:
        RegistryError: naming the nearest id, or the versions that exist.
    """
    wanted = id.strip().lower()
    if wanted in _specs:
        return _specs[wanted]
    name = wanted.rpartition("-v")[0] if re.search(r"-v\d+$", wanted) else wanted
    versions = [spec for spec in specs() if spec.name == name]
    if versions and wanted == name:
        return versions[-1]
    known = ", ".join(spec.id for spec in specs())
    if versions:
        raise RegistryError(f"there is no {id!r}", remedy=f"There is {', '.join(spec.id for spec in versions)}.")
    near = get_close_matches(name, {spec.name for spec in specs()}, n=1, cutoff=0.4)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise RegistryError(f"unknown environment {id!r}", remedy=f"{hint}There are: {known}.")


def make(id: str, **kwargs: Any) -> TextEnv[Any]:
    """Make an environment.

    Args:
        id: `alfworld`, `dbbench`, a versioned id, or one added by `register`.
        kwargs: passed to the environment's class; its docstring is the environment's card.

    Raises:
        RegistryError: if there is no such environment, or its class does not take one of the arguments.
    """
    spec = find(id)
    cls = spec.load()
    try:
        inspect.signature(cls).bind(**kwargs)
    except TypeError as error:
        taken = ", ".join(inspect.signature(cls).parameters)
        raise RegistryError(f"cannot be made: {error}", where=spec.id, remedy=f"It takes {taken}.") from None
    env = cls(**kwargs)
    env.id = spec.id
    return env
