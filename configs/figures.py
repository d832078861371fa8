"""What follows from a training run's options before it is started: turns that fit, updates, how far weights can move,
memory. Pure arithmetic; `docs/presets.md` shows it for every preset and says where the formulas come from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from configs.shapes import Shape
from configs.train import TrainConfig

WEIGHT = 0.02
"""Root mean square of a weight: what Qwen's are drawn with (`initializer_range`)."""

SMALLEST_GPU = 80 * 10**9
"""Bytes of the device for which presets are made: an A100 or H100."""

_TILE = 4096 * 32_768
"""Logits that TRL's fused output layer holds at once (`TOKEN_CHUNK_SIZE` times `_CHUNKED_LOGPROB_CHUNK_SIZE`)."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens of an environment's episodes, measured (`docs/presets.md`).

    Attributes:
        opening: of the system message and the first observation, at most.
        observation: of one further observation with what a template puts around it and the reply, in the mean over the
            longest of the episodes that were measured.
        turns: the limit of the environment, where `max_steps` is not given.
    """

    opening: int
    observation: int
    turns: int


BUDGETS = {"alfworld": Budget(640, 64, 50), "dbbench": Budget(448, 128, 20)}
"""In tokens of Qwen2.5 and Qwen3, by react."""

STORED_BUDGETS = {"alfworld": Budget(48, 28, 50), "dbbench": Budget(128, 96, 20)}
"""In tokens of the stored models, by plain, in the rooms and at the level of the preset `tiny`."""

ALONE = {"verl-agent": 1280}
"""Protocols by which every turn is a conversation of its own, and tokens of its prompt at most."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a run.

    Attributes:
        turns: that fit into `max_length` where every reply is as long as it may be.
        limit: turns of an evaluation episode, and of a training episode, at most.
        tokens: of an episode of `limit` turns, or of a single turn where each has a context of its own.
        updates: of the whole run, at most.
        first_order: by how much of their size the weights can move at most, while the adapter's A stands where it
            began; of all weights where there is no adapter.
        change: the same with A's own movement.
        memory: bytes by part.
    """

    turns: int
    limit: int
    tokens: int
    updates: int
    first_order: float
    change: float
    memory: Mapping[str, int]

    @property
    def bytes(self) -> int:
        """Memory of all parts."""
        return sum(self.memory.values())


def figures(config: TrainConfig, shape: Shape, *, rows: int | None = None, device: int = SMALLEST_GPU) -> Figures:
    """Work a run's figures out.

    Args:
        config: its options.
        shape: of its model.
        rows: episodes of `source`, where it learns from another run's.
        device: bytes of the accelerator.
    """
    limit, turns, tokens = _episode(config)
    updates = updates_of(config, rows)
    first_order, change = change_of(config, shape, updates)
    return Figures(turns, limit, tokens, updates, first_order, change, memory_of(config, shape, device))


def updates_of(config: TrainConfig, rows: int | None = None) -> int:
    """Updates of a run. SFT learns from what was solved and DPO from pairs, so theirs are the most there can be."""
    if config.algo not in ("dpo", "kto", "sft"):
        return config.iterations * config.steps_per_generation * config.num_iterations
    played = config.tasks * config.num_generations if rows is None else rows
    learned = played // 2 if config.algo == "dpo" else played
    return config.iterations * config.num_train_epochs * math.ceil(learned / config.train_batch_size)


def change_of(config: TrainConfig, shape: Shape, updates: int) -> tuple[float, float]:
    """Bounds on the root mean square of a weight matrix's change, as shares of `WEIGHT`: to first order, and whole.

    Adam moves an entry by about the learning rate at most (1412.6980, section 2.1), so after U updates by b = U lr,
    summed over the schedule. Without an adapter that is the bound. With one, W changes by s B A, s = alpha / r, where
    B begins at 0 and A as a uniform draw of standard deviation 1 / sqrt(3 h) (PEFT). The Frobenius norm of B is at most
    b sqrt(m r), and the spectral norm of A at most sqrt(n) ((1 + sqrt(r / n)) / sqrt(3 n) + b sqrt(r)), so the root
    mean square of B A is at most b sqrt(r) ((1 + sqrt(r / n)) / sqrt(3 n) + b sqrt(r)); n = h here.
    """
    moved = updates * config.learning_rate * _mean_of_schedule(config, updates)
    if not config.use_peft:
        return moved / WEIGHT, moved / WEIGHT
    r, scale = config.lora_r, config.lora_alpha / config.lora_r
    start = (1 + math.sqrt(r / shape.h)) / math.sqrt(3 * shape.h)
    first = scale * moved * math.sqrt(r) * start
    return first / WEIGHT, (first + scale * moved**2 * r) / WEIGHT


