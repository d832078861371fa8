"""Tiny random models and a tokenizer trained on the spot: real architectures, real templates, nothing downloaded."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKUP = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
PLACES = ("fridge", "cabinet", "drawer", "countertop", "sink basin", "microwave", "shelf", "side table", "garbage can")
THINGS = ("apple", "mug", "knife", "tomato", "plate", "soap bar", "pencil", "key chain", "alarm clock", "potato")


def template(name: str) -> str:
    """One of the chat templates that come with TRL."""
    import trl

    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


def household_text(rng: random.Random, sentences: int) -> str:
    """Text of the kind that a household game prints."""
    said = []
    for _ in range(sentences):
        place, other, thing = rng.choice(PLACES), rng.choice(PLACES), rng.choice(THINGS)
        one, two = rng.randint(1, 9), rng.randint(1, 9)
        said.append(
            rng.choice(
                (
                    f"You arrive at {place} {one}. On the {place} {one}, you see a {thing} {two}, and nothing else.",
                    f"The {place} {one} is closed.",
                    f"You pick up the {thing} {one} from the {place} {two}.",
                    f"go to {place} {one}",
                    f"Your task is to: put some {thing} on {other}.",
                    f"take {thing} {one} from {other} {two}",
                    "Nothing happens.",
                )
            )
        )
    return " ".join(said)


@cache
def tokenizer(chat_template: str = "qwen3_training", texts: tuple[str, ...] = ()) -> PreTrainedTokenizerFast:
    """A byte-level BPE with Qwen's special tokens and one of TRL's chat templates.

    Args:
        chat_template: its name in TRL.
        texts: to learn words from, besides household talk and the template.
    """
    bpe = Tokenizer(BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=2000,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rng = random.Random(0)
    bpe.train_from_iterator([household_text(rng, 20) for _ in range(200)] + [template(chat_template), *texts], trainer)
    bpe.add_tokens(list(MARKUP))
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=template(chat_template),
    )


def model(
    architecture: str = "qwen3", *, layers: int = 3, width: int = 64, seed: int = 0, **more: Any
) -> PreTrainedModel:
    """A random Qwen2 or Qwen3 with grouped queries, in float32, for `tokenizer`'s vocabulary.

    The weights are drawn wider than usual: logits that all but tie would make a comparison of greedy tokens a matter
    of rounding.
    """
    torch.manual_seed(seed)
    words = tokenizer()
    settings: dict[str, Any] = {
        "vocab_size": len(words),
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "initializer_range": 0.12,
        "tie_word_embeddings": True,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
        **more,
    }
    if architecture == "qwen3":
        return Qwen3ForCausalLM(Qwen3Config(head_dim=width // 4, **settings)).eval()
    return Qwen2ForCausalLM(Qwen2Config(**settings)).eval()
