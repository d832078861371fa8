"""The HTTP client: whatever the server does, an answer or an error of the right class, in bounded time."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, TypeVar

import httpx
import pytest

from rollout.client import Client, Refused, retry_after
from rollout.engine import ContextOverflow, EngineError
from rollout.errors import ModelError
from rollout.patience import Patience
from tests.rollout.servers import Act, Body, Handler, drip, hang, reply, reset_mid_body, serving, unused_url

T = TypeVar("T")
QUICK = Patience(attempts=3, backoff=0.005, pause=0.5, connect=2, silence=0.3, total=5)
FINE = reply(200, {"fine": True})


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 20))


def ask(url: str, patience: Patience = QUICK) -> tuple[Body, Client]:
    client = Client(url, patience=patience)

    async def once() -> Body:
        try:
            return (await client.post("/x", {"a": 1})).body
        finally:
            await client.close()

    return run(once()), client


@pytest.mark.parametrize(
    "passing",
    [
        reset_mid_body,
        reply(500, {"error": "oops"}),
        reply(503, b"<html>starting</html>"),
        reply(408, b""),
        reply(409, b""),
        reply(429, {"error": "slow down"}),
        reply(429, b"", Retry_After="0"),
        reply(503, b"", Retry_After=format_datetime(datetime.now(UTC) - timedelta(minutes=1), usegmt=True)),
        reply(429, b"", Retry_After="soon"),
    ],
)
def test_what_passes_is_tried_again(passing: Act) -> None:
    with serving(FINE, passing, passing) as server:
        body, client = ask(server.url)
    assert body == {"fine": True}
    assert (client.usage.requests, client.usage.retries) == (3, 2)


@pytest.mark.parametrize(
    ("fault", "words"), [(reset_mid_body, "the connection broke"), (reply(500, {"error": "oops"}), "status 500.*oops")]
)
def test_what_does_not_pass_is_given_up_after_so_many_attempts(fault: Act, words: str) -> None:
    with serving(fault) as server, pytest.raises(EngineError, match=rf"{words}.*\(3 attempts\)"):
        ask(server.url)
    assert len(server.seen) == 3


def test_a_refused_connection_names_the_place_and_the_remedy() -> None:
    url = unused_url()
    with pytest.raises(EngineError, match=rf"{url}/x: cannot connect .*vllm serve.*\(3 attempts\)"):
        ask(url)


def test_a_server_that_comes_up_while_the_client_tries_is_found() -> None:
    url = unused_url()

    async def early() -> Body:
        client = Client(url, patience=Patience(attempts=1000, backoff=0.005, pause=0.02, total=10))
        asked = asyncio.create_task(client.post("/x", {}))
        while client.usage.retries < 3:
            await asyncio.sleep(0.001)
        with serving(FINE, port=httpx.URL(url).port or 0):
            return (await asked).body

    assert run(early()) == {"fine": True}


def test_a_pause_longer_than_the_limit_is_not_slept() -> None:
    with serving(reply(429, b"", Retry_After="3600")) as server:
        with pytest.raises(EngineError, match=r"asks for 3600 s of patience, more than 0\.5 s.*--resume"):
            ask(server.url)
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, {"error": {"message": "temperature is odd"}}, "temperature is odd"),
        (401, {"error": "no key"}, "OPENAI_API_KEY"),
        (404, {"error": "no such model"}, "model's name"),
        (422, {"detail": "what?"}, "what?"),
        (429, {"error": {"code": "insufficient_quota"}}, "out of credit"),
        (501, b"", "status 501"),
        (307, b"", "status 307"),
        (200, {"error": {"message": "no provider"}}, "no provider"),
    ],
)
def test_a_refusal_is_not_asked_again(status: int, body: Any, words: str) -> None:
    with serving(reply(status, body)) as server:
        with pytest.raises(Refused) as refused:
            ask(server.url)
        assert len(server.seen) == 1
    assert words in str(refused.value)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 4352 tokens (4096 in the messages",
        "'max_tokens' or 'max_completion_tokens' is too large: 256. This model's maximum context length is 4096 tokens",
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
        "The prompt (total length 25938) is too long to fit into the model (context length 4096).",
        "max_tokens must be at least 1, got -186.",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        "the request exceeds the available context size. try increasing the context size",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096",
    ],
)
def test_an_overlong_prompt_is_told_from_other_refusals(words: str) -> None:
    for body in ({"error": {"message": words}}, {"object": "error", "message": words}):
        with serving(reply(400, body)) as server, pytest.raises(ContextOverflow):
            ask(server.url)


def test_an_overlong_prompt_is_known_by_openais_code_too() -> None:
    body = {"error": {"message": "too much", "code": "context_length_exceeded"}}
    for status in (400, 200):
        with serving(reply(status, body)) as server, pytest.raises(ContextOverflow):
            ask(server.url)


def test_silence_ends_the_request() -> None:
    with serving(hang) as server, pytest.raises(EngineError, match=r"no byte from the server for 0\.3 s"):
        ask(server.url)
    assert len(server.seen) == 1


def test_a_reply_that_never_ends_is_cut_off() -> None:
    patience = Patience(silence=5, total=0.3)
    with serving(drip) as server, pytest.raises(EngineError, match=r"no answer within 0\.3 s"):
        ask(server.url, patience)


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"a": ', b"[1]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_reply_that_is_no_json_object_is_an_engine_error(content: bytes) -> None:
    with serving(reply(200, content)) as server, pytest.raises(EngineError, match="OpenAI-compatible"):
        ask(server.url)
    assert len(server.seen) == 1


def test_a_doubled_reply_is_never_the_answer_to_the_next_request() -> None:
    def twice(handler: Handler, request: Body) -> None:
        for _ in range(2):
            handler.say(200, json.dumps(request).encode())

    async def two() -> list[Body]:
        client = Client(server.url, capacity=1, patience=QUICK)
        try:
            return [(await client.post("/x", {"number": number})).body for number in range(5)]
        finally:
            await client.close()

    with serving(twice) as server:
        assert run(two()) == [{"number": number} for number in range(5)]


def test_a_cancelled_request_closes_its_connection() -> None:
    async def cancelled() -> None:
        client = Client(server.url)
        asked = asyncio.create_task(client.post("/x", {}))
        while not server.seen:
            await asyncio.sleep(0.001)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert await asyncio.to_thread(server.closed.wait, 5)
        await client.close()

    with serving(hang) as server:
        run(cancelled())


def test_closing_fails_what_is_under_way_and_what_follows() -> None:
    async def closed() -> None:
        client = Client(server.url)
        asked = [asyncio.create_task(client.post("/x", {})) for _ in range(3)]
        while len(server.seen) < 3:
            await asyncio.sleep(0.001)
        await client.close()
        for request in asked:
            with pytest.raises(EngineError, match="closed"):
                await request
        with pytest.raises(EngineError, match="closed"):
            await client.post("/x", {})
        await client.close()

    with serving(hang) as server:
        run(closed())


def test_no_more_requests_are_under_way_than_the_capacity() -> None:
    together, most, meet, lock = 0, 0, threading.Barrier(3), threading.Lock()

    def count(handler: Handler, request: Body) -> None:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        meet.wait(10)  # three at a time, or the test fails
        with lock:
            together -= 1
        FINE(handler, request)

    async def many() -> list[float]:
        client = Client(server.url, capacity=3)
        answers = await asyncio.gather(*(client.post("/x", {}) for _ in range(9)))
        await client.close()
        return [answer.queue for answer in answers]

    with serving(count) as server:
        queued = run(many())
    assert most == 3
    assert max(queued) > 0


def test_a_limit_per_minute_holds_requests_back() -> None:
    async def two() -> None:
        client = Client(server.url, per_minute=1, patience=Patience(total=0.2))
        await client.post("/x", {})
        with pytest.raises(EngineError, match="no answer within"):
            await client.post("/x", {})
        await client.close()

    with serving(FINE) as server:
        run(two())
    assert len(server.seen) == 1


def test_one_client_serves_one_event_loop_after_another() -> None:
    with serving(FINE) as server:
        client = Client(server.url, capacity=1)

        async def three() -> None:
            await asyncio.gather(*(client.post("/x", {}) for _ in range(3)))

        for _ in range(3):
            run(three())
        run(client.close())
        assert len(server.seen) == 9


def test_the_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret\n")
    caplog.set_level(logging.DEBUG)
    echo = reply(401, {"error": {"message": "Incorrect API key provided: sk-very-secret."}})
    with serving(echo, reply(500, b"sk-very-secret")) as server, pytest.raises(Refused) as refused:
        ask(server.url)
    assert server.keys == ["Bearer sk-very-secret"] * 2
    assert "secret" not in caplog.text + str(refused.value)


def test_lone_surrogates_reach_the_server() -> None:
    with serving(FINE) as server:
        client = Client(server.url)
        run(client.post("/x", {"content": "a\ud800b"}))
    assert server.seen[0][1] == {"content": "a\ud800b"}


def test_tokens_are_counted_where_the_server_tells_them() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2}
    for sent, counted in ((usage, (7, 2)), (None, (0, 0)), ({"prompt_tokens": "x"}, (0, 0)), ([1], (0, 0))):
        with serving(reply(200, {"choices": [], "usage": sent})) as server:
            _, client = ask(server.url)
        assert (client.usage.prompt_tokens, client.usage.completion_tokens) == counted


@pytest.mark.parametrize("url", ["localhost:8000", "", "ftp://x/v1", "http://", "http://x:port/v1"])
def test_what_is_no_url_is_wrong_usage(url: str) -> None:
    with pytest.raises(ModelError, match="http://HOST:PORT/v1"):
        Client(url)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ModelError, match="OPENAI_API_KEY") as refused:
        Client("http://user:hidden@host/v1")
    assert "hidden" not in str(refused.value)


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    assert retry_after("7") == 7.0
    assert retry_after(" 0.5 ") == 0.5
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < (retry_after(date) or 0) <= 100
    assert retry_after(format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)) == 0.0
    assert [retry_after(odd) for odd in (None, "", "-3", "soon", "Fri, 99 Foo")] == [None] * 5


def test_importing_the_client_costs_no_http_library() -> None:
    code = "import sys, rollout.client, rollout.chat, rollout.served; print('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
