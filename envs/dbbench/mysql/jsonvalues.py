"""JSON documents: read with the server's errors, printed in its form, and compared in its order.

A document is Python's dict, list, str, int, bool or None, and `Real` for numbers with a point. Its text is the
server's: keys sorted by length, then by bytes; a space behind each comma and colon.
"""

from __future__ import annotations

import json
import re
import struct
from typing import Any, NoReturn

from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.numbers import double_of, double_text

MAX_NESTING = 100
MAX_WORK = 500_000
"""Elements that one call may look at: what is compared or found several times is counted each time."""
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TO_ESCAPE = re.compile(r'["\\\x00-\x1f]')


class Work:
    """How many elements a call may still look at: no clock stops it meanwhile."""

    def __init__(self) -> None:
        self.left = MAX_WORK

    def spend(self, elements: int) -> None:
        """Raises 3024 when all are spent."""
        self.left -= elements
        if self.left < 0:
            raise MySQLError(3024)


class Real(float):
    """A number with a fraction or an exponent, and its text."""

    text: str

    def __new__(cls, text: str) -> Real:
        real = super().__new__(cls, text)
        real.text = text
        return real


def parse(text: str, argument: int, function: str) -> Any:
    """A document from a user's text. Raises 3141 with the server's reason and position, 3157 for one too deep."""
    try:
        document = json.loads(text, parse_int=_integer, parse_float=_real, parse_constant=_refused)
    except (ValueError, RecursionError):
        reason, place = _Finder(text).find()
        raise MySQLError(3141, argument, function, reason, len(text[:place].encode("utf-8", "replace"))) from None
    if text.count("[") + text.count("{") > MAX_NESTING and depth(document) > MAX_NESTING:
        raise MySQLError(3157)
    return document


def load(text: str) -> Any:
    """A document from the server's own text of it."""
    return json.loads(text, parse_int=_integer, parse_float=Real)


def dump(document: Any) -> str:
    """The server's text of a document."""
    if isinstance(document, str):
        return quote(document)
    if isinstance(document, dict):
        members = sorted(document.items(), key=lambda member: key_order(member[0]))
        return "{" + ", ".join(f"{quote(key)}: {dump(value)}" for key, value in members) + "}"
    if isinstance(document, list):
        return "[" + ", ".join(map(dump, document)) + "]"
    if isinstance(document, Real):
        return document.text
    return {None: "null", True: "true", False: "false"}[document] if _is_word(document) else str(document)


def quote(text: str) -> str:
    return '"' + _TO_ESCAPE.sub(lambda match: _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}", text) + '"'


def real_text(number: float) -> str:
    """A double as JSON shows it: 1.0 keeps its point."""
    text = double_text(number)
    return text if "." in text or "e" in text else text + ".0"


def depth(document: Any) -> int:
    """1 for a scalar and for an empty array or object. Deeper than Python's stack is deeper than allowed."""
    most, pending = 1, [(document, 1)]
    while pending:
        node, level = pending.pop()
        most = max(most, level)
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        pending += [(item, level + 1) for item in inner]
    return most


def type_name(document: Any) -> str:
    """JSON_TYPE's answer."""
    if isinstance(document, bool):
        return "BOOLEAN"
    if isinstance(document, int):
        return "INTEGER" if document < 2**63 else "UNSIGNED INTEGER"
    if isinstance(document, Real):
        return "DOUBLE"
    if isinstance(document, str):
        return "STRING"
    return "OBJECT" if isinstance(document, dict) else "ARRAY" if isinstance(document, list) else "NULL"


def number_of(document: Any) -> float:
    """A document as a number, 0 where it is none."""
    if isinstance(document, str):
        return double_of(document)
    return float(document) if isinstance(document, int | float) else 0.0


# --- order


def key(document: Any) -> str:
    """What a document sorts, groups and compares by: first the type's precedence, then the value (manual, "Comparison
    and Ordering of JSON Values"). Numbers compare as doubles."""
    if isinstance(document, bool):
        return f"5{document:d}"
    if isinstance(document, list):
        return "4" + "".join(f"\x02{key(item)}" for item in document) + "\x01"
    if isinstance(document, dict):
        members = sorted(document.items(), key=lambda member: key_order(member[0]))
        inner = "".join(f"{len(name):06d}{name}\x01{key(item)}\x01" for name, item in members)
        return f"3{len(document):06d}{inner}"
    if isinstance(document, str):
        return f"2{document}"
    return "0" if document is None else f"1{_number_key(float(document))}"


def _number_key(number: float) -> str:
    """A double as text of its order: the sign bit turned for positive numbers, all bits for negative ones."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", number + 0.0))
    return f"{bits ^ (2**64 - 1 if bits >> 63 else 2**63):016x}"


def contains(target: Any, candidate: Any) -> bool:
    """JSON_CONTAINS: an array contains what each of the candidate's elements is found in."""
    return _contains(target, candidate, Work())


