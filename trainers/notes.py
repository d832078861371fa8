"""Which options of a run have no effect, or another one than they say, because of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from configs import TrainConfig
from configs.presets import find_preset
from trainers.algorithms import GROUP_RELATIVE

_CLIPS = ("epsilon", "epsilon_high")
_ONLINE = ("steps_per_generation", "num_iterations", "loss_type", *_CLIPS, "importance_cap")
_OFFLINE = ("num_train_epochs", "train_batch_size")
_PLAYING = ("num_generations", "tasks", "rounds", "max_turns", "temperature", "top_p", "curriculum", "iterations")
_LORA = ("lora_r", "lora_alpha", "lora_dropout", "lora_target_modules")
_VLLM = ("vllm_gpu_memory_utilization", "vllm_max_num_seqs")
_FIXED = ("precompute_ref_log_probs", "precompute_ref_batch_size", "train_sampling_strategy", "dataset_kwargs")
"""Keys of TRL that the trainers of rows set themselves."""


def notes(config: TrainConfig, adapter: Mapping[str, Any] | None = None) -> list[str]:
    """A sentence for each option that others switch off or override. Of an option that has no effect at all this is
    said only if it differs from its default and from its preset.

    Args:
        config: what was asked for.
        adapter: the settings of the LoRA adapter that the run begins with, as PEFT stores them; None without one.
    """
    parts = (_learning(config), _rows(config), _adapter(config, adapter), _playing(config), _scoring(config))
    return [note for part in parts for note in part]


def _learning(config: TrainConfig) -> Iterator[str]:
    online = config.algo in GROUP_RELATIVE
    if not online:
        yield from _unused(config, _ONLINE, f"{config.algo} has no ratios to an older policy")
    elif config.steps_per_generation * config.num_iterations == 1:
        yield (
            "one update an iteration: every ratio is 1, so epsilon and epsilon_high clip nothing "
            "(steps_per_generation or num_iterations above 1 make more updates)"
        )
    elif config.loss_type in ("cispo", "sapo"):
        unused = _CLIPS[:1] if config.loss_type == "cispo" else _CLIPS
        yield from _unused(config, unused, f"the loss {config.loss_type} does not clip there")
    if config.algo != "gigpo":
        yield from _unused(config, ("gamma", "omega"), "they belong to gigpo")
    if config.algo == "sft":
        yield from _unused(config, ("beta",), "sft has no KL term")
    if online and config.top_p < 1:
        yield (
            f"top_p {config.top_p:g}: episodes are sampled from a part of the vocabulary, and the gradient is of the "
            "whole (top_p 1 trains what is sampled)"
        )
    if config.max_minutes is not None and not config.lr_scheduler_type.startswith("constant"):
        yield (
            f"the {config.lr_scheduler_type} schedule of the learning rate is laid out for {config.iterations} "
            "iterations: if max_minutes ends the run earlier, it is cut off"
        )


def _rows(config: TrainConfig) -> Iterator[str]:
    """What concerns the algorithms that learn from rows, in updates of `train_batch_size`."""
    if config.algo in GROUP_RELATIVE:
        yield from _unused(config, _OFFLINE, f"{config.algo} makes steps_per_generation updates of an iteration")
        return
    rows = min(config.per_device_train_batch_size, config.train_batch_size)
    if config.train_batch_size % rows:
        fits = next(size for size in range(rows, 0, -1) if config.train_batch_size % size == 0)
        yield (
            f"train_batch_size {config.train_batch_size} is no multiple of per_device_train_batch_size {rows}: "
            f"{fits} rows go through the model at once"
        )
    if config.algo == "dpo" and config.window is not None:
        yield "window: dpo pairs episodes of a single row, and leaves out those that forget turns"
    if fixed := sorted(config.trl_args.keys() & {*_FIXED}):
        yield f"trl_args: the trainer sets {_list(fixed)} itself"


def _adapter(config: TrainConfig, adapter: Mapping[str, Any] | None) -> Iterator[str]:
    if not config.use_peft:
        yield from _unused(config, _LORA, "all weights are trained (use_peft trains an adapter)")
        return
    if config.lora_dropout and config.algo != "sft":
        yield "lora_dropout has no effect: only sft trains with dropout"
    if adapter is None:
        return
    own: dict[str, Any] = {"lora_r": adapter.get("r"), "lora_alpha": adapter.get("lora_alpha")}
    own["lora_target_modules"] = tuple(sorted(adapter.get("target_modules") or ()))
    asked: dict[str, Any] = {"lora_r": config.lora_r, "lora_alpha": config.lora_alpha}
    asked["lora_target_modules"] = tuple(sorted(config.lora_target_modules))
    if other := [name for name in own if own[name] != asked[name]]:
        kept = ", ".join(f"{name} {_shown(own[name])}, not {_shown(asked[name])}" for name in other)
        yield f"the run trains on the adapter that it begins with, as it is: {kept}"


def _playing(config: TrainConfig) -> Iterator[str]:
    if config.source is not None:
        yield from _unused(config, _PLAYING, "nothing is played (--from), and there is one round")
    elif config.algo in ("sft", "kto"):
        yield from _unused(config, ("rounds",), f"{config.algo} takes every episode")
    elif config.rounds > 1 and (config.invalid_penalty or config.inadmissible_penalty):
        named = [name for name in ("invalid_penalty", "inadmissible_penalty") if getattr(config, name)]
        yield (
            f"{_list(named)}: a penalty by turn is a signal even where all scores of a group are equal, so every group "
            f"is taken, and rounds (dynamic sampling) has no effect"
        )
    if config.engine == "hf":
        yield from _unused(config, _VLLM, "the engine is hf")
    if config.ray != "off" and config.engine == "vllm-server":
        yield "vllm-server: on Ray vLLM runs inside the actors; the server scores evaluations only"


def _scoring(config: TrainConfig) -> Iterator[str]:
    if not config.eval_tasks:
        yield from _unused(config, ("eval_split",), "eval_tasks is 0")
    if not config.select_tasks:
        yield from _unused(config, ("select_split", "eval_steps"), "select_tasks is 0, and the last checkpoint is kept")
    if not config.eval_tasks and not config.select_tasks:
        yield from _unused(config, ("eval_temperature",), "nothing is scored")


def _unused(config: TrainConfig, names: Iterable[str], why: str) -> Iterator[str]:
    """One note about those of the options that differ from their defaults and from what the preset says."""
    usual = {**_DEFAULTS, **_preset(config)}
    changed = [name for name in names if getattr(config, name) != usual[name]]
    if changed:
        yield f"{_list(changed)} {'has' if len(changed) == 1 else 'have'} no effect: {why}"


def _preset(config: TrainConfig) -> dict[str, Any]:
    """The options of the run's preset, as the run has them."""
    if config.preset is None:
        return {}
    _, options = find_preset(config.preset, config.env.lower().removesuffix("-v1"), config.algo, config.model)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


_DEFAULTS: dict[str, Any] = {
    field.name: field.default if field.default_factory is MISSING else field.default_factory()
    for field in fields(TrainConfig)
}
