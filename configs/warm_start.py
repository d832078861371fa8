"""Options of `train-agent warm-start`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class WarmStartConfig:
    """Train the small default model from nothing, on expert episodes of generated ALFWorld games."""

    output_dir: Path | None = None
    """Where model and tokenizer are written (also -o); runs/warm-start-DATE where none is given."""

    size: str = "small"
    """Of the rooms of the generated games: tiny, small, medium or full."""

    protocol: str = "plain"
    """How environment and model talk; a model plays well only by the protocol that it has learned."""

    chat_template: str = "qwen3_instruct_2507_training"
    """Which of TRL's chat templates the tokenizer carries."""

    hidden_size: int = 128
    """Width of the model."""

    intermediate_size: int = 384
    """Width of its feed-forward layers."""

    num_hidden_layers: int = 4
    """Its layers."""

    num_attention_heads: int = 4
    """Its query heads; there are half as many key-value heads."""

    max_tokens: int = 2_000_000
    """Tokens to train on: expert episodes, hardly a task of them twice."""

    batch_tokens: int = 1024
    """Tokens of one update, about."""

    learning_rate: float = 3e-3
    """The highest, reached after the warm-up and left again by a cosine."""

    warmup_ratio: float = 0.05
    """The share of the tokens during which the learning rate rises."""

    weight_decay: float = 0.05
    """Of matrices, as AdamW takes it."""

    observation_weight: float = 0.2
    """What a token that is not the expert's counts in the loss; reading teaches to copy names."""

    slip_rate: float = 0.1
    """How often a command that leads nowhere precedes the expert's; it counts as little as an observation."""

    bf16: bool = True
    """Train in bfloat16 by autocast; the weights stay float32."""

    eval_episodes: int = 200
    """Held-out games (valid_unseen) to play at the end; 0 plays none."""

    temperature: float = 0.0
    """Of the sampling in these games, 0 for greedy."""

    max_completion_length: int = 16
    """Tokens of one turn in these games at most."""

    seed: int = 0
    """Of weights, tasks and slips."""

    json: bool = False
    """Print the result as JSON."""
