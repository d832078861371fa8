"""Weights cross processes bit by bit."""

from __future__ import annotations

import pickle

import pytest
import torch

from rollout.cluster.weights import pack, unpack


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.int64])
def test_every_dtype_arrives_as_it_left(dtype: torch.dtype) -> None:
    tensor = torch.arange(12, dtype=torch.float32).reshape(3, 4).T.to(dtype)
    (arrived,) = unpack(pickle.loads(pickle.dumps(pack({"w": tensor}), protocol=5))).values()
    assert (arrived.dtype, arrived.shape) == (dtype, tensor.shape)
    assert torch.equal(arrived.float(), tensor.float())
