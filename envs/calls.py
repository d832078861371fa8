"""Function calls in the text of a reply, in the forms in which chat templates teach models to write them.

| form | models |
|---|---|
| `<tool_call>{"name": ..., "arguments": {...}}</tool_call>` | Hermes, Qwen2.5, Qwen3 |
| `<tool_call><function=NAME><parameter=KEY>VALUE</parameter></function></tool_call>` | Qwen3-Coder, Qwen3.5 |
| `{"name": ..., "parameters": {...}}`, several separated by `;` | Llama 3.1 and later |
| `<\\|python_tag\\|>` before the same, or before `NAME.call(KEY="VALUE")` | Llama 3.1's built-in tools |
| `<function=NAME>{...}</function>` | Llama 3.1, custom tools |
| `[TOOL_CALLS][{"name": ..., "arguments": {...}}]`, `[TOOL_CALLS]NAME[ARGS]{...}` | Mistral |
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from envs.protocol import ToolCall

_BLOCK = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)
_FUNCTION = re.compile(r"<function=([\w.-]+)>\s*(.*?)\s*(?:</function>|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([\w.-]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_MARK = re.compile(r"<\|python_tag\|>|\[TOOL_CALLS\]")
_NAMED = re.compile(r"\s*([\w.-]+)\s*(?:\[CALL_ID\]\w+)?(?:\[ARGS\])?\s*(?=\{)")
_PYTHON = re.compile(r"\s*(\w+)(?:\.call)?\(\s*(\w+)\s*=\s*(?=[\"'])")
_BETWEEN = re.compile(r"(?:[\s;,]|\[TOOL_CALLS\])*")
_BARE = re.compile(r'(?:\[\s*)?\{\s*"(?:name|type|function)"\s*:')
_LISTED = 64
"""Calls that are read in one reply at most."""


@dataclass(frozen=True, slots=True)
class Written:
    """The calls in a text.

    Attributes:
        calls: in order; a block that cannot be read is a call without a name.
        beside: what was said besides them.
        forgiven: whether they stood where no template puts them: after a sentence, or in a code fence.
    """

    calls: tuple[ToolCall, ...]
    beside: str
    forgiven: bool = False


def written_calls(text: str) -> Written:
    """The function calls in a text without its think block; in none of the forms, there are none."""
    if blocks := _BLOCK.findall(text):
        return Written(_numbered(_block(block) for block in blocks[:_LISTED]), _BLOCK.sub("", text).strip())
    if mark := _MARK.search(text):
        found = [*_sequence(text[mark.end() :])] or [("", text[mark.end() :])]
        return Written(_numbered(found), text[: mark.start()].strip())
    if functions := _FUNCTION.findall(text):
        return Written(
            _numbered(_function(*one) for one in functions[:_LISTED]),
            _FUNCTION.sub("", text).strip(),
        )
    if bare := _BARE.search(text):
        found = [*_sequence(text[bare.start() :])]
        beside = text[: bare.start()].strip()
        return Written(_numbered(found), beside.removesuffix("```json").rstrip("`").strip(), bool(beside and found))
    return Written((), text.strip())


def _numbered(found: Any) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(f"call_{number}", name, arguments) for number, (name, arguments) in enumerate(found))


def _block(text: str) -> tuple[str, str]:
    if function := _FUNCTION.match(text):
        return _function(function[1], function[2])
    try:
        return _named(json.loads(text)) or ("", text)
    except (ValueError, RecursionError):
        return "", text


def _function(name: str, body: str) -> tuple[str, str]:
    """A call whose name is in its tag: parameters in tags of their own, or JSON."""
    values = {key: _list_or_text(value) for key, value in _PARAMETER.findall(body)}
    return name, json.dumps(values, ensure_ascii=False) if values else body


def _list_or_text(text: str) -> Any:
    """A parameter's value: such tags hold lists as JSON, and texts as they are."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, list) else text


def _named(value: Any) -> tuple[str, str] | None:
    """Name and arguments of a call written as a JSON object; None if it is none."""
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters"))
    return value["name"], arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _sequence(text: str) -> Iterator[tuple[str, str]]:
    """The calls that stand one after the other from the start of a text."""
    decoder, place = json.JSONDecoder(), 0
    for _ in range(_LISTED):
        place = _BETWEEN.match(text, place).end()  # type: ignore[union-attr]
        head = _NAMED.match(text, place)
        try:
            if python := _PYTHON.match(text, place):
                value, place = _string(text, python.end(), decoder)
                yield python[1], json.dumps({python[2]: value}, ensure_ascii=False)
                place += text.startswith(")", place)
                continue
            value, place = decoder.raw_decode(text, head.end() if head else place)
        except (ValueError, RecursionError):
            return
        if head:
            yield head[1], json.dumps(value, ensure_ascii=False)
            continue
        for one in value if isinstance(value, list) else [value]:
            call = _named(one)
            if call is None:
                return
            yield call


def _string(text: str, place: int, decoder: json.JSONDecoder) -> tuple[str, int]:
    """A string in double or single quotes, and where it ends."""
    if text[place] == '"':
        value, end = decoder.raw_decode(text, place)
        return str(value), end
    end = text.index("'", place + 1)
    return text[place + 1 : end], end + 1
