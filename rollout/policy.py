"""Who says what: policies make a player for each episode, and a player answers turn by turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from typing import Protocol as Interface

from envs import Task
from envs.base import Info
from envs.protocol import Message, Protocol
from rollout.engine import Engine, Sampling
from rollout.trajectory import FinishReason, Tokens

if TYPE_CHECKING:
    from rollout.rendering import Renderer


@dataclass(frozen=True, slots=True)
class Episode:
    """What a policy knows of an episode before it begins.

    Attributes:
        id: unique in the run.
        task: what is played.
        seed: of the sampling.
        protocol: by which observations become messages.
    """

    id: str
    task: Task
    seed: int
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class Turn:
    """What a player is shown.

    Attributes:
        messages: new since its last reply; at first the opening.
        observation: the environment's last text, for scripted players.
        info: of the environment's last answer, for scripted players.
    """

    messages: Sequence[Message]
    observation: str
    info: Info


@dataclass(frozen=True, slots=True)
class Reply:
    """What a player says, and how it came about (see `rollout.trajectory.Step`)."""

    message: Message
    tokens: Tokens | None = None
    finish: FinishReason = "stop"
    version: int = 0
    queue: float = 0.0
    model: float = 0.0
    prefill: float = 0.0


class Player(Interface):
    """Plays one episode."""

    async def act(self, turn: Turn) -> Reply:
        """The reply to a turn.

        Raises:
            ContextOverflow: if the conversation leaves no room for a reply.
            EngineError: if the model could not be asked.
        """

    async def close(self) -> None:
        """The episode is over, or was given up."""


class Policy(Interface):
    """Makes players.

    Attributes:
        name: for the lineage: a model's path, or what is scripted.
        capacity: how many episodes are worth playing at once.
        window: how many past turns a player keeps in its context; None if the context only grows.
    """

    name: str
    capacity: int
    window: int | None

    def player(self, episode: Episode) -> Player:
        """A player for one episode."""

    async def close(self) -> None:
        """Give back what the policy holds."""


class ModelPolicy:
    """A language model behind an engine, token ids in and token ids out.

    Args:
        engine: what samples.
        renderer: a renderer of the model's chat template for given tools (None: a plain-text protocol).
        sampling: how to draw.
        name: the model's path or name.
        window: None for an append-only context: each prompt begins with the ids of the turn before, as sampled. With a
            number, each turn is rendered anew from the opening and that many past turns.
        about: what else belongs to the model and not to the conditions of a score: its chat template, its dtype.
        enable_thinking: what the renderer tells the chat template, for the lineage; None where it says nothing.

    Attributes:
        facts: what changes an episode besides name, sampling and window, for the lineage.
    """

    def __init__(
        self,
        engine: Engine,
        renderer: Callable[[Protocol], Renderer],
        sampling: Sampling,
        *,
        name: str,
        window: int | None = None,
        about: Mapping[str, str] | None = None,
        enable_thinking: bool | None = None,
    ) -> None:
        self.engine = engine
        self.facts: dict[str, Any] = {"max_length": engine.max_length, "model": dict(about or {})}
        if enable_thinking is not None:
            self.facts["enable_thinking"] = enable_thinking
        self.enable_thinking = enable_thinking
        self.sampling = sampling
        self.name = name
        self.window = window
        self.capacity = engine.capacity
        self._renderer = renderer

    def check(self, protocol: Protocol) -> None:
        """Raise a `ModelError` if the model's chat template cannot render this protocol's messages."""
        self._renderer(protocol)

    def prompt_length(self, protocol: Protocol, messages: Sequence[Message]) -> int:
        """Tokens of an episode's first prompt."""
        return len(self._renderer(protocol).open(messages))

    def player(self, episode: Episode) -> Player:
        return _ModelPlayer(self, episode, self._renderer(episode.protocol))

    async def close(self) -> None:
        await self.engine.close()


class _ModelPlayer:
    def __init__(self, policy: ModelPolicy, episode: Episode, renderer: Renderer) -> None:
        self._policy = policy
        self._episode = episode
        self._renderer = renderer
        self._ids: list[int] = []
        self._sampled: Sequence[int] | None = None
        self._opening: Sequence[Message] = ()
        self._past: list[tuple[Message, Sequence[Message]]] = []
        self._turns = 0

    async def act(self, turn: Turn) -> Reply:
        new = self._new_ids(turn.messages)
        grows = self._policy.window is None and not self._episode.protocol.standalone
        prompt = self._ids + new if grows else new
        # Turn n of an episode draws from its own stream: a resumed or replayed episode draws the same.
        seed = self._episode.seed * 1_000_003 + self._turns
        sampling = self._policy.sampling
        done = await self._policy.engine.generate(self._episode.id, prompt, sampling, seed)
        self._turns += 1
        self._ids = [*prompt, *done.ids]
        self._sampled = done.ids
        message = Message("assistant", self._renderer.decode(done.ids))
        self._past.append((message, ()))
        # Six decimals are what the episode store keeps: training must see the same numbers before and after a restart.
        logprobs = tuple(round(logprob, 6) for logprob in done.logprobs)
        tokens = Tokens(tuple(new), tuple(done.ids), logprobs)
        return Reply(message, tokens, done.finish, done.version, done.queue, done.model, done.prefill)

    async def close(self) -> None:
        await self._policy.engine.release(self._episode.id)

    def _new_ids(self, messages: Sequence[Message]) -> list[int]:
        if self._sampled is None or self._episode.protocol.standalone:
            self._opening = messages
            return list(self._renderer.open(messages))
        window = self._policy.window
        if window is None:
            return list(self._renderer.extend(self._sampled, messages))
        self._past[-1] = (self._past[-1][0], messages)
        kept = self._past[max(0, len(self._past) - window) :]
        return list(self._renderer.open([*self._opening, *(m for reply, shown in kept for m in (reply, *shown))]))