def memory_of(config: TrainConfig, shape: Shape, device: int = SMALLEST_GPU) -> dict[str, int]:
    """Bytes by part, at the update or while playing, on one device with vLLM beside the trainer (without it for a run
    in 32 bits, which is one on a CPU).

    An adapter stands on weights of 16 bits, or of 4 (NF4 with double quantisation, 2305.14314); without one, weights
    are of 32 bits with a copy of 16 bits while they compute. What is trained takes 4 bytes of gradient and 8 of Adam.
    """
    single = config.bf16 is False
    trained = shape.adapter(config.lora_r) if config.use_peft else shape.parameters
    weights = (4 if single else 2 if config.use_peft else 6) * shape.parameters
    if config.load_in_4bit:
        weights = 2 * (shape.parameters - shape.linear) + round(4.127 / 8 * shape.linear)
    parts = {"weights": weights, "adapter": 4 * trained if config.use_peft else 0}
    parts["reference"] = 4 * shape.parameters if config.beta and not config.use_peft else 0
    if config.algo in ("dpo", "kto", "sft"):
        parts["reference"] = 0  # its log-probabilities are computed beforehand, or are those without the adapter
    before = sum(parts.values())
    parts |= {"gradients": 4 * trained, "optimiser": 8 * trained}
    engine = 0 if single or config.engine == "hf" or config.load_in_4bit else 2 * shape.parameters
    share = config.vllm_gpu_memory_utilization * (device - before)
    cache = shape.cache * (2 if single else 1)
    parts["engine weights"] = engine
    parts["keys and values"] = min(cache * config.capacity * config.max_length, int(share))
    tokens = _rows(config) * config.max_length
    parts["activations"] = tokens * _activations(config, shape) * (2 if single else 1)
    parts["logits"] = 2 * 4 * min(_TILE, tokens * shape.V) + 6 * shape.h * tokens
    return parts


def _episode(config: TrainConfig) -> tuple[int, int, int]:
    """The limit of turns, how many fit, and tokens of the longest episode (or turn, where each has its own context)."""
    env = config.env.lower().removesuffix("-v1")
    stored = config.model is None or config.model.startswith("tiny-")
    budget = (STORED_BUDGETS if stored else BUDGETS)[env]
    limit = max(int(config.env_args.get("max_steps") or budget.turns), config.max_turns or 0)
    if config.protocol in ALONE:
        tokens = ALONE[config.protocol] + config.max_completion_length
        return limit, limit if tokens <= config.max_length else 0, tokens
    turn = budget.observation + config.max_completion_length
    return limit, (config.max_length - budget.opening) // turn, budget.opening + limit * turn


def _mean_of_schedule(config: TrainConfig, updates: int) -> float:
    """The mean learning rate over a run, as a share of the peak."""
    warmup = config.warmup_steps if config.warmup_steps < 1 else config.warmup_steps / max(updates, 1)
    falls = config.lr_scheduler_type not in ("constant", "constant_with_warmup")
    return 0.5 if falls else 1 - min(warmup, 1.0) / 2


def _rows(config: TrainConfig) -> int:
    """Rows of one forward pass: both sides of a pair in dpo."""
    rows = config.per_device_train_batch_size
    if config.algo in ("dpo", "kto", "sft"):
        rows = min(rows, config.train_batch_size)
    return 2 * rows if config.algo == "dpo" else rows


def _activations(config: TrainConfig, shape: Shape) -> int:
    """Bytes a token of a forward pass in 16 bits that the backward pass needs (Korthikanti et al., 2205.05198, without
    the attention's own, which is computed again): of all layers, or with checkpointing their inputs and one layer's."""
    h, f, a, k, d, r = shape.h, shape.f, shape.a, shape.k, shape.d, config.lora_r
    layer = 16 * h + 4 * a * d + 4 * k * d + 8 * f + 4 * a + 8
    if shape.qk_norm:
        layer += 6 * (a + k) * d + 4 * (a + k)
    if config.use_peft:
        layer += 12 * h + 4 * a * d + 2 * f + 28 * r
    checkpointed = config.bf16 is not False if config.gradient_checkpointing is None else config.gradient_checkpointing
    return 2 * h * shape.L + layer if checkpointed else shape.L * layer
