"""A model's folder, looked at before anything of it is loaded: what is missing is named as what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rollout.errors import ModelError

CONFIGS = ("config.json", "adapter_config.json")
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "adapter_model.bin")
_TEMPLATES = ("chat_template.jinja", "chat_template.json", "additional_chat_templates")


def check_model_folder(folder: Path, *, template: bool = False) -> None:
    """Refuse a folder that cannot be loaded as a model with its tokenizer.

    Args:
        folder: as `save_pretrained` writes it, of a whole model or an adapter.
        template: whether the tokenizer needs a chat template.

    Raises:
        ModelError: naming what is missing or damaged.
    """
    for name in CONFIGS:
        if (folder / name).is_file():
            read_object(folder / name)
    _check_weights(folder)
    check_tokenizer_folder(folder, template=template)


def check_tokenizer_folder(folder: Path, *, template: bool = False) -> None:
    """As `check_model_folder`, for the tokenizer alone."""
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise ModelError(
            f"the folder holds no tokenizer (none of {', '.join(_TOKENIZERS[:2])}, ...)",
            where=folder,
            remedy="Copy the tokenizer's files there from the model that it was trained from, or save the tokenizer "
            "with tokenizer.save_pretrained.",
        )
    file = folder / "tokenizer_config.json"
    said = read_object(file) if file.is_file() else {}
    if template and not (said.keys() & {"chat_template", "trl_chat_template"}):
        if any((folder / name).exists() for name in _TEMPLATES):
            return
        raise ModelError(
            "the tokenizer has no chat template",
            where=folder,
            remedy="Use an instruct model, or put a chat_template.jinja into the folder, such as TRL's "
            "trl/chat_templates/qwen2_5_training.jinja, before training a base model.",
        )


def _check_weights(folder: Path) -> None:
    files = [file for pattern in _WEIGHTS for file in folder.glob(pattern)]
    indices = list(folder.glob("*.index.json"))
    wanted = {name for index in indices for name in read_object(index).get("weight_map", {}).values()}
    missing = sorted(name for name in wanted if not (folder / name).is_file())
    empty = [file.name for file in files if file.stat().st_size == 0]
    if files and not missing and not empty:
        return
    what = f"{', '.join([*missing, *empty][:3])} is missing or empty" if missing or empty else "no *.safetensors"
    remedy = "Copy the folder again (an interrupted download ends so), or name another."
    raise ModelError(f"the folder lacks weights ({what})", where=folder, remedy=remedy)


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file of a model's folder.

    Raises:
        ModelError: if it cannot be read, or holds something else.
    """
    try:
        plain = json.loads(file.read_bytes())
        if not isinstance(plain, dict):
            raise ValueError(f"it holds a {type(plain).__name__}")
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot be read ({error})", where=file, remedy="Copy the file again.") from error
    return plain
