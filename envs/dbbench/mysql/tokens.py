"""Reading a statement token by token: what the grammar's rules are written in."""

from __future__ import annotations

from typing import NoReturn

from envs.dbbench.mysql.budget import Budget
from envs.dbbench.mysql.errors import MySQLError, syntax_error
from envs.dbbench.mysql.lexer import Token, strip, tokenize
from envs.dbbench.mysql.words import RESERVED

MAX_DEPTH = 40


class TokenReader:
    """A place in a statement's tokens. Raises MySQLError 1064 at the token that does not fit."""

    def __init__(self, sql: str, budget: Budget) -> None:
        self.budget = budget
        self.sql = strip(sql)
        if not self.sql:
            raise MySQLError(1065)
        self.tokens = tokenize(self.sql)
        # What each token can be as a keyword or operator, "" for names in backticks, strings and numbers.
        self.keys = [_key(token) for token in self.tokens]
        self.at = 0
        self.depth = 0

    @property
    def key(self) -> str:
        return self.keys[self.at]

    def ahead(self, distance: int = 1) -> str:
        return self.keys[min(self.at + distance, len(self.keys) - 1)]

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def fail(self) -> NoReturn:
        raise syntax_error(self.sql, self.token.start)

    def accept(self, *keys: str) -> bool:
        """Consumes the keys when all of them come next."""
        if all(self.ahead(i) == key for i, key in enumerate(keys)):
            self.at += len(keys)
            return True
        return False

    def expect(self, *keys: str) -> None:
        for key in keys:
            if self.key != key:
                self.fail()
            self.at += 1

    def at_identifier(self) -> bool:
        token = self.token
        return token.kind == "quoted" or (token.kind == "word" and (token.behind_dot or self.key not in RESERVED))

    def identifier(self) -> str:
        if not self.at_identifier():
            self.fail()
        self.at += 1
        return self.tokens[self.at - 1].text

    def string(self) -> str:
        if self.token.kind != "string":
            self.fail()
        self.at += 1
        return self.tokens[self.at - 1].text

    def starts_query(self) -> bool:
        """Whether "(" comes next and a query follows it, perhaps in more parentheses."""
        at = self.at
        while self.keys[at] == "(":
            at += 1
        if at == self.at or self.keys[at] not in ("SELECT", "WITH", "VALUES", "TABLE"):
            return False
        return self.keys[at] != "VALUES" or self.keys[at + 1] == "ROW"

    def integer(self) -> int:
        if self.token.kind != "number" or not self.token.text.isdigit():
            self.fail()
        self.at += 1
        return int(self.tokens[self.at - 1].text[:20])


def _key(token: Token) -> str:
    if token.kind == "word" and not token.behind_dot:
        return token.text.upper()
    return token.text if token.kind == "op" else ""
