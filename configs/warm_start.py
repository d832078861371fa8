"""Options of `train-agent warm-start`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from configs.errors import ConfigError
from configs.ranges import POSITIVE_SHARE, SEED, SHARE, SHARE_BELOW_1, TEMPERATURE, count

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

    difficulty: Annotated[int, count(1, 5)] = 1
    """Of DB-Bench's generated tasks, 1 to 5."""

    protocol: str = "plain"
    """How environment and model talk; a model plays well only by the protocol that it has learned."""

    chat_template: str = "qwen3_instruct_2507_training"
    """Which of TRL's chat templates the tokenizer carries."""

    hidden_size: Annotated[int, count(8, 65_536)] = 128
    """Width of the model."""

    intermediate_size: Annotated[int, count(8, 1_048_576)] = 384
    """Width of its feed-forward layers."""

    num_hidden_layers: Annotated[int, count(1, 1024)] = 4
    """Its layers."""

    num_attention_heads: Annotated[int, count(2, 1024)] = 4
    """Its query heads; there are half as many key-value heads."""

    max_tokens: Annotated[int, count(high=10**12)] = 3_400_000
    """Tokens to train on: expert episodes, hardly a task of them twice."""

    batch_tokens: Annotated[int, count(high=2**24)] = 1024
    """Tokens of one update, about."""

    learning_rate: Annotated[float, POSITIVE_SHARE] = 3e-3
    """The highest, reached after the warm-up and left again by a cosine."""

    warmup_ratio: Annotated[float, SHARE_BELOW_1] = 0.05
    """The share of the tokens during which the learning rate rises."""

    weight_decay: Annotated[float, SHARE] = 0.05
    """Of matrices."""

    observation_weight: Annotated[float, SHARE] = 0.2
    """What a token that is not the expert's counts in the loss; reading teaches to copy names."""

    unsure: Annotated[float, SHARE] = 0.7
    """The share of lessons by a player who is unsure, and checks nearly always what it knows before it acts: a habit
    that training can find out to be worthless."""

    bf16: bool = False
    """Train in bfloat16 by autocast; the weights stay float32."""

    eval_episodes: Annotated[int, count(0)] = 200
    """Held-out tasks to play at the end (of other rooms or domains than the lessons'); 0 plays none."""

    temperature: Annotated[float, TEMPERATURE] = 0.0
    """Of the sampling in these tasks, 0 for greedy."""

    max_completion_length: Annotated[int, count()] | None = None
    """Tokens of one turn in these tasks at most; 16 in ALFWorld and 96 in DB-Bench where none is given."""

    seed: Annotated[int, SEED] = 0
    """Of weights, tasks and players."""

    json: bool = False
    """Print the result as JSON."""

    def __post_init__(self) -> None:
        heads, width = self.num_attention_heads, self.hidden_size
        if heads % 2:
            raise ConfigError(
                f"num_attention_heads: {heads} is odd, and two share a key-value head. Take an even number."
            )
        if width % heads:
            raise ConfigError(
                f"hidden_size: {width} is no multiple of {heads} heads. Take {heads * max(2, width // heads)}."
            )
        if width // heads % 2:
            raise ConfigError(
                f"hidden_size: {width} makes heads of {width // heads}, which must be even. Take {2 * width}."
            )

    def settled(self) -> WarmStartConfig:
        """With what the environment needs where nothing is given."""
        longest = _LONGEST_TURN[self.env] + (0 if self.protocol == "plain" else _THOUGHT)
        return replace(self, max_completion_length=self.max_completion_length or longest)
