"""A vLLM server of our own: started, watched, started again when it dies, given new weights, and ended with us."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from envs import BackendError
from rollout.child_variables import child_variables
from rollout.client import Client
from rollout.engine import Completion, EngineError, Sampling
from rollout.engines.openai import OpenAIEngine
from rollout.engines.weights import SHARED_MEMORY, Shapes, checkpoint_shapes, misfits, read_weights, write_weights
from rollout.patience import Patience

if TYPE_CHECKING:
    import httpx
    import torch

NAME = "policy"
"""By which requests know the model, and its adapter with the version behind it."""

URL = "http://localhost"
"""For the HTTP header alone: the server listens on a Unix socket."""

DEADLINE = 300.0
"""Seconds for the server to come up, its imports included."""

ANSWER = 120.0
"""Seconds for new weights to be loaded."""

T = TypeVar("T")


class VLLMServer:
    """`rollout.engine.Engine` on a `vllm` process of its own, by token ids over HTTP on a Unix socket.

    The socket lies in a folder that only this user may enter, so nobody else can send requests, or listen in the
    server's place. No API key is sent to it.

    Args:
        model: a folder with a whole checkpoint.
        capacity: episodes that are kept alive.
        max_num_seqs: requests in one step, `capacity` by default; see `rollout.engines.vllm.VLLMEngine`.
        max_length: tokens of prompt and completion together.
        stop_ids: tokens that end a completion, besides the checkpoint's own.
        lora_rank: the highest rank of an adapter; None where none will be loaded.
        log: the file that its output is appended to.
        deadline: seconds to come up.
        options: further arguments of vLLM's server, such as `["--tensor-parallel-size", "2"]`.

    Attributes:
        version: of the weights or the adapter.
        deaths: how often it died and was started again.

    Raises:
        BackendError: if it does not come up in time; the message ends with what its log says.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        capacity: int = 64,
        max_num_seqs: int | None = None,
        max_length: int,
        stop_ids: Iterable[int] = (),
        lora_rank: int | None = None,
        log: str | Path,
        deadline: float = DEADLINE,
        options: Sequence[str] = (),
    ) -> None:
        self.model, self.capacity, self.max_length = str(model), capacity, max_length
        self.version = self.deaths = 0
        self.log = Path(log)
        self._deadline = deadline
        # A folder that only this user may enter: the socket takes commands as well as prompts.
        self._folder = Path(tempfile.mkdtemp(prefix="vllm-"))
        self._socket = self._folder / "socket"
        self._command = _command(self.model, self._socket, max_num_seqs or capacity, max_length, lora_rank)
        self._command += tuple(options)
        self._stop_ids = frozenset(stop_ids)
        self._shapes: Shapes | None = checkpoint_shapes(self.model)
        self._weights: Path | None = None
        self._adapter: Path | None = None
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        # One thread for all that starts the server or changes it, one thing after another; and it must live on, because
        # the kernel ends the server with the thread that started it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vllm-server")
        atexit.register(self._quit)
        try:
            self._thread.submit(self._start).result()
        except BaseException:
            self._quit()
            raise

    async def generate(self, episode: str, prompt_ids: Sequence[int], sampling: Sampling, seed: int) -> Completion:
        """Sample one completion; see `Engine.generate`. A server that has died is started again first."""
        if self._closed:
            raise EngineError("the engine is closed")
        if self._process is None or self._process.poll() is not None:
            old = self._engine
            await self._do(self._revive)
            await old.close()
        return await self._engine.generate(episode, prompt_ids, sampling, seed)

    async def release(self, episode: str) -> None:
        """The server's prefix cache forgets by itself."""

    async def update_weights(self, weights: Mapping[str, torch.Tensor]) -> int:
        """Load a state dict by a file in shared memory, between two steps, without an adapter. Returns the new version.

        Requests under way go on with the new weights over keys and values that these compute anew.

        Raises:
            EngineError: if a weight is missing or does not fit (the old ones stay), or the server does not load them.
        """
        weights = dict(weights)
        tied = "lm_head.weight" not in (self._shapes or {"lm_head.weight": ()})
        if self._shapes is not None and (wrong := misfits(weights, self._shapes, tied=tied)):
            raise EngineError(f"the weights do not fit the model: {wrong}")
        if tied and "lm_head.weight" not in weights:
            weights["lm_head.weight"] = next(w for name, w in weights.items() if name.endswith("embed_tokens.weight"))
        return await self._do(lambda: self._send(weights))

    async def update_adapter(self, folder: str | Path) -> int:
        """Load a LoRA adapter saved by PEFT under a name with its version. Returns the new version.

        Raises:
            EngineError: if it does not load; the last one stays.
        """
        folder = Path(folder).resolve()
        read_weights(folder / "adapter_model.safetensors")
        return await self._do(lambda: self._adopt(folder))

    async def close(self) -> None:
        """End the server; requests under way fail. May be called twice."""
        self._closed = True
        await self._engine.close()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)
        self._quit()
        atexit.unregister(self._quit)

    async def _do(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise EngineError("the engine is closed")
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))

    # From here on in the thread.

    def _revive(self) -> None:
        """Start a server that has died again, with the newest weights."""
        if self._process is not None and self._process.poll() is None:
            return
        self.deaths += 1
        try:
            self._start()
        except BackendError as error:
            raise EngineError(str(error)) from error
        if self._weights:
            self._load(self._weights)
        if self._adapter:
            self._name(self._adapter)

    def _send(self, weights: Mapping[str, torch.Tensor]) -> int:
        self._revive()
        folder = Path(tempfile.mkdtemp(prefix="weights-", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None))
        try:
            write_weights(weights, folder).rename(folder / "model.safetensors")
            self._load(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if self._weights:
            shutil.rmtree(self._weights, ignore_errors=True)
        self._weights = folder
        return self._new_weights()

    def _load(self, folder: Path) -> None:
        reload = {"method": "reload_weights", "kwargs": {"weights_path": str(folder)}}
        self._paused(lambda: self._post("/collective_rpc", reload))

    def _paused(self, change: Callable[[], None]) -> None:
        """Requests under way wait, and go on over keys and values computed anew."""
        self._post("/pause?mode=keep&clear_cache=false", {})
        try:
            change()
            self._post("/reset_prefix_cache?reset_running_requests=true", {})
        finally:
            self._post("/resume", {})

    def _adopt(self, folder: Path) -> int:
        self._revive()
        self.version += 1
        try:
            self._name(folder)
        except EngineError:
            self.version -= 1
            raise
        self._adapter = folder
        self._engine.version = self.version
        return self.version

    def _name(self, folder: Path) -> None:
        name = f"{NAME}-{self.version}"
        self._post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})
        self._engine.model = name

    def _post(self, path: str, body: Mapping[str, Any]) -> None:
        import httpx

        try:
            with self._http(ANSWER) as http:
                answer = http.post(path, json=dict(body))
        except httpx.HTTPError as error:
            raise EngineError(f"vLLM's server, {path}: {error!r}. Read its log: {self.log}.") from error
        if answer.status_code != 200:
            raise EngineError(f"vLLM's server, {path}: status {answer.status_code}: {answer.text[:300]}")

    def _new_weights(self) -> int:
        """They are there, and an adapter of the old ones is none of theirs."""
        self.version += 1
        self._adapter = None
        self._engine.model, self._engine.version = NAME, self.version
        return self.version

    def _start(self) -> None:
        """Start the process, and wait until it answers."""
        self._end()
        self._socket.unlink(missing_ok=True)
        variables = {
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            **child_variables(),
            "VLLM_SERVER_DEV_MODE": "1",
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
            "VLLM_ENABLE_V1_MULTIPROCESSING": "1",
        }
        with self.log.open("ab") as out:
            process = self._process = _child(self._command, variables, out)
        self._await_health(process)
        patience = Patience(attempts=2)
        client = Client(f"{URL}/v1", capacity=self.capacity, key_env=None, socket=self._socket, patience=patience)
        self._engine = OpenAIEngine(client, NAME, max_length=self.max_length, stop_ids=self._stop_ids)
        self._engine.version = self.version

    def _http(self, seconds: float) -> httpx.Client:
        import httpx

        transport = httpx.HTTPTransport(uds=str(self._socket))
        return httpx.Client(base_url=URL, transport=transport, timeout=seconds, trust_env=False)

    def _await_health(self, process: subprocess.Popen[bytes]) -> None:
        import httpx

        end = time.monotonic() + self._deadline
        while time.monotonic() < end and process.poll() is None:
            try:
                with self._http(5) as http:
                    if http.get("/health").status_code == 200:
                        return
            except httpx.TransportError:
                time.sleep(0.2)
        state = process.poll()
        self._end()
        what = f"it did not come up within {self._deadline:g} s" if state is None else f"it ended with status {state}"
        last = self.log.read_text(errors="replace").strip().splitlines()[-3:]
        raise BackendError(f"vLLM's server: {what}: {' | '.join(last)}", where=self.log, remedy="Read its log.")

    def _quit(self) -> None:
        """End the server for good, and remove what it has in other folders."""
        self._closed = True
        self._end()

    def _end(self) -> None:
        """End the process, kindly at first, and whatever it leaves behind."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if self._closed:
            for folder in filter(None, (self._weights, self._folder)):
                shutil.rmtree(folder, ignore_errors=True)


def _command(model: str, socket: Path, max_num_seqs: int, max_length: int, lora_rank: int | None) -> tuple[str, ...]:
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model]
    command += ["--served-model-name", NAME, "--uds", str(socket), "--max-model-len", str(max_length)]
    command += ["--max-num-seqs", str(max_num_seqs), "--logprobs-mode", "processed_logprobs", "--enable-prefix-caching"]
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        # See `rollout.engines.vllm_core` for why.
        command += ["--dtype", "float32", "--enforce-eager", "--block-size", "32", "--no-enable-chunked-prefill"]
        command += ["--max-num-batched-tokens", str(max(2048, max_length)), "--kv-cache-memory-bytes", str(1 << 30)]
    if lora_rank is not None:
        command += ["--enable-lora", "--max-lora-rank", str(lora_rank), "--max-loras", "1", "--max-cpu-loras", "2"]
    return tuple(command)


def _child(command: Sequence[str], environment: Mapping[str, str], out: IO[bytes]) -> subprocess.Popen[bytes]:
    """A process in a group of its own, which the kernel ends when this one is gone, however it went (Linux)."""

    def with_us() -> None:
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG

    before = with_us if sys.platform == "linux" else None
    return subprocess.Popen(
        command, env=dict(environment), stdout=out, stderr=out, start_new_session=True, preexec_fn=before
    )
