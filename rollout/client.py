"""HTTP to an OpenAI-compatible server, for engines and policies alike: patient with what passes, clear about the rest.

| what the server does | what comes of it |
|---|---|
| refuses or breaks the connection; 408, 409, 425, 429, 5xx | tried again after a growing, jittered pause |
| `Retry-After` | kept, up to `Patience.pause`; longer is an `EngineError` |
| 400, 413, 422 in the words of an overlong prompt | `ContextOverflow` |
| any other status, 429 for want of credit | `Refused`, at once |
| no byte for `Patience.silence`, or no end within `Patience.total` | `EngineError` |
| 200 with what is no JSON object | `EngineError` |
| a reply in a compressed encoding, or longer than `limit` bytes | `EngineError`, once the limit is passed |

Each request has a connection of its own. One more handshake is nothing beside a completion, and it makes sure that a
stale or doubled reply is never read as the answer to another request.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rollout.engine import ContextOverflow, EngineError
from rollout.errors import ModelError
from rollout.patience import Patience

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

_AGAIN = frozenset({408, 409, 425, 429, *range(500, 600)}) - {501, 505}
_OVERLONG = re.compile(
    r"context_length_exceeded|maximum context length|maximum model length|model's context length"
    r"|exceed_context_size|available context size|too long to fit into the model|prompt is too long"
    r"|max_tokens must be at least 1, got -|tokens \+ `max_new_tokens` must be",
    re.IGNORECASE,
)
_EXCERPT = 300

REPLY_LIMIT = 4 << 20
"""Bytes of a reply at most, beside what the request asks for."""

TOKEN_BYTES = 1024
"""Bytes of a reply for each token at most: its id, its text with escapes, its log-probability."""

TOKEN_CHARACTERS = 256
"""Characters of a token at most; the longest of known vocabularies have 128."""


class Refused(EngineError):
    """The server understood the request and will not answer it; another try would be refused as well.

    Attributes:
        status: HTTP's.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _Passing(Exception):
    """A fault that another try may not meet; `after` is the pause that the server asks for, in seconds."""

    def __init__(self, fault: EngineError, after: float | None = None) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.after = after


@dataclass(slots=True)
class Usage:
    """What was asked of a server so far. Tokens are counted where the server tells them."""

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Answer(NamedTuple):
    """A server's JSON, and the seconds until it was asked (pauses included) and from then on."""

    body: dict[str, Any]
    queue: float
    model: float


