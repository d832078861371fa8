"""Loading a model and its tokenizer, with errors that say what to type."""

from __future__ import annotations

import logging
import os
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from rollout.errors import ModelError
from rollout.model_files import CONFIGS, check_model_folder, check_tokenizer_folder

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

_URL = re.compile(r"[a-z][a-z0-9+.-]*:/|[\w.-]+:\d+(/|$)", re.IGNORECASE)
DTYPES = ("auto", "float32", "bfloat16", "float16")


def load_model(
    name: str | Path, *, dtype: str = "auto", device: str = "auto"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A causal language model in evaluation mode, and its tokenizer with a template that keeps history.

    Args:
        name: a folder with a model or a LoRA adapter saved by `save_pretrained`, or the name of one on the Hugging
            Face hub.
        dtype: "float32", "bfloat16", "float16", or "auto": the checkpoint's own on an accelerator, float32 on a CPU.
        device: as torch names it, or "auto": an accelerator if there is one.

    Raises:
        ModelError: if it is not there or does not load; its remedy is what to type.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]  # it would write over our own lines, and into files
    if dtype not in DTYPES:
        raise ModelError(f"unknown dtype {dtype!r}", remedy=f"Choose one of {', '.join(DTYPES)}.")
    place = best_device() if device == "auto" else _device(device)
    if dtype == "auto":
        chosen: Any = "auto" if place.type != "cpu" else torch.float32
    else:
        chosen = getattr(torch, dtype)
    found = find_model(name)
    if Path(found).is_dir():
        check_model_folder(Path(found))
    tokenizer = load_tokenizer(name)
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            found, dtype=chosen, output_loading_info=True, trust_remote_code=False
        )
        model, report = loaded
    except Exception as error:  # whatever a broken file makes a reader raise
        raise _not_loaded(name, "model", error) from error
    if wrong := [*report["missing_keys"], *report["mismatched_keys"]]:
        # transformers would draw them at random and only warn.
        raise ModelError(
            f"the checkpoint lacks {len(wrong)} of the model's weights, {wrong[0]} among them",
            where=name,
            remedy="Save it again, or name another.",
        )
    return cast("PreTrainedModel", model.to(place).eval()), tokenizer


def load_tokenizer(name: str | Path) -> PreTrainedTokenizerBase:
    """A model's tokenizer; where its template is a stock one that rewrites history, with TRL's training variant.

    Raises:
        ModelError: if it is not there or does not load.
    """
    from transformers import AutoTokenizer

    found = find_model(name)
    if Path(found).is_dir():
        check_tokenizer_folder(Path(found))
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(found, trust_remote_code=False)
    except Exception as error:  # whatever a broken file makes a reader raise
        raise _not_loaded(name, "tokenizer", error) from error
    # A tokenizer may name one of TRL's templates instead of holding a copy of it, as our stored model's does.
    named = tokenizer.init_kwargs.get("trl_chat_template")
    if named and not tokenizer.chat_template:
        tokenizer.chat_template = trl_template(named)
    keep_history(tokenizer)
    return tokenizer


def trl_template(name: str) -> str:
    """One of the chat templates that TRL brings along, by name.

    Raises:
        ModelError: if TRL has no such template.
    """
    folder = _trl_templates()
    file = folder / f"{name}.jinja"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("qwen*_training.jinja")))
        raise ModelError(f"TRL has no chat template {name!r}", where=folder, remedy=f"Take one of {known}.")
    return file.read_text(encoding="utf-8")


def keep_history(tokenizer: PreTrainedTokenizerBase) -> None:
    """Exchange a known template that rewrites earlier turns for TRL's variant that does not; say so in the log."""
    # TRL's module takes seconds to import, which each worker and engine would spend.
    if not tokenizer.chat_template or tokenizer.chat_template in _training_templates():
        return
    from trl.chat_template_utils import get_training_chat_template

    try:
        better = get_training_chat_template(tokenizer)
    except ValueError:
        return  # TRL has no variant of it; `Renderer` judges whether it will do
    if better is not None:
        tokenizer.chat_template = better
        logger.info("%s: chat template replaced by TRL's training variant of it", tokenizer.name_or_path)


@cache
def _training_templates() -> list[str]:
    return [file.read_text(encoding="utf-8") for file in _trl_templates().glob("*_training.jinja")]


def _trl_templates() -> Path:
    import trl  # a fraction of a second; its modules come when they are asked for

    return Path(trl.__file__).parent / "chat_templates"


def best_device() -> torch.device:
    """An accelerator, or the CPU."""
    import torch

    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or torch.device("cpu")


def _device(name: str) -> torch.device:
    import torch

    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"no device {name!r}: {reason}", remedy="Leave the device at auto, or say cpu.") from error


def find_model(name: str | Path) -> str:
    """The name, after a look at folders: an existing path is never looked for on the hub, nor a path's typing error.

    Raises:
        ModelError: if there is no such folder, it holds no model, the name is a URL, or the hub cannot be reached.
    """
    if _URL.match(str(name)):
        remedy = "Name a folder or a hub name. A server only plays: collect or eval with --model http://HOST:PORT/v1."
        raise ModelError(
            "this is a URL, and the model's own weights or tokenizer are needed", where=name, remedy=remedy
        )
    path = Path(name).expanduser()
    if path.is_dir():
        if not any((path / file).is_file() for file in CONFIGS):
            inner = sorted(str(found.parent) for found in path.glob("**/config.json"))
            remedy = f"Did you mean {inner[-1]}?" if inner else "Name a folder written by save_pretrained."
            raise ModelError("the folder holds no model (no config.json)", where=path, remedy=remedy)
        return str(path)
    if path.is_absolute() or str(name).startswith((".", "~")) or str(name).count("/") > 1 or path.exists():
        raise ModelError("no such folder", where=path, remedy="Check the path of the model.")
    _check_hub(str(name))
    return str(name)


def reach_hub() -> None:
    """Ask the hub whether it is there: where it is not, its client retries for most of a minute.

    Raises:
        OSError: if it cannot be reached and is not switched off.
    """
    from huggingface_hub import constants

    if not constants.HF_HUB_OFFLINE:
        with suppress(HTTPError):  # it answers
            urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=5).close()


def _check_hub(name: str) -> None:
    """A model that is not in the cache needs the hub."""
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, "config.json"), str):
        return
    try:
        reach_hub()
    except OSError as error:
        raise ModelError(
            "there is no such folder, it is not in the cache of downloaded models, and the hub cannot be reached "
            f"({error})",
            where=name,
            remedy="Name a folder written by save_pretrained, or connect to the network once.",
        ) from error


def _not_loaded(name: str | Path, what: str, error: Exception) -> ModelError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if "trust_remote_code" in str(error):
        remedy = "Name a model of an architecture that transformers has."
        return ModelError(f"the {what} brings code of its own, which is not run", where=name, remedy=remedy)
    if Path(name).expanduser().is_dir():
        return ModelError(f"the {what} does not load: {lines[0]}", where=name, remedy="Save it again, or name another.")
    offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
    remedy = (
        "HF_HUB_OFFLINE is set: unset it to download, or name a folder."
        if offline
        else f"Check the name and the network (hf download {name}), or name a folder."
    )
    return ModelError(f"no {what} of that name could be loaded: {lines[0]}", where=name, remedy=remedy)
