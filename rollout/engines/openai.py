"""The `openai` engine: a server that takes and gives token ids, as vLLM's does by `/v1/completions`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rollout.client import TOKEN_BYTES, Client
from rollout.engine import Completion, ContextOverflow, EngineError, Sampling
from rollout.trajectory import FinishReason

PATH = "/completions"
_SEEDS = 2**63


class OpenAIEngine:
    """`rollout.engine.Engine` on a server.

    The server must know `return_token_ids` (vLLM 0.10.2 and later), and give log-probabilities after temperature and
    truncation (vLLM's `--logprobs-mode processed_logprobs`; its default gives those before, which are the same only at
    temperature 1 with top_p 1 and top_k 0). What a model's generation config would add to the sampling in silence
    (top_k, min_p, a repetition penalty) is switched off in every request.

    Args:
        client: to the server; closed with the engine.
        model: the name by which the server knows it.
        max_length: tokens of prompt and completion together: the server's `max_model_len`.
        stop_ids: tokens that end a completion, besides those that the server knows.

    Attributes:
        version: of the weights on the server; whoever changes them counts it up.
    """

    def __init__(self, client: Client, model: str, *, max_length: int, stop_ids: Iterable[int] = ()) -> None:
        self.client = client
        self.model = model
        self.capacity = client.capacity
        self.max_length = max_length
        self.stop_ids = frozenset(stop_ids)
        self.version = 0

    async def generate(self, episode: str, prompt_ids: Sequence[int], sampling: Sampling, seed: int) -> Completion:
        """Sample one completion; see `Engine.generate`. Cancelling the call closes its connection.

        The same seed draws the same tokens as far as the server keeps that promise: vLLM's does but for rounding,
        which depends on what else is in its batch.
        """
        room = self.max_length - len(prompt_ids)
        if room < 1:
            raise ContextOverflow(f"a prompt of {len(prompt_ids)} tokens leaves no room within {self.max_length}")
        version = self.version
        request = self.request(prompt_ids, sampling, seed, room)
        expected = TOKEN_BYTES * request["max_tokens"]
        answer = await self.client.post(PATH, request, expected=expected)
        ids, logprobs, finish = self.read(answer.body, prompt_ids)
        if len(ids) > (most := request["max_tokens"]):
            raise self._wrong(f"the reply has {len(ids)} token ids, over the {most} that were asked for")
        return Completion(ids, logprobs, finish, version, answer.queue, answer.model)

    async def release(self, episode: str) -> None:
        """Nothing is kept here; the server's prefix cache forgets by itself."""

    async def close(self) -> None:
        """Close the client; requests under way fail."""
        await self.client.close()

    def request(self, prompt_ids: Sequence[int], sampling: Sampling, seed: int, room: int) -> dict[str, Any]:
        """The body of a request for one completion of at most `room` tokens."""
        body: dict[str, Any] = {
            "model": self.model,
            "prompt": list(prompt_ids),
            "max_tokens": min(sampling.max_new_tokens, room),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k or -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "seed": seed % _SEEDS,
            "logprobs": 0,
            "return_token_ids": True,
            # A stop string may hold a special token, and is looked for in the text.
            "skip_special_tokens": False,
        }
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if self.stop_ids:
            body["stop_token_ids"] = sorted(self.stop_ids)
        return body

    def read(
        self, body: dict[str, Any], prompt_ids: Sequence[int]
    ) -> tuple[tuple[int, ...], tuple[float, ...], FinishReason]:
        """Ids, log-probabilities and finish reason in a reply.

        Raises:
            EngineError: if one is missing, they do not match each other or the request, or the server gave up.
        """
        try:
            (choice,) = body["choices"]
            ids, finish = choice["token_ids"], choice["finish_reason"]
            logprobs = choice["logprobs"]["token_logprobs"]
        except (KeyError, TypeError, ValueError) as error:
            raise self._wrong(f"the reply lacks token ids or logprobs ({type(error).__name__}: {error})") from error
        if not isinstance(ids, list) or not all(type(token) is int and token >= 0 for token in ids):
            raise self._wrong("the reply's token_ids are not a list of ids")
        if not isinstance(logprobs, list) or not all(_is_logprob(value) for value in logprobs):
            raise self._wrong("the reply's token_logprobs are not a list of log-probabilities")
        if len(ids) != len(logprobs):
            raise self._wrong(f"the reply has {len(ids)} token ids but {len(logprobs)} logprobs")
        usage = body.get("usage")
        counted = usage.get("completion_tokens") if isinstance(usage, dict) else None
        if isinstance(counted, int) and counted != len(ids):
            raise self._wrong(f"the reply has {len(ids)} token ids, but its usage counts {counted}")
        if choice.get("prompt_token_ids") not in (None, list(prompt_ids)):
            raise self._wrong("the reply answers another prompt")
        if finish not in ("stop", "length"):
            raise self.client.error(PATH, f"the server gave up (finish_reason {finish!r})", "Look at its log.")
        return tuple(ids), tuple(map(float, logprobs)), finish

    def _wrong(self, what: str) -> EngineError:
        return self.client.error(PATH, what, "Use a server that knows return_token_ids, such as vLLM, or messages.")


def _is_logprob(value: Any) -> bool:
    # vLLM writes -9999 for minus infinity; rounding may leave a trifle above 0.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1e6 < value < 1e-3
