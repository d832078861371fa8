"""Which tokens of a prompt are the chat template's, and which the environment's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

TEMPLATE, ENVIRONMENT, EARLIER = 0, 1, 2
"""Written by the chat template; a message's content; an earlier reply of the model, shown again in a window."""


class Run(NamedTuple):
    """Neighbouring tokens of one source."""

    source: int
    text: str
    tokens: int


def runs(strings: Sequence[str], contents: Sequence[tuple[int, str]]) -> list[Run]:
    """Tell the tokens of a prompt apart by finding the messages' contents in its text.

    The search goes from the end of the prompt to its beginning, so that a content which also occurs earlier, in a
    tool's description or a default system text, is found where it stands. What is not found is the template's.

    Args:
        strings: of the prompt's tokens, in order.
        contents: the source and text of each message that the prompt may show, in order.
    """
    spans = _spans("".join(strings), contents)
    found: list[Run] = []
    at = 0
    for string in strings:
        end = at + len(string)
        while spans and spans[0][1] <= at and (string or spans[0][1] < at):
            spans.pop(0)
        inside = bool(spans) and spans[0][0] < max(end, at + 1)
        source = spans[0][2] if inside else TEMPLATE
        if found and found[-1].source == source:
            found[-1] = Run(source, found[-1].text + string, found[-1].tokens + 1)
        else:
            found.append(Run(source, string, 1))
        at = end
    return found


def _spans(text: str, contents: Sequence[tuple[int, str]]) -> list[tuple[int, int, int]]:
    spans = []
    end = len(text)
    for source, content in reversed(contents):
        # Most templates strip what they are given.
        for shown in (content, content.strip()):
            start = text.rfind(shown, 0, end) if shown else -1
            if start >= 0:
                spans.append((start, start + len(shown), source))
                end = start
                break
    return spans[::-1]
