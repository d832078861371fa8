"""The shapes of models: how many parameters they have, and how many an adapter or an episode's cache adds.

Symbols as in the formulas below: h hidden, f feed-forward, L layers, a query heads, k key-value heads, d of a head,
V vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder with gated feed-forward layers, as Qwen2, Qwen3 and Llama are.

    Attributes:
        h, f, L, a, k, d, V: see the module.
        tied: the output layer is the embedding.
        qkv_bias: queries, keys and values have a bias (Qwen2).
        qk_norm: queries and keys are normalised by head (Qwen3).
    """

    h: int
    f: int
    L: int
    a: int
    k: int
    d: int
    V: int
    tied: bool = True
    qkv_bias: bool = False
    qk_norm: bool = False

    @property
    def linear(self) -> int:
        """Parameters of the linear layers of attention and feed-forward: what an adapter changes."""
        return self.L * (2 * self.h * self.a * self.d + 2 * self.h * self.k * self.d + 3 * self.h * self.f)

    @property
    def parameters(self) -> int:
        """All of them."""
        embeddings = self.V * self.h * (1 if self.tied else 2)
        biases = (self.a + 2 * self.k) * self.d * self.qkv_bias
        norms = 2 * self.h + 2 * self.d * self.qk_norm
        return embeddings + self.linear + self.L * (biases + norms) + self.h

    def adapter(self, r: int) -> int:
        """Parameters of LoRA of rank r on these linear layers: r (d_in + d_out) each."""
        attention = 2 * (self.h + self.a * self.d) + 2 * (self.h + self.k * self.d)
        return self.L * r * (attention + 3 * (self.h + self.f))

    @property
    def cache(self) -> int:
        """Bytes of an episode's keys and values a token, in 16 bits."""
        return 2 * self.L * self.k * self.d * 2


def shape_of(config: Mapping[str, Any]) -> Shape:
    """The shape that a checkpoint's `config.json` describes."""
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    kind = str(config.get("model_type", ""))
    return Shape(
        h=hidden,
        f=config["intermediate_size"],
        L=config["num_hidden_layers"],
        a=heads,
        k=config.get("num_key_value_heads") or heads,
        d=config.get("head_dim") or hidden // heads,
        V=config["vocab_size"],
        tied=bool(config.get("tie_word_embeddings", False)),
        qkv_bias=kind == "qwen2",
        qk_norm=kind == "qwen3",
    )


def shape_named(name: str) -> Shape | None:
    """The shape of a stored model or of one that has a preset; None where it is not known without its files."""
    short = Path(name).name.lower()
    stored = Path(str(files("configs"))) / "models" / short / "config.json"
    if short.startswith("tiny-") and stored.is_file():
        return shape_of(json.loads(stored.read_text(encoding="utf-8")))
    return _KNOWN.get(short)


_KNOWN = {
    "qwen2.5-0.5b-instruct": Shape(896, 4864, 24, 14, 2, 64, 151_936, qkv_bias=True),
    "qwen2.5-1.5b-instruct": Shape(1536, 8960, 28, 12, 2, 128, 151_936, qkv_bias=True),
    "qwen2.5-7b-instruct": Shape(3584, 18_944, 28, 28, 4, 128, 152_064, tied=False, qkv_bias=True),
    "qwen3-0.6b": Shape(1024, 3072, 28, 16, 8, 128, 151_936, qk_norm=True),
    "qwen3-4b-instruct-2507": Shape(2560, 9728, 36, 32, 8, 128, 151_936, qk_norm=True),
}
