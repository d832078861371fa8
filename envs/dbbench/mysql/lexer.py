"""MySQL's lexer: where its rules differ from other dialects' the refusals (and their near-texts) begin.

Sources: MySQL's reference manual, chapter "Language Structure" (literals, identifiers, comments), sql_mode without
ANSI_QUOTES, PIPES_AS_CONCAT, NO_BACKSLASH_ESCAPES and IGNORE_SPACE.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from envs.dbbench.mysql.binary import to_text
from envs.dbbench.mysql.errors import MySQLError, syntax_error

MAX_LENGTH = 40_000
_SPACE = " \t\n\r\v\f"
_WORD = re.compile(r"[0-9A-Za-z_$\u0080-\U0010ffff]+")
_NUMBER = re.compile(r"(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_FLOAT_WORD = re.compile(r"\d+[eE][+-]?\d+", re.ASCII)
_OPERATORS = ("<=>", "->>", "<=", ">=", "<>", "!=", ":=", "<<", ">>", "&&", "||", "->")
_SINGLE = set("+-*/%^&|~!=<>(),.;@?{}:")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "0": "\0", "Z": "\x1a", "%": "\\%", "_": "\\_"}
_RADIX = {"x": 16, "X": 16, "b": 2, "B": 2}


@dataclass(frozen=True, slots=True)
class Token:
    """A token: `kind` is word, quoted (backticks), string, number, bytes, op, bad (no token of MySQL's) or end.

    `text` is the value: a word as written, a string without quotes and escapes, a number's digits.
    `behind_dot` marks a word that directly follows "." and so is never a keyword.
    """

    kind: str
    text: str
    start: int
    end: int
    behind_dot: bool = False


def strip(sql: str) -> str:
    """The statement as the server sees it: it drops white space around and semicolons behind (dispatch_command)."""
    return sql.lstrip(_SPACE + "\0").rstrip(_SPACE + ";\0")


def tokenize(sql: str) -> list[Token]:
    """All tokens of a stripped statement, then one of kind "end".

    What MySQL's lexer cannot read becomes a token of kind "bad": it is refused where the grammar meets it.
    """
    if len(sql) > MAX_LENGTH:
        raise MySQLError(1153)
    return _Lexer(sql).run()


def is_blank(sql: str) -> bool:
    """Whether a statement has nothing but comments."""
    return strip(sql).startswith(("#", "-", "/")) and len(tokenize(strip(sql))) == 1


class _Lexer:
    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.at = 0
        self.tokens: list[Token] = []
        self.in_version_comment = False

    def run(self) -> list[Token]:
        while self._skip_blanks():
            self._token()
        self.tokens.append(Token("end", "", len(self.sql), len(self.sql)))
        return self.tokens

    def _add(self, kind: str, text: str, end: int) -> None:
        before = self.tokens[-1] if self.tokens else None
        behind_dot = kind == "word" and before is not None and before.text == "." and before.end == self.at
        self.tokens.append(Token(kind, text, self.at, end, behind_dot))
        self.at = end

    def _skip_blanks(self) -> bool:
        sql = self.sql
        while self.at < len(sql):
            char = sql[self.at]
            if char in _SPACE:
                self.at += 1
            elif char == "#" or (sql.startswith("--", self.at) and sql[self.at + 2 : self.at + 3] in ("", *_SPACE)):
                line_end = sql.find("\n", self.at)
                self.at = len(sql) if line_end < 0 else line_end
            elif sql.startswith("/*", self.at):
                self._comment()
            elif self.in_version_comment and sql.startswith("*/", self.at):
                self.in_version_comment = False
                self.at += 2
            else:
                return True
        return False

    def _comment(self) -> None:
        if self.sql.startswith("/*!", self.at):
            # /*! ... */ is SQL to MySQL, with an optional version of five or six digits in front.
            self.in_version_comment = True
            version = re.compile(r"\d{5,6}").match(self.sql, self.at + 3)
            self.at = version.end() if version else self.at + 3
            return
        end = self.sql.find("*/", self.at + 2)
        if end < 0:
            raise syntax_error(self.sql, self.at)
        self.at = end + 2

    def _token(self) -> None:
        sql, char = self.sql, self.sql[self.at]
        if char in "'\"":
            self._string(self.at, "string")
        elif char == "`":
            self._backticks()
        elif char in "xXbBnN" and sql[self.at + 1 : self.at + 2] == "'":
            self._string(self.at + 1, "string" if char in "nN" else "bytes")
        elif _NUMBER.match(sql, self.at):
            self._number()
        elif word := _WORD.match(sql, self.at):
            self._add("word", word.group(), word.end())
        else:
            operator = next((op for op in _OPERATORS if sql.startswith(op, self.at)), char)
            self._add("op" if operator in _SINGLE or len(operator) > 1 else "bad", operator, self.at + len(operator))

    def _number(self) -> None:
        sql = self.sql
        before = self.tokens[-1] if self.tokens else None
        after_name = before is not None and before.text == "." and before.end == self.at
        word = _WORD.match(sql, self.at)
        number = _NUMBER.match(sql, self.at)
        if word and after_name:
            self._add("word", word.group(), word.end())
        elif word and re.fullmatch(r"0x[0-9a-fA-F]+|0b[01]+", word.group()):
            self._add("bytes", _radix_bytes(word.group()[2:], _RADIX[word.group()[1]]), word.end())
        elif word and not re.fullmatch(r"[0-9]+", word.group()) and not _FLOAT_WORD.match(sql, self.at):
            self._add("word", word.group(), word.end())  # 17ORDER is a name
        else:
            assert number is not None
            self._add("number", number.group(), number.end())

    def _backticks(self) -> None:
        match = re.compile(r"`((?:[^`]|``)*)`").match(self.sql, self.at)
        if match is None:
            self._add("bad", "`", len(self.sql))
        else:
            self._add("quoted", match.group(1).replace("``", "`"), match.end())

    def _string(self, quote_at: int, kind: str) -> None:
        sql, quote = self.sql, self.sql[quote_at]
        parts: list[str] = []
        at = quote_at + 1
        plain = re.compile(rf"[^\\{quote}]+")
        while at < len(sql):
            if run := plain.match(sql, at):
                parts.append(run.group())
                at = run.end()
            elif sql[at] == "\\" and at + 1 < len(sql):
                parts.append(_ESCAPES.get(sql[at + 1], sql[at + 1]))
                at += 2
            elif sql.startswith(quote * 2, at):
                parts.append(quote)
                at += 2
            elif sql[at] == quote:
                text = "".join(parts)
                if kind == "bytes":
                    text = self._quoted_bytes(text, _RADIX[sql[self.at]])
                self._add(kind, text, at + 1)
                return
            else:
                break
        self._add("bad", quote, len(sql))

    def _quoted_bytes(self, digits: str, radix: int) -> str:
        allowed = "01" if radix == 2 else "0123456789abcdefABCDEF"
        if any(digit not in allowed for digit in digits) or (radix == 16 and len(digits) % 2):
            raise syntax_error(self.sql, self.at)
        return _radix_bytes(digits, radix)


def _radix_bytes(digits: str, radix: int) -> str:
    if not digits:
        return ""
    bits = len(digits) * (4 if radix == 16 else 1)
    return to_text(int(digits, radix).to_bytes((bits + 7) // 8, "big"))
