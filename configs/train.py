"""Options of `train-agent train`: collect, train, evaluate, in turns."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from configs.common import EnvConfig, Thinking, check_room
from configs.errors import ConfigError
from configs.ranges import (
    CONTEXT,
    POSITIVE_SHARE,
    POSITIVE_TEMPERATURE,
    SHARE,
    SHARE_BELOW_1,
    TEMPERATURE,
    WEIGHT,
    Range,
    count,
)

Algorithm = Literal["grpo", "gigpo", "dr_grpo", "rloo", "reinforce", "gspo", "dpo", "kto", "sft"]


@dataclass(frozen=True, kw_only=True)
class PlayingConfig(EnvConfig):
    """How the episodes of training are played."""

    protocol: str = "react"
    """How environment and model talk: plain, react, think, tool, or an edition of the environment."""

    num_generations: Annotated[int, count(2, 4096)] = 8
    """Episodes of each task, which form a group; 2 at least."""

    tasks: Annotated[int, count(high=1_000_000)] = 16
    """Tasks of an iteration: groups with a signal that it wants."""

    rounds: Annotated[int, count(high=1000)] = 2
    """How often an iteration plays further tasks in place of groups without a signal; 1 takes what it gets."""

    max_staleness: Annotated[int, count(0, 1000)] = 0
    """Go on playing while the trainer updates: by how many iterations the weights that sampled the oldest token of an
    episode may be behind the trainer's. 0 plays and learns in turns."""

    max_turns: Annotated[int, count()] | None = None
    """Turns of a training episode at most; the environment's own limit where none is given. Evaluation keeps that."""

    temperature: Annotated[float, POSITIVE_TEMPERATURE] = 1.0
    """Sampling temperature of training episodes."""

    top_p: Annotated[float, POSITIVE_SHARE] = 1.0
    """Nucleus of their sampling."""

    max_completion_length: Annotated[int, count()] = 256
    """Tokens of one turn at most."""

    max_length: Annotated[int, CONTEXT] = 4096
    """Tokens of an episode at most; one that fills it ends as overlong."""

    window: Annotated[int, count()] | None = None
    """How many past turns the context keeps; all of them where none is given."""

    enable_thinking: Thinking = "auto"
    """Whether a hybrid model, such as Qwen3, thinks before it answers: true, false, or auto, which leaves it to the
    model's chat template. A template without this option is not told."""

    capacity: Annotated[int, count(high=65_536)] = 128
    """Episodes that the engine plays at once."""

    engine: Literal["auto", "hf", "vllm", "vllm-server"] = "auto"
    """What samples: our engine on transformers; vLLM in this process, or in one of its own that is watched and started
    again when it dies. auto takes vLLM on a GPU where it is installed."""

    ray: str = "off"
    """off plays in this process; auto on Ray (RAY_ADDRESS, or started here); HOST:PORT on a cluster."""

    workers: Annotated[int, count(high=65_536)] = 1
    """Ray actors that play episodes."""

    engines: Annotated[int, count(high=4096)] = 1
    """Ray actors that sample for them, one a GPU where there are GPUs."""

    vllm_gpu_memory_utilization: Annotated[float, POSITIVE_SHARE] = 0.4
    """The share of the GPU memory free at the start that vLLM may take for keys and values; the trainer beside it needs
    the rest."""

    vllm_max_num_seqs: Annotated[int, count(high=65_536)] | None = None
    """Requests in one step of vLLM, as many as `capacity` by default. Fewer keep every step full while games move and
    until the last episodes end; but on a GPU a step of more requests takes hardly longer."""

    curriculum: Literal["none", "turns", "success"] = "none"
    """turns: begin with short episodes and let them grow to the limit over the first half of the iterations. success:
    draw the types of tasks by p (1 - p), p being the share that is solved."""

    rewards: dict[str, Any] = field(default_factory=dict)
    """Shaping beside the outcome, as `--rewards progress=0.2`; all weights together are at most 0.5."""


