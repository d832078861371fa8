"""A tokenizer for the language of one environment: every phrase is one token, and so is every name where names are few.

A small model spends its first millions of tokens on learning to copy a name letter by letter; with names that are one
token it copies from the start, and an episode is a third as long. Any other text is encoded in pieces of words, if any
were learned, and byte by byte.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envs.protocol import Message
from rollout.loading import trl_template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

END, PAD = "<|im_end|>", "<|endoftext|>"
SPECIAL = (PAD, "<|im_start|>", END)
MARKUP = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
HEADERS = ("system\n", "user\n", "assistant\n")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a tokenizer is made of.

    Attributes:
        texts: one token each, the longest first; their order is the order of ids.
        words: what pieces are learned from, as often as a word is to count.
        pieces: how many.
    """

    texts: tuple[str, ...]
    words: tuple[str, ...] = ()
    pieces: int = 0


def learn_phrases(talks: Iterable[Sequence[Message]], cut: re.Pattern[str], *, least: int = 5) -> list[str]:
    """What stands again and again between names and numbers, sorted. What conversations begin with, the instructions,
    is a phrase as a whole: they are the same in every conversation, and a quarter of its tokens if they are not one.

    Args:
        talks: conversations.
        cut: a name or a number.
        least: how often a phrase must occur to be a token.
    """
    phrases: Counter[str] = Counter()
    for talk in talks:
        phrases.update(phrase for message in talk for phrase in cut.split(message.content) if len(phrase) > 1)
        phrases[talk[0].content] += 1
    return sorted(phrase for phrase, times in phrases.items() if times >= least)


def make_tokenizer(vocabulary: Vocabulary, chat_template: str) -> PreTrainedTokenizerFast:
    """A tokenizer of this vocabulary, in which all other text is its UTF-8 bytes.

    Args:
        vocabulary: texts that are one token, and words to learn pieces from (byte-level BPE).
        chat_template: the name of one of TRL's templates.

    Raises:
        ModelError: if TRL has no such template.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(BPE({character: number for number, character in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    if vocabulary.pieces:
        size = len(alphabet) + vocabulary.pieces
        made.train_from_iterator(
            vocabulary.words, trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
        )
    made.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    texts = dict.fromkeys((*MARKUP, *HEADERS, *vocabulary.texts))
    made.add_tokens([AddedToken(token, normalized=False) for token in texts])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made, eos_token=END, pad_token=PAD, chat_template=trl_template(chat_template)
    )
