"""Makes the helpers beside the tests importable (under importmode=importlib a test's folder is not on the path), and
starts real servers for those who ask."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import sql_servers


@pytest.fixture(scope="session")
def mariadb() -> Iterator[str]:
    """The URL of a MariaDB's root; the test skips where it cannot be started."""
    with _or_skip(sql_servers.mariadb()) as url:
        yield url


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL's superuser; the test skips where it cannot be started."""
    with _or_skip(sql_servers.postgres()) as url:
        yield url


@contextmanager
def _or_skip(server: AbstractContextManager[str]) -> Iterator[str]:
    with ExitStack() as stack:
        try:
            url = stack.enter_context(server)
        except sql_servers.Unavailable as reason:
            pytest.skip(str(reason))
        yield url
