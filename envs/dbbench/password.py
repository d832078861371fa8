"""The password in a database's URL, which may be the name of an environment variable."""

from __future__ import annotations

import os
import re

from envs.errors import TaskError


def password_of(written: str | None) -> str | None:
    """The password that a URL holds; `$NAME` stands for an environment variable.

    Raises:
        TaskError: if that is not set.
    """
    if not written or not written.startswith("$"):
        return written
    if written[1:] not in os.environ:
        raise TaskError(f"the environment variable {written[1:]} is not set", remedy=f"Type: export {written[1:]}=...")
    return os.environ[written[1:]]


def password_variable(url: str) -> str | None:
    """The environment variable that a URL names in place of its password, if it names one."""
    found = re.search(r"://[^/@:]*:\$(\w+)@", url)
    return found[1] if found else None