def _contains(target: Any, candidate: Any, work: Work) -> bool:
    if isinstance(target, dict):
        return isinstance(candidate, dict) and all(
            key in target and _contains(target[key], value, work) for key, value in candidate.items()
        )
    if isinstance(target, list):
        work.spend(1 + len(target))
        wanted = candidate if isinstance(candidate, list) else [candidate]
        scalars = {key(item) for item in target if not isinstance(item, dict | list)}
        nested = [item for item in target if isinstance(item, dict | list)]
        return all(
            any(_found_in(item, value, work) for item in nested)
            if isinstance(value, dict | list)
            else key(value) in scalars
            for value in wanted
        )
    return key(target) == key(candidate)


def _found_in(item: Any, value: Any, work: Work) -> bool:
    work.spend(1)
    return type(item) is type(value) and _contains(item, value, work)


def key_order(key: str) -> tuple[int, bytes]:
    raw = key.encode("utf-8", "replace")
    return len(raw), raw


def _is_word(document: Any) -> bool:
    return document is None or isinstance(document, bool)


# --- reading


def _integer(digits: str) -> int | Real:
    number = int(digits[:25])
    return number if len(digits) <= 20 and -(2**63) <= number < 2**64 else _real(digits)


def _real(digits: str) -> Real:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError
    return Real(real_text(number))


def _refused(word: str) -> NoReturn:
    raise ValueError(word)


class _Found(Exception):
    pass


class _Finder:
    """Where a text stops to be JSON, and why, in the words of the server's parser (RapidJSON)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def find(self) -> tuple[str, int]:
        try:
            self._space()
            if self.at == len(self.text):
                self._fail("The document is empty.")
            self._value(0)
            self._space()
            self._fail("The document root must not be followed by other values.")
        except _Found as found:
            return str(found), self.at

    def _fail(self, reason: str) -> NoReturn:
        raise _Found(reason)

    def _space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _value(self, nesting: int) -> None:
        if nesting > MAX_NESTING:
            raise MySQLError(3157)
        char = self._next()
        if char == "{":
            self._object(nesting)
        elif char == "[":
            self._array(nesting)
        elif char == '"':
            self._string()
        elif char in ("t", "f", "n"):
            word = {"t": "true", "f": "false", "n": "null"}[char]
            for letter in word:
                if self._next() != letter:
                    self._fail("Invalid value.")
                self.at += 1
        else:
            self._number()

    def _number(self) -> None:
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            self.at += self._next() == "-"
            self._fail("Invalid value.")
        begin, self.at = self.at, match.end()
        if self._next() == ".":
            self.at += 1
            self._digits("Miss fraction part in number.")
        if self._next() in ("e", "E") and self._next():
            self.at += 1
            self.at += self._next() in ("+", "-") and bool(self._next())
            self._digits("Miss exponent in number.")
        if abs(float(self.text[begin : self.at])) == float("inf"):
            self.at = begin
            self._fail("Number too big to be stored in double.")

    def _digits(self, reason: str) -> None:
        if not ("0" <= self._next() <= "9"):
            self._fail(reason)
        while "0" <= self._next() <= "9":
            self.at += 1

    def _string(self) -> None:
        self.at += 1
        while (char := self._next()) != '"':
            if not char or char == "\0":
                self._fail("Missing a closing quotation mark in string.")
            if char < " ":
                self._fail("Invalid encoding in string.")
            if char == "\\":
                self._escape()
            else:
                self.at += 1
        self.at += 1

    def _escape(self) -> None:
        char = self.text[self.at + 1 : self.at + 2]
        if char and char in '"\\/bfnrt':
            self.at += 2
        elif char == "u":
            if not re.match(r"[0-9a-fA-F]{4}", self.text[self.at + 2 : self.at + 6]):
                self._fail("Incorrect hex digit after \\u escape in string.")
            self.at += 6
        else:
            self._fail("Invalid escape character in string.")

    def _object(self, nesting: int) -> None:
        self.at += 1
        self._space()
        if self._next() == "}":
            self.at += 1
            return
        while True:
            if self._next() != '"':
                self._fail("Missing a name for object member.")
            self._string()
            self._space()
            if self._next() != ":":
                self._fail("Missing a colon after a name of object member.")
            self.at += 1
            self._space()
            self._value(nesting + 1)
            self._space()
            if self._next() == "}":
                self.at += 1
                return
            if self._next() != ",":
                self._fail("Missing a comma or } after an object member.")
            self.at += 1
            self._space()

    def _array(self, nesting: int) -> None:
        self.at += 1
        self._space()
        if self._next() == "]":
            self.at += 1
            return
        while True:
            self._value(nesting + 1)
            self._space()
            if self._next() == "]":
                self.at += 1
                return
            if self._next() != ",":
                self._fail("Missing a comma or ] after an array element.")
            self.at += 1
            self._space()
