"""A model's folder that lacks something, and names that are no folder: told as what they are, before anything loads."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_models

from rollout.errors import ModelError
from rollout.loading import find_model, load_model, load_tokenizer
from rollout.model_files import check_model_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy.deepcopy(tiny_models.tokenizer()).save_pretrained(tmp_path)
    tiny_models.model(layers=1).save_pretrained(tmp_path)
    return tmp_path


def remove(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink(missing_ok=True) for name in names] and None


def shards(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (remove("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"), "the folder holds no tokenizer"),
        (remove("chat_template.jinja"), "the tokenizer has no chat template"),
        (remove("model.safetensors"), r"lacks weights \(no \*.safetensors\)"),
        (shards, r"lacks weights \(model-00002-of-00002.safetensors is missing or empty\)"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"") and None, "model.safetensors is missing or"),
        (lambda folder: (folder / "config.json").write_text("{") and None, "config.json: cannot be read"),
        (lambda folder: (folder / "tokenizer_config.json").write_text("[]") and None, "it holds a list"),
    ],
)
def test_what_is_missing_or_damaged_is_named_as_what_it_is(
    harm: Callable[[Path], None], said: str, folder: Path
) -> None:
    check_model_folder(folder, template=True)
    harm(folder)
    with pytest.raises(ModelError, match=said):
        check_model_folder(folder, template=True)


def test_a_model_without_a_tokenizer_is_not_told_to_lack_a_template(folder: Path) -> None:
    remove("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")(folder)
    for load in (load_tokenizer, load_model):
        with pytest.raises(ModelError, match=r"holds no tokenizer.*tokenizer.save_pretrained"):
            load(folder)


def test_a_stored_model_is_whole() -> None:
    from configs.stored import model_path

    for name in ("tiny-alfworld", "tiny-dbbench"):
        check_model_folder(Path(model_path(name)), template=True)


@pytest.mark.parametrize("name", ["http://127.0.0.1:8000/v1", "ftp://host/model", "127.0.0.1:8000/v1", "host:8000"])
def test_a_url_is_not_told_as_a_missing_folder(name: str) -> None:
    with pytest.raises(ModelError, match="this is a URL, and the model's own weights or tokenizer are needed"):
        find_model(name)