@dataclass(frozen=True, kw_only=True)
class LearningConfig:
    """How the model is trained. Names are TRL's where TRL has one."""

    algo: Algorithm = "grpo"
    """grpo, gigpo (credit by anchor state), dr_grpo, rloo, reinforce (REINFORCE++ with baseline), gspo; dpo, kto (on
    pairs or verdicts); sft (on episodes that solved their task)."""

    model: str | None = None
    """What to begin with: a folder, a hub's name, or a stored model; tiny-alfworld or tiny-dbbench where none is
    given."""

    source: Path | None = None
    """What is learned from instead of playing (also --from): a run's folder (dpo, kto and sft); for sft also data sets
    of conversations: JSON, JSON lines or parquet with `messages` or ShareGPT's `conversations`, a folder of
    datasets.save_to_disk, or a data set's name on the hub (OWNER/NAME or OWNER/NAME:SPLIT)."""

    learning_rate: Annotated[float, POSITIVE_SHARE] = 1e-6
    """Peak learning rate of AdamW."""

    lr_scheduler_type: str = "constant"
    """How the learning rate goes on: constant, linear, cosine, and others of transformers."""

    warmup_steps: Annotated[float, Range(0, 1e9)] = 0.0
    """Updates, or below 1 the share of them, in which it rises."""

    weight_decay: Annotated[float, SHARE] = 0.0
    """Of AdamW."""

    max_grad_norm: Annotated[float, Range(0, 1e30)] = 1.0
    """Gradients are scaled down to this norm."""

    per_device_train_batch_size: Annotated[int, count(high=65_536)] = 8
    """Rows of one forward pass; what it is changes memory and speed, not the update."""

    steps_per_generation: Annotated[int, count(high=65_536)] = 1
    """Updates made of an iteration's episodes, each of its own share of them (the group-relative algorithms)."""

    num_iterations: Annotated[int, count(high=1000)] = 1
    """How often an iteration's episodes are gone through (the group-relative algorithms)."""

    num_train_epochs: Annotated[int, count(high=1000)] = 1
    """How often an iteration's rows are gone through (dpo, kto, sft)."""

    train_batch_size: Annotated[int, count(high=1_000_000)] = 16
    """Rows of an update (dpo, kto, sft)."""

    loss_type: Literal["default", "grpo", "dr_grpo", "dapo", "cispo", "sapo"] = "default"
    """Of the group-relative algorithms: the algorithm's own (dapo; dr_grpo's and gspo's as in their papers) or
    another."""

    beta: Annotated[float, WEIGHT] | None = None
    """Weight of the KL term to the model before training: none for the group-relative algorithms, 0.1 for dpo and kto
    where none is given."""

    epsilon: Annotated[float, POSITIVE_SHARE] | None = None
    """Ratios are clipped below 1 minus this: 0.2 where none is given, 3e-4 in gspo."""

    epsilon_high: Annotated[float, Range(0, 1000, above=True)] | None = None
    """Ratios are clipped above 1 plus this: 0.28 where none is given, 4e-4 in gspo."""

    importance_cap: Annotated[float, Range(0, 1e6, above=True)] | None = None
    """Truncated importance sampling between engine and trainer: a token's weight at most; 2 where the engine is not the
    trainer's own model, none where it is."""

    gamma: Annotated[float, SHARE] = 0.95
    """Discount a turn of gigpo."""

    omega: Annotated[float, WEIGHT] = 1.0
    """Weight of the part of gigpo that is relative to the same state."""

    scale_rewards: bool = False
    """gigpo divides differences by the standard deviation of their group (F_norm = std in its paper) instead of by 1.
    The other algorithms do so or not as their papers say."""

    invalid_penalty: Annotated[float, WEIGHT] = 0.0
    """Taken from the advantage of a turn that broke the protocol's form, centred over its group."""

    inadmissible_penalty: Annotated[float, WEIGHT] = 0.0
    """The same for a turn whose action was not admissible."""

    bf16: bool | None = None
    """Compute in bfloat16; where the hardware is made for it if not said."""

    gradient_checkpointing: bool | None = None
    """Save memory by a second forward pass; on an accelerator if not said."""

    use_peft: bool = False
    """Train a LoRA adapter instead of all weights."""

    lora_r: Annotated[int, count(high=65_536)] = 32
    """Rank of the adapter."""

    lora_alpha: Annotated[int, count(high=1_000_000)] = 64
    """Its scale."""

    lora_dropout: Annotated[float, SHARE_BELOW_1] = 0.0
    """Its dropout; in sft only, the others train without."""

    lora_target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """The layers that it changes."""

    load_in_4bit: bool = False
    """QLoRA: the base in four bits, by bitsandbytes."""

    trl_args: dict[str, Any] = field(default_factory=dict)
    """Further keys of TRL's configuration, as `--trl-args adam_beta2=0.95`."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig(LearningConfig, PlayingConfig):
    """Train a model on an environment: play, learn, evaluate, in turns; score it before and after on held-out tasks.

    Options that are not given come from the preset of environment, algorithm and model.
    """

    preset: str | None = None
    """A preset, by name; chosen by environment, algorithm and model where none is given, and `none` takes none."""

    iterations: Annotated[int, count(high=1_000_000)] = 100
    """How often episodes are played and learned from."""

    max_minutes: Annotated[float, Range(0, 1e7, above=True)] | None = None
    """Stop after the iteration in which so many minutes of playing and learning have passed."""

    patience: Annotated[int, count()] = 5
    """Iterations in a row without a learning signal (all episodes of each task are solved, or none is) after which
    training ends. Such an iteration updates nothing; it is counted, and the next one plays other tasks."""

    eval_split: str = "valid_unseen"
    """The split of held-out tasks by which the model is scored before and after."""

    eval_tasks: Annotated[int, count(0)] = 200
    """How many of them; 0 leaves the scoring to `train-agent eval`."""

    eval_temperature: Annotated[float, TEMPERATURE] = 0.0
    """Sampling temperature by which it is scored: 0 is greedy; 1 scores the policy that is trained."""

    select_split: str = "valid_seen"
    """The split by which the best checkpoint is chosen."""

    select_tasks: Annotated[int, count(0)] = 64
    """How many of its tasks; 0 keeps the last checkpoint instead of the best."""

    eval_steps: Annotated[int, count(high=1_000_000)] = 10
    """Evaluate on these after every so many iterations."""

    save_steps: Annotated[int, count(high=1_000_000)] = 10
    """Write a checkpoint after every so many iterations; one more at the end."""

    save_total_limit: Annotated[int, count(2, 1_000_000)] = 2
    """How many checkpoints are kept, beside the best: one must stay whole while the next is written."""

    report_to: tuple[str, ...] = ()
    """Trackers beside metrics.jsonl: wandb (offline unless WANDB_MODE says otherwise), tensorboard, trackio."""

    output_dir: Path | None = None
    """The run's folder (also -o); runs/ENV-ALGO-DATE where none is given."""

    resume: bool = False
    """Go on with the run in the folder from its last checkpoint; what has been played since then is not played
    again."""

    dry_run: bool = False
    """Print the resolved options and what would be played, and do nothing."""

    smoke: bool = False
    """Two iterations at the smallest size, to see that everything fits together. Of each task one episode is the
    expert's, so that there is something to learn from; the run fails if no update has a gradient."""

    json: bool = False
    """Print the result as JSON instead of tables."""

    def __post_init__(self) -> None:
        super().__post_init__()
        offline = self.algo in ("dpo", "kto", "sft")
        if self.source is not None and not offline:
            raise ConfigError(f"--from: {self.algo} learns from its own episodes. Use it with dpo, kto or sft.")
        if self.rewards and self.algo in ("kto", "sft"):
            raise ConfigError(f"rewards: {self.algo} asks only whether a task was solved. Use them with dpo or grpo.")
        if offline and (self.invalid_penalty or self.inadmissible_penalty):
            raise ConfigError(f"penalties: {self.algo} has no advantages to take them from. Use them with grpo.")
        if self.scale_rewards and self.algo != "gigpo":
            remedy = "Leave it out: grpo divides by the deviation as it is, and dr_grpo does not."
            raise ConfigError(f"scale_rewards is an option of gigpo, and the algorithm is {self.algo}. {remedy}")
        check_room(self.max_length, self.max_completion_length)
        if self.ray == "off" and max(self.workers, self.engines) > 1:
            raise ConfigError("workers and engines are Ray's actors. Add --ray auto.")
        if self.load_in_4bit and not self.use_peft:
            raise ConfigError("load_in_4bit: weights of four bits cannot be trained. Add --use-peft.")
        if self.load_in_4bit and (self.engine.startswith("vllm") or self.ray != "off" or self.max_staleness):
            remedy = "Leave out vllm, ray and max_staleness."
            raise ConfigError(f"load_in_4bit: only the trainer's own model has four bits. {remedy}")
        if own := sorted(self.trl_args.keys() & {field.name for field in fields(self)}):
            raise ConfigError(f"trl_args: {own[0]} has an option of its own: --{own[0].replace('_', '-')}.")
        if self.max_staleness and offline:
            raise ConfigError(f"max_staleness: {self.algo} plays and learns in turns. Use it with grpo and its like.")
        if self.max_staleness and self.curriculum == "turns":
            raise ConfigError("max_staleness: episodes of any iteration are alike. Leave out --curriculum turns.")
