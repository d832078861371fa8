"""Parameters of prepared statements, which are user variables in the end."""

from __future__ import annotations

from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.lexer import strip, tokenize


def bound(sql: str, variables: tuple[str, ...] | None) -> str:
    """The statement with a variable in the place of each `?`, or NULL where it is only looked at (None). Error 1210 for
    another number of variables."""
    text = strip(sql)
    marks = [token.start for token in tokenize(text) if token.kind == "op" and token.text == "?"]
    if variables is not None and len(marks) != len(variables):
        raise MySQLError(1210, "EXECUTE")
    names = ["NULL"] * len(marks) if variables is None else [f"@`{name.replace('`', '``')}`" for name in variables]
    for start, name in reversed(list(zip(marks, names, strict=True))):
        text = f"{text[:start]}{name}{text[start + 1 :]}"
    return text
