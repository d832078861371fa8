"""MySQL's JSON functions, registered like those of functions.py. Documents come and go as the server's own text of
them (jsonvalues.py); jsoncalls.py makes that of every argument."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from envs.dbbench.mysql.collation import like
from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.functions import function as register
from envs.dbbench.mysql.jsonpaths import Path, is_wild, matches, parse_path, path_text
from envs.dbbench.mysql.jsonvalues import (
    contains,
    depth,
    dump,
    key,
    load,
    number_of,
    parse,
    quote,
    real_text,
    type_name,
)
from envs.dbbench.mysql.types import BINARY, DOUBLE, INT, JSON, TEXT, Type

MAX_DOCUMENTS = 500_000
"""Characters of a call's arguments together: a document takes fifty times its text in memory, and no clock stops it
while it is read."""


def function(names: str, takes: str, returns: Type, nulls: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """`functions.function`, for functions that answer 1153 to documents that are too long."""

    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def limited(*cells: Any) -> Any:
            if sum(len(cell) for cell in cells if isinstance(cell, str)) > MAX_DOCUMENTS:
                raise MySQLError(1153)
            return call(*cells)

        register(names, takes, returns, nulls)(limited)
        return call

    return wrap


# --- between JSON and other types


@function("json_document", "tit", JSON)
def json_document(text: str, argument: int, name: str) -> str:
    return dump(parse(text, argument, name))


@function("json_string", "t", JSON)
def json_string(text: str) -> str:
    return quote(text)


@function("json_real", "r", JSON)
def json_real(number: float) -> str:
    return real_text(number)


@function("json_number", "t", DOUBLE)
def json_number(text: str) -> float:
    return number_of(load(text))


@function("json_key", "t", BINARY)
def json_key(text: str) -> str:
    return key(load(text))


@function("json_valid", "t", INT)
def json_valid(text: str) -> int:
    try:
        parse(text, 1, "json_valid")
    except MySQLError:
        return 0
    return 1


@function("json_unquote", "t", BINARY)
def json_unquote(text: str) -> str:
    """Of a JSON document: a string's characters, any other document's text."""
    return load(text) if text.startswith('"') else text


@function("json_unquote_text", "t", BINARY)
def json_unquote_text(text: str) -> str:
    """Of a plain string: in quotes it must be a JSON string."""
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    return str(parse(text, 1, "json_unquote"))


# --- made of values


@function("json_array", "t*", JSON)
def json_array(*items: str) -> str:
    return "[" + ", ".join(items) + "]"


@function("json_object", "t*", JSON, nulls=True)
def json_object(*cells: str | None) -> str:
    """Names and documents in turn. Error 3158 for a name that is NULL."""
    document: dict[str, Any] = {}
    for name, value in zip(cells[::2], cells[1::2], strict=True):
        if name is None:
            raise MySQLError(3158)
        document[name] = load(value or "null")
    return dump(document)


# --- read


@function("json_extract", "tt*", JSON)
def json_extract(text: str, *paths: str) -> str | None:
    document = load(text)
    legs = [parse_path(path) for path in paths]
    found = [item for path in legs for item in matches(document, path)]
    if len(legs) > 1 or is_wild(legs[0]):
        return dump(found) if found else None
    return dump(found[0]) if found else None


@function("json_value", "tt", TEXT)
def json_value(text: str, path: str) -> str | None:
    found = matches(load(text), _single(path))
    if not found or found[0] is None:
        return None
    return str(found[0]) if isinstance(found[0], str) else dump(found[0])


@function("json_length", "t|t", INT)
def json_length(text: str, path: str = "$") -> int | None:
    found = matches(load(text), _single(path))
    return (len(found[0]) if isinstance(found[0], dict | list) else 1) if found else None


@function("json_keys", "t|t", JSON)
def json_keys(text: str, path: str = "$") -> str | None:
    found = matches(load(text), _single(path))
    if not found or not isinstance(found[0], dict):
        return None
    names = sorted(found[0], key=lambda name: (len(name.encode("utf-8", "replace")), name))
    return dump(names)


@function("json_type", "t", TEXT)
def json_type(text: str) -> str:
    return type_name(load(text))


@function("json_depth", "t", INT)
def json_depth(text: str) -> int:
    return depth(load(text))


@function("json_pretty", "t", TEXT)
def json_pretty(text: str) -> str:
    return _pretty(load(text), "")


def _pretty(document: Any, indent: str) -> str:
    inner = indent + "  "
    if isinstance(document, list) and document:
        items = [inner + _pretty(item, inner) for item in document]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    if isinstance(document, dict) and document:
        names = sorted(document, key=lambda name: (len(name.encode("utf-8", "replace")), name))
        items = [f"{inner}{quote(name)}: {_pretty(document[name], inner)}" for name in names]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    return dump(document)


# --- searched


@function("json_contains", "tt|t", INT)
def json_contains(text: str, candidate: str, path: str = "$") -> int | None:
    found = matches(load(text), _single(path))
    return int(contains(found[0], load(candidate))) if found else None


@function("json_contains_path", "ttt*", INT)
def json_contains_path(text: str, how: str, *paths: str) -> int:
    every = _all(how, "json_contains_path")
    document = load(text)
    found = [bool(matches(document, parse_path(path))) for path in paths]
    return int(all(found) if every else any(found))


@function("json_overlaps", "tt", INT)
def json_overlaps(left: str, right: str) -> int:
    a, b = load(left), load(right)
    if isinstance(a, dict) and isinstance(b, dict):
        return int(any(name in b and key(item) == key(b[name]) for name, item in a.items()))
    one, other = (side if isinstance(side, list) else [side] for side in (a, b))
    return int(bool({key(item) for item in one} & {key(item) for item in other}))


@function("json_member", "tt", INT)
def json_member(value: str, text: str) -> int:
    document = load(text)
    items = document if isinstance(document, list) else [document]
    wanted = key(load(value))
    return int(any(key(item) == wanted for item in items))


@function("json_search", "tttt*", JSON, nulls=True)
def json_search(
    text: str | None, how: str | None, pattern: str | None, escape: str | None = None, *paths: str | None
) -> str | None:
    if text is None or how is None or pattern is None or None in paths:
        return None
    first_only = not _all(how, "json_search")
    if escape is not None and len(escape) > 1:
        raise MySQLError(1210, "ESCAPE")
    document = load(text)
    roots = {id(item) for path in paths if path is not None for item in matches(document, parse_path(path))}
    found: list[str] = []
    pending: list[tuple[Any, tuple[str | int, ...], bool]] = [(document, (), not paths)]
    while pending:
        node, steps, inside = pending.pop()
        inside = inside or id(node) in roots
        if isinstance(node, dict):
            names = sorted(node, key=lambda name: (len(name.encode("utf-8", "replace")), name))
            pending += [(node[name], (*steps, name), inside) for name in reversed(names)]
        elif isinstance(node, list):
            pending += [(item, (*steps, i), inside) for i, item in reversed(list(enumerate(node)))]
        elif isinstance(node, str) and inside and like(node, pattern, escape or "\\", True):
            found.append(path_text(steps))
            if first_only:
                break
    return dump(found[0] if len(found) == 1 else found) if found else None


# --- changed


def _single(path: str) -> Path:
    """A path that means one place. Error 3149."""
    legs = parse_path(path)
    if is_wild(legs):
        raise MySQLError(3149)
    return legs


def _all(how: str, name: str) -> bool:
    if how.lower() not in ("one", "all"):
        raise MySQLError(3154, name)
    return how.lower() == "all"


def _put(document: Any, path: Path, value: Any, insert: bool, replace: bool) -> Any:
    """The document with a value at the path: put where nothing is, and in the place of what is there."""
    if not path:
        return value if replace else document
    parents = matches(document, path[:-1])
    if not parents:
        return document
    parent, leg = parents[0], path[-1]
    if leg.kind == "member":
        if isinstance(parent, dict) and (replace if leg.name in parent else insert):
            parent[leg.name] = value
        return document
    if not isinstance(parent, list):
        if leg.low.index(1) == 0:
            return _put(document, path[:-1], value, insert, replace) if replace else document
        wrapped = [value, parent] if leg.low.index(1) < 0 else [parent, value]
        return _put(document, path[:-1], wrapped, False, True) if insert else document
    place = leg.low.index(len(parent))
    if 0 <= place < len(parent):
        if replace:
            parent[place] = value
    elif insert:
        parent.insert(0 if place < 0 else len(parent), value)
    return document


def _changed(text: str, cells: tuple[str, ...], insert: bool, replace: bool) -> str:
    document = load(text)
    for path, value in zip(cells[::2], cells[1::2], strict=True):
        document = _put(document, _single(path), load(value), insert, replace)
    return dump(document)


@function("json_set", "ttt*", JSON)
def json_set(text: str, *cells: str) -> str:
    return _changed(text, cells, True, True)


@function("json_insert", "ttt*", JSON)
def json_insert(text: str, *cells: str) -> str:
    return _changed(text, cells, True, False)


@function("json_replace", "ttt*", JSON)
def json_replace(text: str, *cells: str) -> str:
    return _changed(text, cells, False, True)


@function("json_remove", "tt*", JSON)
def json_remove(text: str, *paths: str) -> str:
    document = load(text)
    for path in paths:
        legs = _single(path)
        if not legs:
            raise MySQLError(3153)
        for parent in matches(document, legs[:-1]):
            leg = legs[-1]
            if leg.kind == "member" and isinstance(parent, dict):
                parent.pop(leg.name, None)
            elif leg.kind == "cell" and isinstance(parent, list):
                place = leg.low.index(len(parent))
                if 0 <= place < len(parent):
                    del parent[place]
    return dump(document)


@function("json_array_append", "ttt*", JSON)
def json_array_append(text: str, *cells: str) -> str:
    document = load(text)
    for path, value in zip(cells[::2], cells[1::2], strict=True):
        legs = _single(path)
        for item in matches(document, legs):
            if isinstance(item, list):
                item.append(load(value))
            else:
                document = _put(document, legs, [item, load(value)], False, True)
    return dump(document)


@function("json_array_insert", "ttt*", JSON)
def json_array_insert(text: str, *cells: str) -> str:
    document = load(text)
    for path, value in zip(cells[::2], cells[1::2], strict=True):
        legs = _single(path)
        if not legs or legs[-1].kind != "cell":
            raise MySQLError(3165)
        for parent in matches(document, legs[:-1]):
            if isinstance(parent, list):
                place = legs[-1].low.index(len(parent))
                parent.insert(min(max(place, 0), len(parent)), load(value))
    return dump(document)


@function("json_merge_patch", "tt*", JSON)
def json_merge_patch(*texts: str) -> str:
    document = load(texts[0])
    for text in texts[1:]:
        document = _patched(document, load(text))
    return dump(document)


def _patched(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _patched(result.get(name), value)
    return result


@function("json_merge_preserve", "tt*", JSON)
def json_merge_preserve(*texts: str) -> str:
    document = load(texts[0])
    for text in texts[1:]:
        document = _merged(document, load(text))
    return dump(document)


def _merged(left: Any, right: Any) -> Any:
    if isinstance(left, dict) and isinstance(right, dict):
        merged = dict(left)
        for name, value in right.items():
            merged[name] = _merged(left[name], value) if name in left else value
        return merged
    one, other = (side if isinstance(side, list) else [side] for side in (left, right))
    return [*one, *other]
