"""Token ids as the strings that a reader sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
LONGEST_CHARACTER = 4  # bytes of a character in UTF-8, so at most that many tokens


class Tokenizer(Protocol):
    """What is asked of a tokenizer: a `transformers` tokenizer has it."""

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """The text of ids."""

    def convert_ids_to_tokens(self, ids: int) -> str | None:
        """A token as the vocabulary writes it."""


def token_strings(tokenizer: Tokenizer) -> Callable[[Sequence[int]], list[str]]:
    """A function from ids to one string each, special tokens included.

    A character that is spread over several tokens is shown at the last of them, and the ones before are empty. The
    space before a word, which sentencepiece writes into the token and drops in decoding, is kept.
    """
    known: dict[int, str] = {}

    def single(token: int) -> str:
        if token not in known:
            text = tokenizer.decode([token], skip_special_tokens=False)
            piece = tokenizer.convert_ids_to_tokens(token) or ""
            known[token] = f" {text}" if piece.startswith("\u2581") and not text.startswith(" ") else text
        return known[token]

    def strings(ids: Sequence[int]) -> list[str]:
        found = [single(token) for token in ids]
        start = 0
        while start < len(ids):
            if REPLACEMENT in found[start]:
                for end in range(start + 2, min(start + LONGEST_CHARACTER, len(ids)) + 1):
                    text = tokenizer.decode(list(ids[start:end]), skip_special_tokens=False)
                    if REPLACEMENT not in text:
                        found[start:end] = [""] * (end - start - 1) + [text]
                        start = end - 1
                        break
            start += 1
        return found

    return strings
