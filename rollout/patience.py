"""How long a request to a server is worth waiting for."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a request is worth waiting for.

    Attributes:
        attempts: how often it is sent at most.
        backoff: seconds of the first pause; each further one is twice as long.
        pause: seconds of the longest pause, the server's `Retry-After` included.
        connect: seconds to connect.
        silence: seconds without a byte from the server. Without streaming a whole completion passes in silence.
        total: seconds for all attempts and pauses together.
    """

    attempts: int = 6
    backoff: float = 0.5
    pause: float = 60.0
    connect: float = 10.0
    silence: float = 300.0
    total: float = 590.0

    def capped(self, other: Patience) -> Patience:
        """The smaller of both in each respect."""
        return Patience(
            **{item.name: min(getattr(self, item.name), getattr(other, item.name)) for item in fields(self)}
        )


STARTUP = Patience(attempts=2, pause=5.0, connect=5.0, silence=10.0, total=25.0)
"""With the first question to a server, which costs it nothing: nobody should wait long for a run to begin."""

PROBE = Patience(attempts=2, pause=10.0, connect=5.0, silence=120.0, total=150.0)
"""With the first completion, for which a server may have to load its model."""
