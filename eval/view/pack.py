"""Transcripts as compact JSON in compressed chunks. The keys are one letter long, and read in `transcript.js`."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from envs.protocol import Message
from eval.view.sources import EARLIER, ENVIRONMENT, runs
from rollout.trajectory import Step, Tokens, Trajectory

TokensOf = Callable[[Sequence[int]], list[str]]
"""From token ids to one string each."""

LONGEST_TEXT = 20_000
"""Characters of one text that a report shows: an environment can answer with megabytes."""

CHUNK = 1_000_000
"""Bytes of JSON after which a chunk is closed: a chunk is what opening an episode costs."""


def compress(text: str) -> bytes:
    """JSON as base64 of zlib. It is ASCII throughout, so lone surrogates survive and no text can end an element."""
    return base64.b64encode(zlib.compress(text.encode("ascii"), 6))


class Vocabulary:
    """The token strings that a report uses, once each."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, str], int] = {}

    def number(self, token: int, string: str) -> int:
        """Of a token as it stands here: the same id may be shown as another string beside other tokens."""
        return self._numbers.setdefault((token, string), len(self._numbers))

    def plain(self) -> list[list[Any]]:
        """Ids, then strings."""
        return [[token for token, _ in self._numbers], [string for _, string in self._numbers]]


class Packer:
    """Gathers transcripts into chunks.

    Args:
        tokens_of: None where there is no tokenizer; then messages are shown and tokens are not.
        emit: takes the number of a chunk and its compressed content, as soon as it is full.
    """

    def __init__(self, tokens_of: TokensOf | None, emit: Callable[[int, bytes], None]) -> None:
        self.vocabulary = Vocabulary()
        self._tokens_of = tokens_of
        self._emit = emit
        self._open: list[str] = []
        self._size = 0
        self._chunk = 0

    def add(self, trajectory: Trajectory) -> tuple[int, int]:
        """Take a transcript in. Returns the number of its chunk and its place there."""
        text = json.dumps(self._transcript(trajectory), separators=(",", ":"))
        place = self._chunk, len(self._open)
        self._open.append(text)
        self._size += len(text)
        if self._size >= CHUNK:
            self.flush()
        return place

    def flush(self) -> None:
        """Emit the chunk that is being filled, if it holds anything."""
        if self._open:
            self._emit(self._chunk, compress(f"[{','.join(self._open)}]"))
            self._open, self._size, self._chunk = [], 0, self._chunk + 1

    def _transcript(self, trajectory: Trajectory) -> dict[str, Any]:
        seen: list[tuple[int, str]] = []
        steps = []
        for step in trajectory.steps:
            shown = [(EARLIER if m.role == "assistant" else ENVIRONMENT, m.content) for m in step.messages]
            # An append-only prompt holds what is new; with a window it may hold anything said so far.
            seen = shown if trajectory.window is None else seen + shown
            steps.append(self._step(step, seen))
            seen = [*seen, (EARLIER, step.reply.content)]
        plain = {
            "s": steps,
            "o": clip(trajectory.first_observation),
            "f": [trajectory.failure.kind, clip(trajectory.failure.message)] if trajectory.failure else None,
            "r": {name: _number(value) for name, value in trajectory.rewards.items()},
            "l": clip(json.dumps(trajectory.lineage, indent=1, default=str)) if trajectory.lineage else None,
            "e": [trajectory.split, trajectory.seed, trajectory.attempt, trajectory.window],
        }
        return {key: value for key, value in plain.items() if value}

    def _step(self, step: Step, contents: Sequence[tuple[int, str]]) -> dict[str, Any]:
        timing = step.timing
        plain = {
            "m": [_message(message) for message in step.messages],
            "r": _message(step.reply),
            "a": [clip(action) for action in step.actions],
            "o": [clip(observation) for observation in step.observations],
            "w": _number(step.reward),
            "v": int(step.valid),
            "d": step.admissible,
            "f": step.finish,
            "g": _number(step.progress),
            "n": step.version,
            "t": [round(seconds, 4) for seconds in (timing.queue, timing.model, timing.env)],
        }
        if step.tokens is not None and self._tokens_of is not None:
            plain |= self._tokens(step.tokens, self._tokens_of, contents)
        return plain

    def _tokens(self, tokens: Tokens, tokens_of: TokensOf, contents: Sequence[tuple[int, str]]) -> dict[str, Any]:
        prompt, sampled = tokens_of(tokens.prompt_ids), tokens_of(tokens.completion_ids)
        if len(prompt) != len(tokens.prompt_ids) or len(sampled) != len(tokens.completion_ids):
            raise ValueError("tokens_of must give one string for each id")
        return {
            "p": [[run.source, clip(run.text), run.tokens] for run in runs(prompt, contents)],
            "c": [self.vocabulary.number(*pair) for pair in zip(tokens.completion_ids, sampled, strict=True)],
            # Thousandths of a nat: what a reader can tell apart, in few characters.
            "l": [round(-1000 * logprob) if math.isfinite(logprob) else None for logprob in tokens.logprobs],
        }


def clip(text: str) -> str:
    """A text as a report shows it: its beginning, and how much was left out."""
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]}\n[{len(text) - LONGEST_TEXT:,} more characters are in the episode's file]"


def _message(message: Message) -> list[Any]:
    calls = [[clip(call.name), clip(call.arguments)] for call in message.tool_calls]
    return [message.role, clip(message.content), *([calls] if calls else [])]


def _number(value: float | None) -> float | str | None:
    # JSON has no NaN and no infinity, and a viewer must show them all the same.
    return value if value is None or math.isfinite(value) else str(value)
