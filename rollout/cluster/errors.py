"""What can go wrong between the driver and its actors."""

from __future__ import annotations

from envs import EnvError


class ClusterError(EnvError, RuntimeError):
    """There is no cluster, its actors do not start, or more of them fail than a run may lose."""


class Gone(Exception):
    """An actor died, or did not answer in time and is taken for dead."""


class Died(Gone):
    """An actor is dead for certain: its process ended, or its machine was lost."""
