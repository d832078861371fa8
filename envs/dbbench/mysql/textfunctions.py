"""MySQL's functions of text, registered like those of functions.py."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Callable

from envs.dbbench.mysql.binary import to_bytes, to_text
from envs.dbbench.mysql.collation import equal, fold, sort_key
from envs.dbbench.mysql.functions import MAX_TEXT, function
from envs.dbbench.mysql.strict import warn
from envs.dbbench.mysql.types import INT, RAW, TEXT

# --- pieces of text


@function("LEFT", "ti", TEXT)
def left(text: str, length: int) -> str:
    return text[: max(length, 0)]


@function("RIGHT", "ti", TEXT)
def right(text: str, length: int) -> str:
    return text[max(len(text) - length, 0) :] if length > 0 else ""


@function("SUBSTRING SUBSTR MID", "ti|i", TEXT)
def substring(text: str, start: int, length: int | None = None) -> str:
    begin = start - 1 if start > 0 else len(text) + start
    if start == 0 or begin < 0:
        return ""
    return text[begin:] if length is None else text[begin : begin + max(length, 0)]


@function("SUBSTRING_INDEX", "tti", TEXT)
def substring_index(text: str, delimiter: str, count: int) -> str:
    if not delimiter or not count:
        return ""
    parts = text.split(delimiter)
    if abs(count) >= len(parts):
        return text
    return delimiter.join(parts[:count] if count > 0 else parts[count:])


@function("CONCAT", "t*", TEXT)
def concat(*parts: str) -> str | None:
    return "".join(parts) if sum(map(len, parts)) <= MAX_TEXT else None


@function("CONCAT_WS", "tt*", TEXT, nulls=True)
def concat_ws(separator: str | None, *parts: str | None) -> str | None:
    return None if separator is None else separator.join(part for part in parts if part is not None)[: MAX_TEXT + 1]


@function("REPLACE", "ttt", TEXT)
def replace(text: str, old: str, new: str) -> str | None:
    if not old:
        return text
    if len(text) + text.count(old) * (len(new) - len(old)) > MAX_TEXT:
        return None
    return text.replace(old, new)


@function("INSERT", "tiit", TEXT)
def insert(text: str, position: int, length: int, new: str) -> str:
    if not 1 <= position <= len(text):
        return text
    end = len(text) if length < 0 else position - 1 + length
    return text[: position - 1] + new + text[end:]


@function("REPEAT", "ti", TEXT)
def repeat(text: str, count: int) -> str | None:
    return text * max(count, 0) if len(text) * count <= MAX_TEXT else None


@function("SPACE", "i", TEXT)
def space(count: int) -> str | None:
    return " " * max(count, 0) if count <= MAX_TEXT else None


def _padding(pad: str, length: int) -> str:
    return (pad * (length // len(pad) + 1))[:length] if pad else ""


@function("LPAD", "tit", TEXT)
def lpad(text: str, length: int, pad: str) -> str | None:
    if not 0 <= length <= MAX_TEXT:
        return None
    if len(text) >= length:
        return text[:length]
    return _padding(pad, length - len(text)) + text


@function("RPAD", "tit", TEXT)
def rpad(text: str, length: int, pad: str) -> str | None:
    if not 0 <= length <= MAX_TEXT:
        return None
    if len(text) >= length:
        return text[:length]
    return text + _padding(pad, length - len(text))


def _strip(text: str, what: str, start: bool, end: bool) -> str:
    if not what:
        return text
    while start and text.startswith(what):
        text = text[len(what) :]
    while end and text.endswith(what):
        text = text[: -len(what)]
    return text


def _trim(start: bool, end: bool) -> Callable[[str, str], str]:
    def trim(text: str, what: str) -> str:
        if len(what) == 1:
            text = text.lstrip(what) if start else text
            return text.rstrip(what) if end else text
        # Cutting one piece after the other copies the text each time.
        return _strip(text[:100_000], what, start, end)

    return trim


function("trim_both", "tt", TEXT)(_trim(True, True))
function("trim_leading", "tt", TEXT)(_trim(True, False))
function("trim_trailing", "tt", TEXT)(_trim(False, True))


@function("LTRIM", "t", TEXT)
def ltrim(text: str) -> str:
    return text.lstrip(" ")


@function("RTRIM", "t", TEXT)
def rtrim(text: str) -> str:
    return text.rstrip(" ")


def _upper(char: str) -> str:
    """One character for one (Unicode's simple mapping); of several in upper case that of a title may be one."""
    return next((one for one in (char.upper(), char.title()) if len(one) == 1), char)


@function("UPPER UCASE", "t", TEXT)
def upper(text: str) -> str:
    return "".join(map(_upper, text))


@function("LOWER LCASE", "t", TEXT)
def lower(text: str) -> str:
    return "".join(small if len(small := char.lower()) == 1 else small[0] for char in text)


@function("REVERSE", "t", TEXT)
def reverse(text: str) -> str:
    return text[::-1]


@function("QUOTE", "t", TEXT, nulls=True)
def quote(text: str | None) -> str:
    if text is None:
        return "NULL"
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0").replace("\x1a", "\\Z")
    return f"'{escaped}'"


@function("CHAR", "i*", RAW, nulls=True)
def char(*codes: int | None) -> str:
    raw = b"".join((code % 2**32).to_bytes(4, "big").lstrip(b"\0") or b"\0" for code in codes if code is not None)
    return to_text(raw)


@function("HEX", "t", TEXT)
def hex_(text: str) -> str:
    return to_bytes(text).hex().upper()


@function("UNHEX", "t", RAW)
def unhex(text: str) -> str | None:
    if re.fullmatch("[0-9A-Fa-f]*", text) is None:
        warn(1411, "string", f"'{text}'", "unhex")
        return None
    return to_text(bytes.fromhex(text if len(text) % 2 == 0 else "0" + text))


@function("TO_BASE64", "t", TEXT)
def to_base64(text: str) -> str:
    return base64.encodebytes(to_bytes(text)).decode("ascii").rstrip("\n")


@function("FROM_BASE64", "t", RAW)
def from_base64(text: str) -> str | None:
    try:
        return to_text(base64.b64decode(text, validate=False))
    except ValueError:
        return None


@function("SOUNDEX", "t", TEXT)
def soundex(text: str) -> str:
    codes = dict(zip("BFPVCGJKQSXZDTLMNR", "111122222222334556", strict=True))
    letters = [c for c in text.upper() if c.isalpha()]
    if not letters:
        return ""
    result, last = letters[0], codes.get(letters[0], "")
    for letter in letters[1:]:
        code = codes.get(letter, "")
        if code and code != last:
            result += code
        if letter not in "HW":
            last = code
    return result.ljust(4, "0")


@function("SHA2", "ti", TEXT)
def sha2(text: str, bits: int) -> str | None:
    name = {0: "sha256", 224: "sha224", 256: "sha256", 384: "sha384", 512: "sha512"}.get(bits)
    return hashlib.new(name, to_bytes(text)).hexdigest() if name else None


@function("MAKE_SET", "ut*", TEXT, nulls=True)
def make_set(bits: int | str | None, *items: str | None) -> str | None:
    if bits is None:
        return None
    return ",".join(item for i, item in enumerate(items) if item is not None and int(bits) >> i & 1)


@function("EXPORT_SET", "utt|ti", TEXT)
def export_set(bits: int | str, on: str, off: str, separator: str = ",", count: int = 64) -> str:
    count = count if 0 <= count <= 64 else 64
    return separator.join(on if int(bits) >> i & 1 else off for i in range(count))


# Functions whose result is a binary string, or compares by its bytes, where one of their arguments does.
COLLATED = frozenset(
    """
    CONCAT CONCAT_WS ELT EXPORT_SET INSERT LCASE LEFT LOWER LPAD LTRIM MAKE_SET MID QUOTE REPEAT REPLACE REVERSE RIGHT
    RPAD RTRIM SUBSTR SUBSTRING SUBSTRING_INDEX UCASE UPPER trim_both trim_leading trim_trailing
    """.split()  # noqa: SIM905
)

# --- numbers from text


@function("LENGTH OCTET_LENGTH", "t", INT)
def length(text: str) -> int:
    return len(to_bytes(text))


@function("BIT_LENGTH", "t", INT)
def bit_length(text: str) -> int:
    return 8 * len(to_bytes(text))


@function("CHAR_LENGTH CHARACTER_LENGTH", "t", INT)
def char_length(text: str) -> int:
    return len(text)


@function("ASCII", "t", INT)
def ascii_(text: str) -> int:
    return to_bytes(text)[0] if text else 0


@function("ORD", "t", INT)
def ord_(text: str) -> int:
    return int.from_bytes(to_bytes(text[0]), "big") if text else 0


@function("CRC32", "t", INT)
def crc32(text: str) -> int:
    return zlib.crc32(to_bytes(text))


@function("LOCATE", "tt|i", INT)
def locate(what: str, text: str, start: int = 1) -> int:
    return fold(text).find(fold(what), start - 1) + 1 if start >= 1 else 0


@function("INSTR", "tt", INT)
def instr(text: str, what: str) -> int:
    return fold(text).find(fold(what)) + 1


@function("FIND_IN_SET", "tt", INT)
def find_in_set(what: str, items: str) -> int:
    if not items or "," in what:
        return 0
    key = sort_key(what)
    return next((i for i, item in enumerate(items.split(","), 1) if sort_key(item) == key), 0)


@function("STRCMP", "tt", INT)
def strcmp(left_text: str, right_text: str) -> int:
    a, b = sort_key(left_text), sort_key(right_text)
    return (a > b) - (a < b)


@function("field_text", "tt*", INT, nulls=True)
def field_text(what: str | None, *items: str | None) -> int:
    if what is None:
        return 0
    return next((i for i, item in enumerate(items, 1) if item is not None and equal(item, what)), 0)


@function("field_number", "rr*", INT, nulls=True)
def field_number(what: float | None, *items: float | None) -> int:
    return next((i for i, item in enumerate(items, 1) if item is not None and item == what), 0)


@function("ELT", "it*", TEXT, nulls=True)
def elt(position: int | None, *items: str | None) -> str | None:
    return items[position - 1] if position is not None and 1 <= position <= len(items) else None
