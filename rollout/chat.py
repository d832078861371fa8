"""A model behind `/v1/chat/completions`: messages in and messages out, for servers that give no token ids.

Its episodes can be scored, and be shown to another model as demonstrations; they cannot be trained on token by token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from envs.protocol import Message
from rollout.client import TOKEN_BYTES, TOKEN_CHARACTERS, Client, Refused
from rollout.engine import EngineError, Sampling
from rollout.policy import Episode, Player, Reply, Turn
from rollout.roles import fold_system
from rollout.trajectory import FinishReason

PATH = "/chat/completions"
_SEEDS = 2**31
_NO_SYSTEM = re.compile(r"system (?:role|message|prompt)", re.IGNORECASE)
_FINISH: dict[str, FinishReason] = {"length": "length", "content_filter": "abort"}


class ChatPolicy:
    """`rollout.policy.Policy` on a server's chat interface.

    A reply's tokens are None; `client.usage` counts them where the server does. A server that takes the thought out of
    a reply (a reasoning parser) has taken it out of the episode too.

    Args:
        client: to the server; closed with the policy.
        model: the name by which the server knows it.
        sampling: how tokens are drawn; `top_k` is sent only if it is set, since not every server knows it.
        window: how many past turns are sent again; None for all.
        extra: what else a request holds: parameters that only this server knows.
    """

    def __init__(
        self,
        client: Client,
        model: str,
        sampling: Sampling,
        *,
        window: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.client = client
        self.name = model
        self.sampling = sampling
        self.window = window
        self.capacity = client.capacity
        self.facts: dict[str, Any] = {"by": "messages"}
        self._extra = dict(extra or {})
        if "chat_template_kwargs" in self._extra:
            self.facts |= self._extra["chat_template_kwargs"]
        self._folds = False
        self._limit = "max_tokens"

    def player(self, episode: Episode) -> Player:
        return _ChatPlayer(self, episode)

    async def close(self) -> None:
        await self.client.close()

    async def ask(self, messages: Sequence[Message], tools: list[dict[str, Any]] | None, seed: int) -> Reply:
        """The model's reply to a conversation.

        Raises:
            ContextOverflow: if the server says that conversation and reply do not fit.
            EngineError: if it does not answer with a message.
        """
        body: dict[str, Any] = {
            "model": self.name,
            "messages": [message.to_dict() for message in (fold_system(messages) if self._folds else messages)],
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "seed": seed % _SEEDS,
        }
        if tools:
            body["tools"] = tools
        if self.sampling.top_k:
            body["top_k"] = self.sampling.top_k
        if self.sampling.stop:
            body["stop"] = list(self.sampling.stop)
        limit = self._limit
        try:
            answer = await self.client.post(
                PATH,
                {**body, limit: self.sampling.max_new_tokens, **self._extra},
                expected=TOKEN_BYTES * self.sampling.max_new_tokens,
            )
        except Refused as refused:
            if not self._folds and messages[0].role == "system" and _NO_SYSTEM.search(str(refused)):
                self._folds = True  # a template without a system role, as Gemma's
                return await self.ask(messages, tools, seed)
            if limit != "max_tokens" or "max_completion_tokens" not in str(refused):
                raise
            self._limit = "max_completion_tokens"  # OpenAI's later models know no other name
            return await self.ask(messages, tools, seed)
        message, finish = self.read(answer.body)
        return Reply(message, None, finish, 0, answer.queue, answer.model)

    def read(self, body: dict[str, Any]) -> tuple[Message, FinishReason]:
        """Message and finish reason in a reply.

        Raises:
            EngineError: if there is no message in it, or one that is longer than was asked for.
        """
        try:
            (choice,) = body["choices"]
            plain, finish = choice["message"], choice.get("finish_reason")
            message = Message.from_dict({**plain, "role": "assistant"})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._wrong(f"the reply holds no message ({type(error).__name__}: {error})") from error
        if not isinstance(message.content, str):
            raise self._wrong(f"the message's content is {type(message.content).__name__}, not text")
        if not all(isinstance(call.name, str) and isinstance(call.id, str) for call in message.tool_calls):
            raise self._wrong("a function call of the message has no name")
        length = len(message.content) + sum(len(str(call.arguments)) for call in message.tool_calls)
        if length > (limit := TOKEN_CHARACTERS * self.sampling.max_new_tokens):
            raise self._wrong(f"the message has {length:,} characters, over {limit:,}")
        return message, _FINISH.get(str(finish), "stop")

    def _wrong(self, what: str) -> EngineError:
        return self.client.error(PATH, what, "Is this an OpenAI-compatible server?")


class _ChatPlayer:
    def __init__(self, policy: ChatPolicy, episode: Episode) -> None:
        self._policy = policy
        self._episode = episode
        self._opening: Sequence[Message] = ()
        self._past: list[tuple[Message, Sequence[Message]]] = []
        self._turns = 0

    async def act(self, turn: Turn) -> Reply:
        messages = self._context(turn.messages)
        seed = self._episode.seed * 1_000_003 + self._turns
        reply = await self._policy.ask(messages, self._episode.protocol.schemas, seed)
        reply = replace(reply, message=self._named(reply.message))
        self._past.append((reply.message, ()))
        self._turns += 1
        return reply

    async def close(self) -> None:
        pass

    def _context(self, new: Sequence[Message]) -> list[Message]:
        if not self._past or self._episode.protocol.standalone:
            self._opening = new
            return list(new)
        self._past[-1] = (self._past[-1][0], new)
        window = self._policy.window
        kept = self._past if window is None else self._past[max(0, len(self._past) - window) :]
        return [*self._opening, *(message for reply, shown in kept for message in (reply, *shown))]

    def _named(self, message: Message) -> Message:
        # A call's result names its call; some servers leave the names to the caller.
        calls = [
            call if call.id else replace(call, id=f"call_{self._turns}_{number}")
            for number, call in enumerate(message.tool_calls)
        ]
        return replace(message, tool_calls=tuple(calls))
