"""Lines between processes: many requests in one Ray call, and many answers in one.

A Ray call costs about as much of the processor as ten steps of a game, whatever it carries, and a thousand episodes ask
hundreds of times a second. So a line sends what has gathered, and keeps one call open over there that comes back with
all the answers that are ready. How long it gathers is a small share of what its requests take anyway.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Coroutine
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from envs.record import Record
from rollout.cluster.errors import Gone
from rollout.host import describe

log = logging.getLogger(__name__)

SHARE = 0.015
"""Of a request's time: so long a line gathers requests, and the other end answers."""

LEAST, MOST = 0.005, 0.03
"""Seconds between which that stays."""

SETTLE = 0.002
"""Seconds that a call waits at least, for the episodes that have just been answered to ask again."""

_GIVE_UP = "give up"


@dataclass(frozen=True, slots=True)
class Message(Record):
    """A method of the actor to be called.

    Attributes:
        number: of the request; negative where nobody waits for an answer.
        method: its name.
        args: for it.
    """

    number: int
    method: str
    args: tuple[Any, ...]


Answers = list[tuple[int, bool, Any]]
"""The number of a request, whether it failed, and its result or error."""


class Pace:
    """How long one end of a line gathers, by how long its requests take."""

    def __init__(self) -> None:
        self._mean = 0.0

    @property
    def pause(self) -> float:
        """Seconds."""
        return min(MOST, max(LEAST, SHARE * self._mean))

    def took(self, seconds: float) -> None:
        """A request has been answered."""
        self._mean += (seconds - self._mean) / 16 if self._mean else seconds


class Line:
    """The asking end; belongs to one event loop.

    Args:
        actor: Ray's handle of a `Desk`.
        name: of this end, unlike all others that the actor hears of.

    Attributes:
        actor: as given.
    """

    def __init__(self, actor: Any, name: str) -> None:
        self.actor, self._name = actor, name
        self._numbers = count(1)
        self._asked: dict[int, tuple[asyncio.Future[Any], float]] = {}
        self._pace = Pace()
        self._messages: list[Message] = []
        self._calls: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._listening = False
        self._called = float("-inf")
        self._end: BaseException | None = None

    @property
    def dead(self) -> bool:
        """Whether nothing goes through any more."""
        return self._end is not None

    def ask(self, method: str, *args: Any) -> asyncio.Future[Any]:
        """Call a method of the actor. The future fails by what the method raises, and by `Gone` if the actor is dead;
        cancelling it cancels the method."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        if self._end is not None:
            answer.set_exception(self._end)
            return answer
        number = next(self._numbers)
        self._asked[number] = answer, loop.time()
        answer.add_done_callback(lambda answer: self._given_up(number) if answer.cancelled() else None)
        self._send(Message(number, method, args))
        return answer

    def tell(self, method: str, *args: Any) -> None:
        """Call a method and do not wait for it."""
        self._send(Message(-next(self._numbers), method, args))

    def cut(self, error: BaseException) -> None:
        """Nothing goes through any more: whoever waits gets the error."""
        self._end = self._end or error
        if self._timer is not None:
            self._timer.cancel()
        for call in self._calls:
            call.cancel()
        asked, self._asked = self._asked, {}
        for answer, _ in asked.values():
            if not answer.done():
                answer.set_exception(self._end)

    def hang_up(self) -> None:
        """Cut the line, and cancel over there what is under way."""
        self.cut(Gone("the line was hung up"))
        self.actor.hang_up.remote(self._name)

    def _given_up(self, number: int) -> None:
        if self._asked.pop(number, None) is not None:
            self.tell(_GIVE_UP, number)

    def _send(self, message: Message) -> None:
        if self._end is None:
            self._messages.append(message)
            self._call_soon()

    def _call_soon(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time() + SETTLE, self._called + self._pace.pause), self._call_now)

    def _call_now(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer, self._called = None, loop.time()
        call = loop.create_task(self._call())
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _call(self) -> None:
        import ray

        messages, self._messages = self._messages, []
        listens = not self._listening and bool(self._asked)
        self._listening |= listens
        try:
            answers: Answers = pickle.loads(await self.actor.exchange.remote(self._name, messages, listens))
        except ray.exceptions.RayTaskError as error:
            self.cut(error.cause)
            return
        except ray.exceptions.RayError as error:
            self.cut(Gone(type(error).__name__))
            return
        except Exception as error:  # what is asked cannot be sent
            self.cut(error)
            return
        now = asyncio.get_running_loop().time()
        for number, failed, result in answers:
            answer, asked = self._asked.pop(number, (None, now))
            if answer is not None and not answer.done():
                self._pace.took(now - asked)
                answer.set_exception(result) if failed else answer.set_result(result)
        if listens:
            self._listening = False
            if self._asked:
                self._call_soon()


@dataclass(eq=False, slots=True)
class _Caller:
    """What is under way for one line, and which of its answers are ready."""

    tasks: dict[int, asyncio.Task[Any]] = field(default_factory=dict)
    ready: Answers = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    answered: float = float("-inf")
    pace: Pace = field(default_factory=Pace)

    def begin(self, number: int, work: Coroutine[Any, Any, Any]) -> None:
        begun = asyncio.get_running_loop().time()
        self.tasks[number] = task = asyncio.create_task(work)
        task.add_done_callback(lambda task: self._ended(number, begun, task))

    async def answers(self) -> Answers:
        loop = asyncio.get_running_loop()
        while not self.ready:
            if not self.tasks:
                return []
            self.changed.clear()
            await self.changed.wait()
        await asyncio.sleep(self.answered + self.pace.pause - loop.time())
        self.answered = loop.time()
        ready, self.ready = self.ready, []
        return ready

    def _ended(self, number: int, begun: float, task: asyncio.Task[Any]) -> None:
        del self.tasks[number]
        self.changed.set()
        if task.cancelled():
            return
        error = task.exception()
        if number > 0:
            self.pace.took(asyncio.get_running_loop().time() - begun)
            self.ready.append((number, error is not None, _portable(error) if error else task.result()))
        elif error is not None:
            log.warning("nobody waits for this failure: %s", describe(error))


class Desk:
    """Base of an actor: the answering end of its lines."""

    def __init__(self) -> None:
        self._callers: dict[str, _Caller] = {}

    async def exchange(self, name: str, messages: list[Message], listens: bool) -> bytes:
        """Begin what a line asks for. Returns `Answers`, pickled: Ray's pickler asks Python about every object, and an
        episode has hundreds.

        Args:
            name: of the line.
            messages: what is asked.
            listens: whether to return only when there are answers, or nothing to wait for.
        """
        caller = self._callers.setdefault(name, _Caller())
        for message in messages:
            if message.method == _GIVE_UP:
                if (task := caller.tasks.get(*message.args)) is not None:
                    task.cancel()
            else:
                caller.begin(message.number, getattr(self, message.method)(*message.args))
        return pickle.dumps(await caller.answers() if listens else [])

    async def hang_up(self, name: str) -> None:
        """Whoever was at the other end of a line is gone, or of all the lines `name#...`: cancel what is under way."""
        for line in [line for line in self._callers if line == name or line.startswith(f"{name}#")]:
            for task in self._callers.pop(line).tasks.values():
                task.cancel()


def _portable(error: BaseException) -> BaseException:
    """The error itself, if it survives the journey."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(describe(error))
    return error
