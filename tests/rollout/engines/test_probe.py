"""The probe after a sync, and the files by which weights travel, with the hf engine; vLLM's part is in test_vllm.py."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
import tiny_models
import torch
from transformers import PreTrainedTokenizerFast

from rollout.engine import EngineError
from rollout.engines.hf import HFEngine
from rollout.engines.probe import CEILING, TOLERANCE, SyncError, measured_tolerance, probe, scorer
from rollout.engines.weights import checkpoint_shapes, misfits, read_weights, write_weights

PROMPT = [random.Random(0).randrange(10, 700) for _ in range(30)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_same_weights_pass_and_those_of_another_step_do_not(dtype: str, tokenizer: PreTrainedTokenizerFast) -> None:
    served, trained = tiny_models.model(seed=4), tiny_models.model(seed=4)
    for each in (served, trained):
        each.to(getattr(torch, dtype))
    engine, tolerance = HFEngine(served, tokenizer), TOLERANCE[dtype]

    async def sync() -> None:
        assert await probe(engine, scorer(trained), PROMPT, version=0, tolerance=tolerance) < tolerance
        with torch.no_grad():
            trained.model.layers[0].self_attn.o_proj.weight.mul_(1.5)
        with pytest.raises(SyncError, match="other weights"):
            await probe(engine, scorer(trained), PROMPT, tolerance=tolerance)
        version = await engine.update_weights(trained.state_dict())
        await probe(engine, scorer(trained), PROMPT, version=version, tolerance=tolerance)
        with pytest.raises(SyncError, match="version 1 of the weights, and 2 was sent"):
            await probe(engine, scorer(trained), PROMPT, version=2, tolerance=tolerance)

    asyncio.run(sync())


def test_what_may_differ_is_what_differed_when_both_were_loaded(tokenizer: PreTrainedTokenizerFast) -> None:
    served, trained, other = tiny_models.model(seed=4), tiny_models.model(seed=4), tiny_models.model(seed=5)
    engine = HFEngine(served, tokenizer)
    assert asyncio.run(measured_tolerance(engine, scorer(trained), PROMPT, "float32")) == TOLERANCE["float32"]
    with torch.no_grad():
        trained.model.norm.weight.mul_(1.002)
    gap = asyncio.run(probe(engine, scorer(trained), PROMPT, tolerance=1))
    assert TOLERANCE["float32"] < 3 * gap < CEILING["float32"]
    assert asyncio.run(measured_tolerance(engine, scorer(trained), PROMPT, "float32")) == 3 * gap
    with pytest.raises(SyncError, match="loaded the same files"):
        asyncio.run(measured_tolerance(engine, scorer(other), PROMPT, "float32"))


def test_a_trainer_that_has_diverged_is_no_agreement(tokenizer: PreTrainedTokenizerFast) -> None:
    model, nan = tiny_models.model(), tiny_models.model()
    with torch.no_grad():
        nan.model.norm.weight.fill_(float("nan"))
    with pytest.raises(SyncError):
        asyncio.run(probe(HFEngine(model, tokenizer), scorer(nan), PROMPT, tolerance=1e-3))


def test_the_score_is_without_dropout_and_leaves_the_trainer_training() -> None:
    model = tiny_models.model(attention_dropout=0.5)
    alone = scorer(model)([10, 11, 12, 13], 2)
    model.train()
    assert scorer(model)([10, 11, 12, 13], 2) == alone
    assert len(alone) == 2
    assert model.training


def test_weights_written_and_read_are_the_same_tied_ones_included(tmp_path: Path) -> None:
    weights = tiny_models.model().state_dict()
    file = write_weights(weights, tmp_path)
    read = read_weights(file)
    assert read.keys() == weights.keys()
    assert all(torch.equal(read[name], weight) for name, weight in weights.items())
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        write_weights({"a": "no tensor"}, tmp_path)  # type: ignore[dict-item]
    assert not list(tmp_path.iterdir())


def test_a_half_written_file_is_named(tmp_path: Path) -> None:
    file = write_weights({"a": torch.ones(100)}, tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(EngineError, match=str(file)):
        read_weights(file)
    with pytest.raises(EngineError, match="nowhere"):
        read_weights(tmp_path / "nowhere")


def test_weights_are_held_against_the_checkpoint_with_or_without_the_tied_head(tmp_path: Path) -> None:
    model = tiny_models.model()
    model.save_pretrained(tmp_path)
    shapes = checkpoint_shapes(tmp_path)
    assert shapes is not None
    assert "lm_head.weight" not in shapes
    weights = dict(model.state_dict())
    assert misfits(weights, shapes, tied=True) == ""
    assert "lm_head.weight" in misfits(weights, shapes, tied=False)
    del weights["lm_head.weight"]
    assert misfits(weights, shapes, tied=True) == ""
    weights["more"] = weights["model.norm.weight"]
    assert misfits(weights, shapes, tied=True) == "missing or unexpected: more"
    assert checkpoint_shapes(tmp_path / "nowhere") is None
