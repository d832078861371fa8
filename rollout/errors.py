"""What can be wrong with what a rollout is given, as opposed to what goes wrong in it."""

from __future__ import annotations

from envs.errors import EnvError


class ModelError(EnvError, ValueError):
    """A model, tokenizer or chat template that is not there, does not load, or cannot be used (wrong usage)."""

    wrong_usage = True
