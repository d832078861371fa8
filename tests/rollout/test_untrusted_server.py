"""What a server may do to us: nothing beyond the replies that were asked for."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
import tiny_models

from envs.protocol import Message
from rollout.chat import ChatPolicy
from rollout.client import REPLY_LIMIT, TOKEN_CHARACTERS, Client
from rollout.engine import EngineError, Sampling
from rollout.engines.openai import OpenAIEngine
from rollout.patience import Patience
from rollout.served import served_policy
from tests.rollout.servers import Body, Handler, chat, completion, reply, serving

T = TypeVar("T")
QUICK = Patience(attempts=1, connect=2, silence=5, total=10)
SAMPLING = Sampling(max_new_tokens=8)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 20))


def ask(url: str) -> Any:
    async def once() -> Any:
        client = Client(url, patience=QUICK)
        try:
            return (await client.post("/x", {})).body
        finally:
            await client.close()

    return run(once())


def test_no_compressed_reply_is_asked_for_and_none_is_unpacked() -> None:
    bomb = gzip.compress(b'{"a": "' + b" " * (64 << 20) + b'"}')
    headers: list[str | None] = []

    def send(handler: Handler, body: Body) -> None:
        headers.append(handler.headers["Accept-Encoding"])
        handler.say(200, bomb, {"Content-Encoding": "gzip"})

    tracemalloc.start()
    try:
        with serving(send) as server, pytest.raises(EngineError, match="gzip"):
            ask(server.url)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert headers == ["identity"]
    assert peak < 32 << 20


def test_a_reply_without_end_is_given_up_at_the_limit() -> None:
    sent = 0

    def send(handler: Handler, body: Body) -> None:
        nonlocal sent
        handler.close_connection = True
        handler.say(200, b'{"a": "', length=1 << 40)
        try:
            while not handler.server.over.is_set():
                sent += handler.wfile.write(b" " * (1 << 16))
        except OSError:
            return

    with serving(send) as server, pytest.raises(EngineError, match="longer than"):
        ask(server.url)
    assert sent < REPLY_LIMIT + (16 << 20)  # what the kernel holds between the two


def test_an_error_without_end_is_given_up_too() -> None:
    with serving(reply(500, b"x" * (REPLY_LIMIT + 1))) as server, pytest.raises(EngineError, match="longer than"):
        ask(server.url)


def test_a_message_longer_than_the_tokens_that_were_asked_for_is_refused() -> None:
    async def once(url: str) -> Any:
        policy = ChatPolicy(Client(url, patience=QUICK), "m", SAMPLING)
        try:
            return await policy.ask([Message("user", "hi")], None, 0)
        finally:
            await policy.close()

    longest = TOKEN_CHARACTERS * SAMPLING.max_new_tokens
    with serving(chat("x" * longest)) as server:
        assert len(run(once(server.url)).message.content) == longest
    with serving(chat("x" * (longest + 1))) as server, pytest.raises(EngineError, match="characters"):
        run(once(server.url))
    call = {"id": "1", "function": {"name": "f", "arguments": "x" * (longest + 1)}}
    with serving(chat("", tool_calls=[call])) as server, pytest.raises(EngineError, match="characters"):
        run(once(server.url))


def test_more_token_ids_than_were_asked_for_are_refused() -> None:
    async def once(url: str) -> Any:
        engine = OpenAIEngine(Client(url, patience=QUICK), "m", max_length=100)
        try:
            return await engine.generate("e", [1, 2], SAMPLING, 0)
        finally:
            await engine.close()

    with serving(completion([5] * 9)) as server, pytest.raises(EngineError, match="over the 8"):
        run(once(server.url))


def test_the_tokenizer_that_a_server_names_is_not_loaded(tmp_path: Path) -> None:
    tiny_models.tokenizer().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "qwen3"}')
    models = [{"id": "m", "root": str(tmp_path), "max_model_len": 64, "owned_by": "vllm"}]
    with serving(completion([5]), models=models) as server:
        made = run(served_policy(Client(server.url, patience=QUICK), SAMPLING))
        run(made.close())
    assert isinstance(made, ChatPolicy)


def test_no_key_is_sent_where_none_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")

    async def once(url: str) -> None:
        client = Client(url, patience=QUICK, key_env=None)
        await client.post("/x", {})
        await client.close()

    with serving(reply(200, {})) as server:
        run(once(server.url))
        assert server.keys == [None]


def test_a_server_on_a_unix_socket_is_asked_through_no_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    seen: list[bytes] = []

    async def once() -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            body = json.dumps({"fine": True}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
            writer.close()

        async with await asyncio.start_unix_server(serve, tmp_path / "s"):
            client = Client("http://localhost/v1", patience=QUICK, key_env=None, socket=tmp_path / "s")
            try:
                return (await client.get("/models")).body
            finally:
                await client.close()

    assert run(once()) == {"fine": True}
    assert seen[0].startswith(b"GET /v1/models")
