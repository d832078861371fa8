"""Low-rank adapters (LoRA, 2106.09685), and the quantised model below them (QLoRA, 2305.14314)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from envs.installation import pip_install
from rollout.loading import best_device
from trainers.errors import TrainingError

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The linear layers of attention and feed-forward, as Qwen and Llama name them."""

_QUANTIZED = "is_loaded_in_4bit"
"""What PEFT, TRL and transformers ask a model for."""


def with_adapter(
    model: PreTrainedModel,
    *,
    r: int = 32,
    alpha: int = 64,
    dropout: float = 0.0,
    target_modules: Sequence[str] = LINEAR,
    quantize: bool = False,
) -> PeftModel:
    """The model with a new adapter that changes nothing yet; only it is trained.

    Args:
        model: without an adapter; changed in place.
        r: rank.
        alpha: the adapter's output is multiplied by `alpha / r`.
        dropout: of the adapter's input.
        target_modules: last names of the linear layers that get one.
        quantize: keep the model itself in 4 bits (NF4, quantised twice). Load it on the CPU: layer by layer goes to the
            accelerator in 4 bits only.

    Raises:
        TrainingError: if the model has an adapter or no layers of these names, if the output layer is among them, which
            TRL's fused head would pass over, or if bitsandbytes does not run.
    """
    from peft import LoraConfig, get_peft_model

    if hasattr(model, "peft_config"):
        raise TrainingError("the model has an adapter", remedy="Train that one on, or merge it: merge_and_unload().")
    if "lm_head" in target_modules:
        raise TrainingError(
            "an adapter on lm_head would not be trained: the losses read the layer's own weights",
            remedy="Leave lm_head out of target_modules.",
        )
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    if missing := set(target_modules) - names:
        raise TrainingError(
            f"the model has no layers named {', '.join(sorted(missing))}",
            remedy="Set target_modules to names of its linear layers.",
        )
    if quantize:
        _quantize(model)
    settings = LoraConfig(
        r=r, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(target_modules), task_type="CAUSAL_LM"
    )
    return get_peft_model(model, settings)


def with_trained_adapter(model: PreTrainedModel, folder: str, *, quantize: bool = False) -> PeftModel:
    """The model with an adapter that has been trained before, to be trained on; it keeps its rank, scale and layers.

    Args:
        model: that the adapter was trained on, without an adapter; changed in place.
        folder: with the adapter, as PEFT saves it.
        quantize: as for `with_adapter`.

    Raises:
        TrainingError: if it is no LoRA adapter or has a part on the output layer, or if bitsandbytes does not run.
    """
    from peft import PeftConfig, PeftModel

    settings: Any = PeftConfig.from_pretrained(folder)
    if settings.peft_type != "LORA" or "lm_head" in (settings.target_modules or ()):
        what = "has a part on lm_head" if settings.peft_type == "LORA" else f"is of the kind {settings.peft_type}"
        raise TrainingError(
            f"only LoRA adapters on inner layers can be trained on, and this one {what}",
            where=folder,
            remedy="Merge it into its model (PEFT's merge_and_unload, in float32), and begin with that.",
        )
    if quantize:
        _quantize(model)
    made: Any = PeftModel.from_pretrained(model, folder, is_trainable=True)
    adapted: PeftModel = made.eval()
    return adapted


@contextmanager
def unrounded(model: PreTrainedModel) -> Iterator[None]:
    """Build a trainer of TRL inside this: it takes adapters over four bits to bfloat16, where small updates vanish."""
    base = model.get_base_model() if hasattr(model, "peft_config") else model  # type: ignore[operator]
    quantized = base.__dict__.pop(_QUANTIZED, False)
    try:
        yield
    finally:
        if quantized:
            base.__dict__[_QUANTIZED] = True


@contextmanager
def exchanged(model: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Inside, some of the model's weights are others; afterwards they are its own again.

    Args:
        model: whose weights of these names are exchanged.
        weights: of the same shapes.
    """
    own = {name: model.get_parameter(name) for name in weights}
    kept = {name: weight.data for name, weight in own.items()}
    try:
        for name, weight in own.items():
            weight.data = weights[name]
        yield
    finally:
        for name, weight in own.items():
            weight.data = kept[name]


def _quantize(model: PreTrainedModel) -> None:
    """Exchange the linear layers, the output layer excepted, for ones in 4 bits, and move the model."""
    import torch

    try:
        import bitsandbytes
    except (ImportError, RuntimeError, OSError) as error:  # its libraries may be there and not load
        raise TrainingError(
            f"4 bits need bitsandbytes, which does not load ({error})",
            remedy=f"Type: {pip_install('bitsandbytes')}; or train without quantisation.",
        ) from error
    place = best_device()
    output = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    named = list(model.named_modules())
    linear = [(name, layer) for name, layer in named if isinstance(layer, torch.nn.Linear) and layer is not output]
    for name, layer in linear:
        small = bitsandbytes.nn.Linear4bit(
            layer.in_features,
            layer.out_features,
            bias=layer.bias is not None,
            compute_dtype=torch.bfloat16,
            compress_statistics=True,
            quant_type="nf4",
            device="meta",
        )
        small.weight = bitsandbytes.nn.Params4bit(
            layer.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True
        )
        if layer.bias is not None:
            small.bias = torch.nn.Parameter(layer.bias.data, requires_grad=False)
        model.set_submodule(name, small.to(place))
    model.to(place)  # type: ignore[arg-type]
    model.__dict__[_QUANTIZED] = True
