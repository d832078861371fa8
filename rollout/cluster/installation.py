"""The front door's check, in an actor."""

from __future__ import annotations

import contextlib
import io

from rollout.cluster.errors import ClusterError


def checked_installation() -> None:
    """Refuse to work where a package of ours is shadowed.

    Raises:
        ClusterError: with what the front door says; the driver shows it, for nobody sees this process's output.
    """
    from train_agent import check_installation

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            check_installation()
    except SystemExit:
        raise ClusterError(" ".join(said.getvalue().split()), where="an actor") from None
