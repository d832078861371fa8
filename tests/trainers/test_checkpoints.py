"""Checkpoints are whole or not there, the last few and the best."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.store import StoreError
from tests import tiny_models
from trainers.adapters import with_adapter
from trainers.checkpoints import STATE, Checkpoints, load_weights, save_model


def written(checkpoints: Checkpoints, number: int, *, best: bool = False) -> None:
    path = checkpoints.path(number)
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"weights")
    checkpoints.seal(number, {"iteration": number}, best=best)


def names(checkpoints: Checkpoints) -> list[str]:
    return [path.name for path in checkpoints.all()]


def test_a_folder_is_a_checkpoint_once_it_is_sealed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 2)
    assert checkpoints.last() is None
    written(checkpoints, 1)
    checkpoints.path(2).mkdir()
    assert names(checkpoints) == ["checkpoint-1"]
    assert checkpoints.last() == (checkpoints.path(1), {"iteration": 1})
    assert not checkpoints.path(2).exists()


def test_the_newest_is_that_of_the_highest_number(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 5)
    for number in (9, 10, 2):
        written(checkpoints, number)
    last = checkpoints.last()
    assert last is not None
    assert last[1] == {"iteration": 10}


@settings(max_examples=30)
@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(2, 4))
def test_the_last_few_and_the_best_stay(
    tmp_path_factory: pytest.TempPathFactory, bests: Sequence[bool], limit: int
) -> None:
    checkpoints = Checkpoints(tmp_path_factory.mktemp("run"), limit)
    for number, best in enumerate(bests, start=1):
        written(checkpoints, number, best=best)
    numbers = range(1, len(bests) + 1)
    best_number = max((number for number, best in zip(numbers, bests, strict=True) if best), default=None)
    kept = sorted({*numbers[-limit:], *([best_number] if best_number else [])})
    assert names(checkpoints) == [f"checkpoint-{number}" for number in kept]
    assert checkpoints.best() == (checkpoints.path(best_number).resolve() if best_number else None)


def test_a_best_that_a_kill_left_without_its_name_gets_it(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 2)
    written(checkpoints, 1, best=True)
    written(checkpoints, 2, best=True)
    link = checkpoints.folder / "best"
    link.unlink()
    link.symlink_to("checkpoint-1")
    checkpoints.last()
    assert checkpoints.best() == checkpoints.path(2).resolve()


def test_half_a_removal_is_no_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 2)
    for number in (1, 2):
        written(checkpoints, number)
    (checkpoints.path(1) / STATE).unlink()
    assert names(checkpoints) == ["checkpoint-2"]
    checkpoints.last()
    assert not checkpoints.path(1).exists()


def test_a_checkpoint_that_cannot_be_sealed_is_none(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 2)
    checkpoints.path(1).mkdir(parents=True)
    (checkpoints.path(1) / STATE).mkdir()  # in the way
    with pytest.raises(StoreError, match=STATE):
        checkpoints.seal(1, {}, best=True)
    assert names(checkpoints) == []
    assert checkpoints.best() is None


@pytest.mark.parametrize("adapter", [False, True])
def test_a_live_model_gets_the_weights_of_a_folder(adapter: bool, tmp_path: Path) -> None:
    model = tiny_models.model(layers=1)
    live = with_adapter(model, r=2) if adapter else model
    before = copy.deepcopy(live.state_dict())
    save_model(tmp_path, live, tiny_models.tokenizer())
    with torch.no_grad():
        for weight in live.parameters():
            weight += weight.requires_grad
    assert any(not torch.equal(weight, before[name]) for name, weight in live.state_dict().items())
    load_weights(live, tmp_path)
    after = live.state_dict()
    assert all(torch.equal(weight, before[name]) for name, weight in after.items())
    assert (tmp_path / "tokenizer.json").is_file()
