"""Weights cross processes bit by bit."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from rollout.cluster.weights import Adapter, pack, unpack


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.int64])
def test_every_dtype_arrives_as_it_left(dtype: torch.dtype) -> None:
    tensor = torch.arange(12, dtype=torch.float32).reshape(3, 4).T.to(dtype)
    (arrived,) = unpack(pickle.loads(pickle.dumps(pack({"w": tensor}), protocol=5))).values()
    assert (arrived.dtype, arrived.shape) == (dtype, tensor.shape)
    assert torch.equal(arrived.float(), tensor.float())


def test_an_adapters_files_arrive_as_they_left(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    (there / "adapter_config.json").write_text("{}")
    (there / "adapter_model.safetensors").write_bytes(bytes(range(256)))
    pickle.loads(pickle.dumps(Adapter.read(there))).write(here)
    assert {file.name: file.read_bytes() for file in here.iterdir()} == {
        file.name: file.read_bytes() for file in there.iterdir()
    }