class Client:
    """Asks one server, many requests at once.

    Args:
        url: up to the version, such as `http://127.0.0.1:8000/v1`.
        capacity: connections at once; further requests wait.
        key_env: the environment variable with the API key, read at each request and never shown; none is sent where it
            is not set, or where `key_env` is None.
        socket: the Unix socket that the server listens on, in place of the URL's host and port.
        per_minute: requests begun a minute at most, evenly spaced; None for no limit.
        patience: with slow and failing servers.

    Attributes:
        url: without a slash at its end.
        usage: counted over all requests.

    Raises:
        ModelError: if the URL is none, or holds a password.
    """

    def __init__(
        self,
        url: str,
        *,
        capacity: int = 32,
        key_env: str | None = "OPENAI_API_KEY",
        socket: Path | None = None,
        per_minute: float | None = None,
        patience: Patience | None = None,
    ) -> None:
        import httpx

        try:
            parsed = httpx.URL(url.rstrip("/"))
        except httpx.InvalidURL as error:
            raise ModelError(f"not a URL ({error})", where=url, remedy="Write http://HOST:PORT/v1.") from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ModelError("not a server's URL", where=url, remedy="Write http://HOST:PORT/v1.")
        if parsed.userinfo:
            # httpx writes whole URLs into its log.
            remedy = f"Leave it out, and set the key in the environment variable {key_env}."
            raise ModelError("the URL holds a password", where=parsed.host, remedy=remedy)
        self.capacity = capacity
        self.patience = patience or Patience()
        self.usage = Usage()
        self.url = str(parsed)
        self._key_env, self._socket = key_env, socket
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._random = random.Random()  # not the shared one: a retry must not change what a seeded run draws
        self._http: httpx.AsyncClient | None = None
        self._under_way: set[asyncio.Task[Answer]] = set()
        self._closed = False

    async def get(self, path: str) -> Answer:
        """GET what is at `path`, below the URL. Raises as `post` does."""
        return await self._ask("GET", path, b"", REPLY_LIMIT)

    async def post(self, path: str, body: Mapping[str, Any], *, expected: int = 0) -> Answer:
        """POST a JSON object. Cancelling the call closes the connection, by which servers know to stop.

        Args:
            path: below the URL.
            body: the object.
            expected: bytes of a reply that holds all that was asked for; a reply may have `REPLY_LIMIT` more.

        Raises:
            ContextOverflow: if the server says that the prompt is too long.
            Refused: if it refuses for another reason.
            EngineError: if it cannot be reached, stays silent, keeps failing, or answers nonsense or without end.
        """
        # Lone surrogates, which models produce and UTF-8 refuses, pass as escapes.
        return await self._ask("POST", path, json.dumps(body).encode("ascii"), REPLY_LIMIT + expected)

    @asynccontextmanager
    async def within(self, patience: Patience) -> AsyncIterator[None]:
        """Ask with less patience for a while; nothing else may be under way."""
        usual, self.patience = self.patience, self.patience.capped(patience)
        await self._disconnect()
        try:
            yield
        finally:
            self.patience = usual
            await self._disconnect()

    async def close(self) -> None:
        """Fail what is under way. May be called twice."""
        self._closed = True
        for work in self._under_way:
            work.cancel()
        await self._disconnect()

    async def _disconnect(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    def error(self, path: str, what: str, remedy: str) -> EngineError:
        """An error that says where it happened and what to do next."""
        return EngineError(self._message(path, what, remedy))

    def _message(self, path: str, what: str, remedy: str) -> str:
        message = f"{self.url}{path}: {what.rstrip('.')}. {remedy}"
        key = self._key()
        return message.replace(key, "***") if key else message

    async def _ask(self, method: str, path: str, content: bytes, limit: int) -> Answer:
        if self._closed:
            raise self.error(path, "the client is closed", "Make a new one.")
        work = asyncio.create_task(self._attempts(method, path, content, limit))
        self._under_way.add(work)
        try:
            return await work
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if self._closed and not (caller and caller.cancelling()):
                raise self.error(path, "the client was closed", "Make a new one.") from None
            raise
        finally:
            self._under_way.discard(work)

    async def _attempts(self, method: str, path: str, content: bytes, limit: int) -> Answer:
        asked, total = time.monotonic(), self.patience.total
        try:
            async with asyncio.timeout(total):
                for attempt in range(1, self.patience.attempts + 1):
                    await self._pace()
                    try:
                        body, sent, came = await self._once(method, path, content, limit)
                    except _Passing as passing:
                        await self._pause(path, passing, attempt)
                    else:
                        return Answer(body, sent - asked, came - sent)
        except TimeoutError as error:
            remedy = "Look at the server's load, and go on with --resume."
            raise self.error(path, f"no answer within {total:g} s", remedy) from error
        raise AssertionError("the last attempt returns or raises")

    async def _pace(self) -> None:
        if self._interval:
            begin = max(self._next, time.monotonic())
            self._next = begin + self._interval
            await asyncio.sleep(begin - time.monotonic())

    async def _pause(self, path: str, passing: _Passing, attempt: int) -> None:
        """Wait before the next attempt, or give up."""
        patience, after = self.patience, passing.after
        if after is not None and after > patience.pause:
            raise self.error(
                path,
                f"the server asks for {after:g} s of patience, more than {patience.pause:g} s",
                "Wait, and go on with --resume.",
            ) from passing
        if attempt == patience.attempts:
            raise EngineError(f"{passing.fault} ({attempt} attempts)") from passing
        self.usage.retries += 1
        if after is None:
            pause = min(patience.pause, patience.backoff * 2 ** (attempt - 1)) * self._random.uniform(0.5, 1.0)
        else:
            pause = after + patience.backoff * self._random.random()  # not all clients in the same instant
        log.info("%s (attempt %d of %d; again in %.1f s)", passing.fault, attempt, patience.attempts, pause)
        await asyncio.sleep(pause)

    async def _once(self, method: str, path: str, content: bytes, limit: int) -> tuple[dict[str, Any], float, float]:
        """Send once: the answer, when it was sent, and when it had come."""
        import httpx

        sent = time.monotonic()

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            nonlocal sent
            if event.endswith("send_request_headers.started"):
                sent = time.monotonic()

        self.usage.requests += 1
        try:
            async with self._client().stream(
                method, self.url + path, content=content, headers=self._headers(), extensions={"trace": trace}
            ) as response:
                said = await self._bounded(path, response, limit)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            remedy = "Is the server up, and the URL right? Start one with: vllm serve MODEL."
            raise _Passing(self.error(path, f"cannot connect ({_words(error)})", remedy)) from error
        except httpx.TimeoutException as error:
            what = f"no byte from the server for {self.patience.silence:g} s"
            remedy = "Look at its log; if it is only slow, lower the number of workers."
            raise self.error(path, what, remedy) from error
        except httpx.TransportError as error:
            remedy = "Look at the server's log."
            raise _Passing(self.error(path, f"the connection broke ({_words(error)})", remedy)) from error
        except httpx.RequestError as error:
            raise self.error(
                path, f"the reply cannot be read ({_words(error)})", "Look at the server's log."
            ) from error
        return self._read(path, response, said), sent, time.monotonic()

    async def _bounded(self, path: str, response: httpx.Response, limit: int) -> bytes:
        """The bytes of a reply, as they are sent: a small compressed reply may stand for gigabytes."""
        encoding = response.headers.get("content-encoding", "identity").lower()
        remedy = "Is the URL that of an OpenAI-compatible server?"
        if encoding != "identity":
            what = f"the reply is encoded as {encoding}, which was not asked for"
            raise self.error(path, what, "Switch the compression of replies off at the server or its proxy.")
        content = bytearray()
        async for part in response.aiter_raw():
            content += part
            if len(content) > limit:
                raise self.error(path, f"the reply is longer than {limit:,} bytes", remedy)
        return bytes(content)

    def _read(self, path: str, response: httpx.Response, content: bytes) -> dict[str, Any]:
        status, said = response.status_code, " ".join(content.decode("utf-8", "replace").split())
        if status == 200:
            body = self._object(path, content)
            if body.get("error") and "choices" not in body:  # some gateways hide a refusal behind a 200
                raise self._refusal(path, status, json.dumps(body["error"], ensure_ascii=False))
            self._count(body.get("usage"))
            return body
        if status in _AGAIN and "insufficient_quota" not in said:
            fault = self.error(path, f"status {status}: {said[:_EXCERPT]}", "Look at the server's log and load.")
            raise _Passing(fault, retry_after(response.headers.get("retry-after")))
        raise self._refusal(path, status, said)

    def _object(self, path: str, content: bytes) -> dict[str, Any]:
        try:
            body = json.loads(content)
        except (ValueError, RecursionError) as error:
            start = content[:80].decode("utf-8", "replace")
            what = f"the reply is not JSON ({error}): {start!r}"
            raise self.error(path, what, "Is the URL that of an OpenAI-compatible server?") from error
        if not isinstance(body, dict):
            what = f"the reply is a JSON {type(body).__name__}, not an object"
            raise self.error(path, what, "Is the URL that of an OpenAI-compatible server?")
        return body

    def _refusal(self, path: str, status: int, said: str) -> EngineError:
        what = f"status {status}: {said[:_EXCERPT]}"
        if status in (200, 400, 413, 422) and _OVERLONG.search(said):
            return ContextOverflow(self._message(path, what, "Raise the server's context length, or use a window."))
        remedy = "The server's words say what it does not take."
        if status in (401, 403):
            remedy = f"Set the key in the environment variable {self._key_env}."
        elif status == 404:
            remedy = "Check the URL (it ends in /v1 as a rule) and the model's name."
        elif "insufficient_quota" in said:
            remedy = "The account is out of credit."
        return Refused(self._message(path, what, remedy), status)

    def _count(self, usage: Any) -> None:
        if isinstance(usage, dict):
            for name in ("prompt_tokens", "completion_tokens"):
                if isinstance(usage.get(name), int):
                    setattr(self.usage, name, getattr(self.usage, name) + usage[name])

    def _client(self) -> httpx.AsyncClient:
        import httpx

        if self._http is None:
            patience = self.patience
            # Requests that wait for a connection do so under the total limit alone.
            timeout = httpx.Timeout(patience.silence, connect=patience.connect, pool=None)
            limits = httpx.Limits(max_connections=self.capacity)
            if self._socket is None:
                self._http = httpx.AsyncClient(timeout=timeout, limits=limits)
            else:  # through no proxy, and with no credentials of a .netrc file
                transport = httpx.AsyncHTTPTransport(uds=str(self._socket), limits=limits)
                self._http = httpx.AsyncClient(timeout=timeout, transport=transport, trust_env=False)
        return self._http

    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        key = self._key()
        return {**headers, "Authorization": f"Bearer {key}"} if key else headers

    def _key(self) -> str:
        return os.environ.get(self._key_env, "").strip() if self._key_env else ""


def retry_after(header: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for, given as such or as a date (RFC 9110, 10.2.3), or None."""
    if not header:
        return None
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*", header):
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (date - datetime.now(UTC)).total_seconds()) if date.tzinfo else None


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
