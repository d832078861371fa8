"""A tokenizer for the language of one environment: every name, every number and every phrase is one token.

A small model spends its first millions of tokens on learning to copy a name letter by letter; with names that are one
token it copies from the start, and an episode is a third as long. Any other text is encoded byte by byte.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from envs.protocol import Message
from rollout.loading import trl_template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

END, PAD = "<|im_end|>", "<|endoftext|>"
SPECIAL = (PAD, "<|im_start|>", END)
MARKUP = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
HEADERS = ("system\n", "user\n", "assistant\n")
NUMBERS = tuple(f" {number}" for number in range(41))
"""ALFWorld counts further in no room: the largest have 27 drawers."""

_NAME = re.compile(r"([A-Za-z]+) \d+\b")


def learn_vocabulary(talks: Iterable[Iterable[Message]], *, least: int = 5) -> list[str]:
    """The tokens of a language of names, numbers and phrases, without special tokens.

    A name is a word that a number follows somewhere. What stands between names and numbers are the phrases: ". On the "
    or ", you see a ". What conversations begin with, the instructions, is a phrase as a whole.

    Args:
        talks: conversations in this language.
        least: how often a phrase must occur to be a token.
    """
    heard = [[message.content for message in talk] for talk in talks]
    texts = [text for talk in heard for text in talk]
    names = sorted({name for text in texts for name in _NAME.findall(text)})
    cut = re.compile(rf"\b(?:{'|'.join(names)})\b| \d+\b") if names else re.compile(r" \d+\b")
    phrases = Counter(phrase for text in texts for phrase in cut.split(text) if len(phrase) > 1)
    # The instructions are the same in every conversation, and a quarter of its tokens if they are not one.
    phrases.update(talk[0] for talk in heard)
    kept = sorted(phrase for phrase, times in phrases.items() if times >= least)
    return list(dict.fromkeys([*HEADERS, *NUMBERS, *names, *kept]))


def make_tokenizer(vocabulary: Iterable[str], chat_template: str) -> PreTrainedTokenizerFast:
    """A tokenizer in which these texts are one token each, the longest first, and all others their UTF-8 bytes.

    Args:
        vocabulary: the texts.
        chat_template: the name of one of TRL's templates.

    Raises:
        ModelError: if TRL has no such template.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(BPE({character: number for number, character in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    made.add_tokens([AddedToken(token, normalized=False) for token in (*MARKUP, *vocabulary)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made, eos_token=END, pad_token=PAD, chat_template=trl_template(chat_template)
    )
