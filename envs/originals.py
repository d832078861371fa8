"""Instruction texts of other projects, read from a checkout that the user names and never kept here.

`AGENTBENCH_HOME` and `VERL_AGENT_HOME` name the checkouts. The text is found in the checkout's source by the name of
the constant, or of the function that returns it; nothing of the checkout is imported or run.
"""

from __future__ import annotations

import ast
import os
from pathlib import Path

from envs.errors import DataError


def original_text(variable: str, file: str, name: str) -> str | None:
    """A text of another project, or None where the environment variable names no checkout.

    Args:
        variable: the environment variable with the checkout's folder.
        file: the path of the source file within it.
        name: the constant that holds the text, or the function whose last `return` gives it.

    Raises:
        DataError: if the variable is set but the file or the text is not there.
    """
    home = os.environ.get(variable)
    if not home:
        return None
    path = Path(home) / file
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot be read ({error})", where=path, remedy=f"Let {variable} name a checkout, or unset it."
        ) from error
    texts = [text for node in ast.walk(tree) if (text := _text_of(node, name)) is not None]
    if not texts:
        raise DataError(
            f"holds no text {name!r}", where=path, remedy=f"Check out another version, or unset {variable}."
        )
    return texts[-1]


def _text_of(node: ast.AST, name: str) -> str | None:
    value: ast.expr | None = None
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
        value = node.value
    elif isinstance(node, ast.FunctionDef) and node.name == name:
        value = next((last.value for last in reversed(node.body) if isinstance(last, ast.Return)), None)
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
