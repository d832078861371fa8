"""Where an environment lives: in this process if it declares itself safe, else in one that can be killed.

Both kinds answer through the same four coroutines, keep a deadline on each, check what comes back, and turn whatever
goes wrong into an `EnvFailure` of a class. What can hang is always in a process of its own: only killing stops a loop
in C, or one that ignores signals.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import math
import os
import pickle
import signal
import struct
import sys
from dataclasses import dataclass
from types import NoneType
from typing import Any, NamedTuple, Protocol

from envs import ContractError, Task, TextEnv
from envs.base import Info
from rollout.child_variables import child_variables

MAX_OBSERVATION = 1 << 20
"""Characters of an observation; a longer one is a fault of the environment, not something for a model to read."""

_MAX_FRAME = 64 << 20
_HEADER = struct.Struct("!QI")


class EnvFailure(Exception):
    """The environment failed, not the model. `kind` is the class by which it is counted."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Answer(NamedTuple):
    """What the environment answered, checked."""

    observation: str
    reward: float
    terminated: bool
    truncated: bool
    info: Info


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds that may pass before something is given up.

    Attributes:
        start: of an environment's process.
        reset: of a reset.
        step: of a step.
        generate: of one reply of the policy.
        episode: of a whole episode.
    """

    start: float = 120.0
    reset: float = 60.0
    step: float = 30.0
    generate: float = 600.0
    episode: float = 3600.0


class Host(Protocol):
    """One environment, one episode at a time."""

    async def reset(self, task: str, seed: int) -> Answer:
        """Start an episode.

        Raises:
            EnvFailure: `env_error`, `env_timeout` or `env_died`. The host is good for another reset.
        """

    async def step(self, action: str) -> Answer:
        """Play an action. Raises as `reset` does."""

    async def solved(self) -> bool:
        """The benchmark's verdict on the episode as it stands. Raises as `reset` does."""

    async def close(self) -> None:
        """Give everything back, by force where it does not go otherwise."""


def make_host(env: TextEnv[Task], deadlines: Deadlines) -> Host:
    """A home for a copy of an environment, which shares what never changes with it."""
    return LocalHost(env) if env.in_process else ProcessHost(env, deadlines)


class LocalHost:
    """An environment in this process. It has declared that it cannot hang, so there is no deadline to keep."""

    def __init__(self, env: TextEnv[Task]) -> None:
        self._env = copy.copy(env)

    async def reset(self, task: str, seed: int) -> Answer:
        return self._call("reset", seed=seed, options={"task": task})

    async def step(self, action: str) -> Answer:
        return self._call("step", action)

    async def solved(self) -> bool:
        try:
            return self._env.solved()
        except Exception as error:
            raise EnvFailure("env_error", describe(error)) from error

    async def close(self) -> None:
        try:
            self._env.close()
        except Exception as error:
            raise EnvFailure("env_error", describe(error)) from error

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Answer:
        try:
            result = getattr(self._env, method)(*args, **kwargs)
        except Exception as error:
            raise EnvFailure("env_error", describe(error)) from error
        return checked(result)


