"""The one error of this package."""

from __future__ import annotations


class ConfigError(ValueError):
    """A key or value that no command takes. The message names the place, the value and the nearest key."""
