"""What the v0.2 protocol reads out of a model's turn: an operation, its SQL, or the final answer.

The patterns are AgentBench's (tag v0.2, `src/server/tasks/dbbench/__init__.py`); the SQL block needs its line breaks,
and a final answer needs a line break before it, so it is not found on a turn's first line.
"""

from __future__ import annotations

import re

_ACTION = re.compile(r"Action: (.*?)\n")
_SQL = re.compile(r"```sql\n([\s\S]*?)\n```")
_FINAL = re.compile(r"\nFinal Answer:(.*)")


def is_operation(text: str) -> bool:
    """Whether the turn's first action is exactly "Operation"; everything else is read as an answer."""
    action = _ACTION.search(text)
    return action is not None and action[1] == "Operation"


def operation_sql(text: str) -> str | None:
    """The first fenced SQL, on one line. None if there is none: the episode ends as a validation failure."""
    block = _SQL.search(text)
    return block[1].strip().replace("\n", " ") if block else None


def final_answer(text: str) -> str | None:
    """The answer with its leading space, as `grade(rule="v02")` wants it. None is a validation failure.

    It is read out of every turn that ends the episode, so also out of an operation beyond the limit of rounds.
    """
    found = _FINAL.search(text)
    return found[1] if found else None
