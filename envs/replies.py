"""What a model's reply means where its form is not to the letter: think blocks, labels, quotes, a final period.

Protocols of our own read with these functions; the editions of benchmarks do not. Each function also says what it
forgave, by name, so that a score can be shown beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_BLOCK = re.compile(r"\s*<think>(.*?)(?:</think>|\Z)", re.DOTALL)
_FENCE = re.compile(r"```(?:\w*[ \t]*\n)?")
_EMPHASIS = re.compile(r"(\*\*|\*)(?! )([^*]+)\1")
_QUOTES = (('"', '"'), ("'", "'"), ("`", "`"), ("\u201c", "\u201d"), ("\u2018", "\u2019"))
_COMMAND = re.compile(r"[a-z][\w /-]*\.")
_CLOSED = re.compile(r"""(?:["'`*\u201c\u2018].*["'`*\u201d\u2019]|.*\])\.""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a reply, and what had to be forgiven to read it."""

    text: str
    forgiven: tuple[str, ...] = ()


def split_thinking(text: str) -> tuple[str, str]:
    """The leading think block of a reply, and what follows it.

    The block may be empty, may lack its `<think>` (chat templates that open it leave the closing tag to the model), or
    its `</think>` (a reply that was cut off while thinking: nothing follows).
    """
    thoughts: list[str] = []
    start = 0
    before, closed, _ = text.partition("</think>")
    if closed and "<think>" not in before:
        thoughts, start = [before], len(before) + len(closed)
    while found := _BLOCK.match(text, start):
        thoughts.append(found[1])
        start = found.end()
    if not thoughts:
        return "", text
    return "\n".join(thought.strip() for thought in thoughts if thought.strip()), text[start:].lstrip()


def label(*names: str) -> re.Pattern[str]:
    """A label such as `Action:` at the start of a line, in any capitals, in bold, as a list item or heading, or with a
    full-width colon."""
    return re.compile(rf"^[-*_#> \t]*(?:{'|'.join(names)})[*_` \t]*[:\uff1a][*_]*", re.IGNORECASE | re.MULTILINE)


def plain_action(text: str, admissible: Iterable[str] | None = None) -> Part:
    """An action without what a model put around it: a code fence, bold, quotes, a final period.

    A text that is admissible as it stands is left as it is. Where a list is given, capitals and blanks are those of the
    list. Quotes and stars within an action are part of it; so is the period that ends a sentence, which begins with a
    capital.

    Args:
        text: the action as written.
        admissible: the commands that the environment lists, or None.
    """
    commands = None if admissible is None else list(admissible)
    action = text.strip()
    forgiven: list[str] = []
    while commands is None or action not in commands:
        bare, what = _peeled(action)
        if not what:
            break
        action = bare.strip()
        forgiven.append(what)
    if commands is not None and action not in commands:
        key = _folded(action)
        same = [command for command in commands if _folded(command) == key]
        if len(same) == 1:
            action = same[0]
            forgiven.append("capitals")
    return Part(action, tuple(dict.fromkeys(forgiven)))


def _peeled(text: str) -> tuple[str, str]:
    """The text without the outermost thing around it, and what that was, or ""."""
    if (fence := _FENCE.match(text)) and text.endswith("```") and text.count("```") == 2:
        return text[fence.end() : -3], "code fence"
    if found := _EMPHASIS.fullmatch(text):
        return found[2], "emphasis"
    for start, end in _QUOTES:
        inner = text[1:-1]
        if len(text) > 2 and text[0] == start and text[-1] == end and start not in inner and end not in inner:
            return inner, "quotes"
    if _COMMAND.fullmatch(text) or _CLOSED.fullmatch(text):
        return text[:-1], "period"
    return text, ""


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