class ProcessHost:
    """An environment in a process of its own, killed when it misses a deadline and replaced at the next reset.

    Each request has a number and an answer counts only under that number, so what a slow environment says too late is
    never taken for the answer to a later step.
    """

    def __init__(self, env: TextEnv[Task], deadlines: Deadlines) -> None:
        try:
            self._payload = pickle.dumps(env)
        except Exception as error:  # whatever its parts raise
            raise ContractError(
                f"the environment cannot be sent to a process of its own ({describe(error)})",
                where=type(env).__qualname__,
                remedy="Leave out of __getstate__ what does not pickle, and make it anew at the next reset.",
            ) from error
        self._deadlines, self._variables = deadlines, env.variables
        self._process: asyncio.subprocess.Process | None = None
        self._number = 0

    async def reset(self, task: str, seed: int) -> Answer:
        if self._process is None:
            await self._start()
        return checked(await self._ask(("reset", task, seed), self._deadlines.reset))

    async def step(self, action: str) -> Answer:
        return checked(await self._ask(("step", action), self._deadlines.step))

    async def solved(self) -> bool:
        return bool(await self._ask(("solved",), self._deadlines.step))

    async def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 2.0)
        _kill_group(process)  # also what a process that went by itself has left behind
        await process.wait()

    async def _start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "rollout.env_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # It imports what this process can import.
            env={**child_variables(*self._variables), "PYTHONPATH": os.pathsep.join(sys.path)},
            limit=_MAX_FRAME,
            # Killed with all that the environment starts, and out of reach of the terminal's Ctrl-C.
            start_new_session=True,
        )
        self._number = 0
        try:
            await self._ask(self._payload, self._deadlines.start)
        except EnvFailure:
            await self._kill()  # it holds no environment, so it is no good for another reset
            raise

    async def _ask(self, request: Any, seconds: float) -> Any:
        process = self._process
        if process is None:
            raise EnvFailure("env_died", "the environment's process is gone")
        self._number += 1
        try:
            async with asyncio.timeout(seconds):
                await self._send(process, request)
                fault, result = await self._receive(process)
        except TimeoutError as error:
            await self._kill()
            what = request[0] if isinstance(request, tuple) else "start"
            raise EnvFailure("env_timeout", f"{what} took longer than {seconds:g} s; the process was killed") from error
        except (OSError, EOFError, asyncio.IncompleteReadError, pickle.UnpicklingError) as error:
            code = await self._kill()
            raise EnvFailure("env_died", f"the environment's process died (status {code})") from error
        except asyncio.CancelledError:
            await self._kill()
            raise
        if fault:
            raise EnvFailure("env_error", str(result))
        return result

    async def _send(self, process: asyncio.subprocess.Process, request: Any) -> None:
        assert process.stdin is not None
        body = request if isinstance(request, bytes) else pickle.dumps(request)
        process.stdin.write(_HEADER.pack(self._number, len(body)) + body)
        await process.stdin.drain()

    async def _receive(self, process: asyncio.subprocess.Process) -> tuple[bool, Any]:
        assert process.stdout is not None
        while True:
            number, size = _HEADER.unpack(await process.stdout.readexactly(_HEADER.size))
            if size > _MAX_FRAME:
                await self._kill()
                raise EnvFailure("env_error", f"an answer of {size} bytes, over {_MAX_FRAME}")
            body = await process.stdout.readexactly(size)
            if number == self._number:
                fault, result = pickle.loads(body)
                return bool(fault), result

    async def _kill(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        _kill_group(process)
        return await process.wait()


def _kill_group(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def checked(result: Any) -> Answer:
    """What a reset or step gave back, with its types checked.

    Raises:
        EnvFailure: `env_error`, if it is not what Gymnasium's contract says.
    """
    if isinstance(result, tuple) and len(result) == 2:
        result = (result[0], 0.0, False, False, result[1])
    if not isinstance(result, tuple) or len(result) != 5:
        raise EnvFailure("env_error", f"the environment gave back {type(result).__name__}, not Gymnasium's tuple")
    observation, reward, terminated, truncated, info = result
    if not isinstance(observation, str):
        raise EnvFailure("env_error", f"the observation is {type(observation).__name__}, not text")
    if len(observation) > MAX_OBSERVATION:
        raise EnvFailure("env_error", f"the observation has {len(observation)} characters, over {MAX_OBSERVATION}")
    if isinstance(reward, bool) or not isinstance(reward, (int, float)) or not math.isfinite(reward):
        raise EnvFailure("env_error", f"the reward is {reward!r}, not a finite number")
    if not isinstance(terminated, bool) or not isinstance(truncated, bool) or not isinstance(info, dict):
        raise EnvFailure("env_error", "terminated and truncated must be bool and info a dict")
    progress, state = info.get("progress"), info.get("state")
    if not isinstance(progress, (int, float, NoneType)) or not math.isfinite(progress or 0.0):
        raise EnvFailure("env_error", f"info's progress is {progress!r}, not a finite number")
    if not isinstance(state, (str, NoneType)):
        raise EnvFailure("env_error", f"info's state is {type(state).__name__}, not text")
    return Answer(observation, float(reward), terminated, truncated, info)


def describe(error: BaseException) -> str:
    """An exception on one line."""
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:500]
