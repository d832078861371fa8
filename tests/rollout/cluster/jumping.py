"""An event loop in which hours pass in a second."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any


class JumpingLoop(asyncio.SelectorEventLoop):
    """Its clock stands still while there is something to do, and then jumps to the next timer."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jump(self))

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """At once: a thread would not know of this clock."""
        future = self.create_future()
        future.set_result(func(*args))
        return future


class _Jump(selectors.DefaultSelector):  # type: ignore[valid-type, misc]
    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("nothing will ever happen")
        self.loop.now += max(0.0, timeout)
        return super().select(0)
