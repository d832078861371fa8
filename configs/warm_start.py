"""Options of `train-agent warm-start`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

_LONGEST_TURN = {"alfworld": 16, "dbbench": 96}
"""In tokens, without a thought."""

_THOUGHT = 64
"""Tokens of a thought, where the protocol is not plain."""


@dataclass(frozen=True, kw_only=True)
class WarmStartConfig:
    """Train the small default model of an environment from nothing, on expert episodes of generated tasks."""

    env: Literal["alfworld", "dbbench"] = "alfworld"
    """The environment."""

    output_dir: Path | None = None
    """Where model and tokenizer are written (also -o); runs/warm-start-DATE where none is given."""

    size: str = "tiny"
    """Of the rooms of ALFWorld's generated games: tiny, small, medium or full."""

    difficulty: int = 1
    """Of DB-Bench's generated tasks, 1 to 5."""

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

    max_tokens: int = 3_400_000
    """Tokens to train on: expert episodes, hardly a task of them twice."""

    batch_tokens: int = 1024
    """Tokens of one update, about."""

    learning_rate: float = 3e-3
    """The highest, reached after the warm-up and left again by a cosine."""

    warmup_ratio: float = 0.05
    """The share of the tokens during which the learning rate rises."""

    weight_decay: float = 0.05
    """Of matrices."""

    observation_weight: float = 0.2
    """What a token that is not the expert's counts in the loss; reading teaches to copy names."""

    unsure: float = 0.7
    """The share of lessons by a player who is unsure, and checks nearly always what it knows before it acts: a habit
    that training can find out to be worthless."""

    bf16: bool = False
    """Train in bfloat16 by autocast; the weights stay float32."""

    eval_episodes: int = 200
    """Held-out tasks to play at the end (of other rooms or domains than the lessons'); 0 plays none."""

    temperature: float = 0.0
    """Of the sampling in these tasks, 0 for greedy."""

    max_completion_length: int | None = None
    """Tokens of one turn in these tasks at most; 16 in ALFWorld and 96 in DB-Bench where none is given."""

    seed: int = 0
    """Of weights, tasks and players."""

    json: bool = False
    """Print the result as JSON."""

    def settled(self) -> WarmStartConfig:
        """With what the environment needs where nothing is given."""
        longest = _LONGEST_TURN[self.env] + (0 if self.protocol == "plain" else _THOUGHT)
        return replace(self, max_completion_length=self.max_completion_length or longest)
