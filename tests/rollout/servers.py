"""A real HTTP server on this machine that serves a model of few words, and misbehaves as it is told."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
Act = Callable[["Handler", Body], None]


class Server(ThreadingHTTPServer):
    """Plays `script`, an act a request, and from then on `always`.

    Attributes:
        seen: path and body of each POST, in the order in which they came.
        keys: their Authorization headers.
        closed: set once a client has hung up on an act that waits for it.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, always: Act, *script: Act, models: list[Body] | None = None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.always = always
        self.script = list(script)
        self.models = models
        self.seen: list[tuple[str, Body]] = []
        self.keys: list[str | None] = []
        self.over = threading.Event()
        self.closed = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        if self.server.models is None:
            return reply(404, {"error": {"message": "not found"}})(self, {})
        return reply(200, {"object": "list", "data": self.server.models})(self, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.seen.append((self.path, body))
            self.server.keys.append(self.headers["Authorization"])
            act = self.server.script.pop(0) if self.server.script else self.server.always
        act(self, body)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""

    def say(
        self, status: int, content: bytes, headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        """A reply, which may promise more bytes than it has."""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(always: Act, *script: Act, models: list[Body] | None = None, port: int = 0) -> Iterator[Server]:
    """A server on a free port, gone when the block ends."""
    server = Server(always, *script, models=models, port=port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


def unused_url() -> str:
    """Where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def reply(status: int, body: Any, **headers: str) -> Act:
    """Answers by this."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, request: handler.say(status, content, named)


def reset_mid_body(handler: Handler, request: Body) -> None:
    """Promises a thousand bytes, gives a few, and resets the connection."""
    handler.say(200, b'{"choices": [', length=1000)
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def hang(handler: Handler, request: Body) -> None:
    """Says nothing until the client hangs up or the server ends."""
    handler.close_connection = True
    handler.connection.settimeout(0.02)
    while not handler.server.over.is_set():
        try:
            if not handler.connection.recv(1):
                handler.server.closed.set()
                return
        except TimeoutError:
            continue
        except OSError:
            return


def drip(handler: Handler, request: Body) -> None:
    """Sends a byte now and then, for ever."""
    handler.close_connection = True
    handler.say(200, b"", length=10**9)
    with suppress(OSError):
        while not handler.server.over.wait(0.02):
            handler.wfile.write(b" ")
            handler.wfile.flush()


def completion(ids: list[int], finish: str = "stop", **changes: Any) -> Act:
    """What vLLM answers to a token-id prompt; `changes` are made to the choice, those of `None` by leaving it out."""

    def act(handler: Handler, request: Body) -> None:
        choice = {
            "index": 0,
            "text": "x",
            "finish_reason": finish,
            "token_ids": ids,
            "prompt_token_ids": request["prompt"],
            "logprobs": {"token_logprobs": [-0.5] * len(ids)},
            **changes,
        }
        kept = {name: value for name, value in choice.items() if value is not None}
        usage = {"prompt_tokens": len(request["prompt"]), "completion_tokens": len(ids)}
        reply(200, {"id": "cmpl-1", "choices": [kept], "usage": usage})(handler, request)

    return act


def chat(content: str | None, finish: str = "stop", **message: Any) -> Act:
    """What a chat server answers."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
    return reply(200, {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 2}})
