"""Lines that a person types: with history and completion where both ends are a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

_KEYWORDS = """
SELECT FROM WHERE INSERT INTO VALUES UPDATE SET DELETE GROUP BY ORDER LIMIT HAVING JOIN LEFT ON AND OR NOT IN LIKE
BETWEEN IS NULL AS DISTINCT COUNT SUM AVG MIN MAX DESC ASC UNION CASE WHEN THEN ELSE END CAST SHOW TABLES DESCRIBE
"""
SQL = tuple(_KEYWORDS.split())
"""What Tab completes in a statement."""

_BETWEEN_WORDS = " \t\n(),;`'\"=<>"


class LineEditor:
    """Asks for a line. On a terminal the arrow keys bring back earlier lines, and Tab completes what is offered.

    Attributes:
        edits: whether it does: standard input and output are a terminal, and Python has readline.
    """

    def __init__(self) -> None:
        self._offered: Sequence[str] = ()
        self._readline = _readline() if sys.stdin.isatty() and sys.stdout.isatty() else None
        self.edits = self._readline is not None
        if self._readline is not None:
            self._readline.set_completer(self.complete)
            self._readline.parse_and_bind("tab: complete")

    def offer(self, lines: Sequence[str], words: Sequence[str] = ()) -> None:
        """What Tab completes from now on: whole lines, or single words where there are no lines."""
        self._offered = lines or words
        if self._readline is not None:
            self._readline.set_completer_delims("" if lines else _BETWEEN_WORDS)

    def complete(self, begun: str, number: int) -> str | None:
        """The `number`-th of what is offered that begins so; None after the last. Case does not matter."""
        found = [text for text in self._offered if text.lower().startswith(begun.lower())]
        return found[number] if number < len(found) else None

    def ask(self, prompt: str) -> str:
        """The next line, without the blanks around it.

        Raises:
            EOFError: if there are no more.
        """
        if not self.edits:
            return input(prompt).strip()
        # Marked so that readline does not count what has no width.
        return input(f"\001\033[1;36m\002{prompt}\001\033[0m\002").strip()


def _readline() -> Any:
    try:
        import readline
    except ImportError:  # not on every system
        return None
    return readline
