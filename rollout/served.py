"""From a server's URL to a policy: which model it serves, how long its context is, and whether it speaks token ids."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

from envs import BackendError
from envs.protocol import Protocol
from rollout.chat import ChatPolicy
from rollout.client import Client, Refused
from rollout.engine import EngineError, Sampling
from rollout.engines.openai import PATH, OpenAIEngine
from rollout.errors import ModelError
from rollout.lineage import fingerprint
from rollout.patience import PROBE, STARTUP
from rollout.policy import ModelPolicy

if TYPE_CHECKING:
    from rollout.rendering import Renderer

log = logging.getLogger(__name__)

Mode = Literal["auto", "tokens", "messages"]

_PROBE = (1, 2, 3)
_VLLM = ("vllm", "sglang")
_PLAIN = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""What switches off the sampling that vLLM takes from a model's generation config where a request is silent."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model as its server describes it; `None` and "" where it does not.

    Attributes:
        name: for requests.
        max_length: tokens of prompt and completion together.
        owner: `vllm` where the server is vLLM.
    """

    name: str
    max_length: int | None = None
    owner: str = ""


async def served_policy(
    client: Client,
    sampling: Sampling,
    *,
    model: str | None = None,
    mode: Mode = "auto",
    tokenizer: str | None = None,
    max_length: int | None = None,
    window: int | None = None,
    enable_thinking: bool | None = None,
) -> ModelPolicy | ChatPolicy:
    """The policy of a model behind an OpenAI-compatible server.

    Args:
        client: to the server; the policy's from here on, closed with it or if this raises.
        sampling: how tokens are drawn.
        model: the name by which the server knows it; may be left out where it serves but one.
        mode: `tokens` asks by token ids, as training needs it; `messages` by the chat interface; `auto` tries token ids
            once where there is a tokenizer, and says in the log what it found.
        tokenizer: for token ids: a folder or hub name. The one that the server names is not loaded: what a server says
            does not decide what is read from this machine's disk or from the hub.
        max_length: tokens of prompt and completion together; the server's own limit if None.
        window: how many past turns stay in the context; None for all.
        enable_thinking: whether a hybrid model thinks before it answers; None leaves it to its chat template. By
            messages, vLLM and SGLang are told; others have no such option.

    Raises:
        BackendError: if the server cannot be reached or fails.
        ModelError: if it has no such model, has no token ids where `mode` wants them, or there is no tokenizer.
    """
    try:
        async with client.within(STARTUP):
            served = await find_model(client, model)
        async with client.within(PROBE):
            why_not = "" if mode == "messages" else await _lacks_tokens(client, served, sampling)
        if tokenizer is None and not why_not:
            why_not = "they need --tokenizer, a folder or a name on the hub"
        if mode == "messages" or (mode == "auto" and why_not):
            log.info("%s: asked by messages%s", served.name, f" (not by token ids: {why_not})" if why_not else "")
            extra = _extra(served, enable_thinking)
            return ChatPolicy(client, served.name, sampling, window=window, extra=extra)
        if why_not:
            remedy = "Use a server that knows return_token_ids, such as vLLM, and give the tokenizer; or use messages."
            raise ModelError(f"no token ids can be had ({why_not})", where=served.name, remedy=remedy)
        log.info("%s: asked by token ids, which come back as sampled, with log-probabilities", served.name)
        assert tokenizer is not None
        return _by_tokens(client, served, sampling, tokenizer, max_length, window, enable_thinking)
    except EngineError as error:
        await client.close()
        raise BackendError(str(error)) from error
    except ModelError:
        await client.close()
        raise


async def find_model(client: Client, model: str | None) -> Served:
    """What the server says of a model.

    Raises:
        EngineError: if it cannot be asked.
        ModelError: if it lists others only, or none was named and there is not exactly one.
    """
    try:
        listed = (await client.get("/models")).body.get("data")
    except Refused as refused:
        if refused.status in (401, 403):
            raise
        listed = None  # not every server has a list
    rows = listed if isinstance(listed, list) else []
    known = {row["id"]: row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)}
    if model is None and len(known) == 1:
        (model,) = known
    if model is None or (known and model not in known):
        near = get_close_matches(model or "", known, n=1, cutoff=0.4)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        what = "say which model" if model is None else f"the server has no model {model!r}"
        there = ", ".join(sorted(known)[:10]) or "the server does not list its models"
        raise ModelError(what, where=client.url, remedy=f"{hint}There are: {there}.")
    row = known.get(model, {})
    length = row.get("max_model_len")
    return Served(model, length if isinstance(length, int) else None, str(row.get("owned_by") or ""))


async def _lacks_tokens(client: Client, served: Served, sampling: Sampling) -> str:
    """Why the server cannot be asked by token ids; "" if it can.

    Among one candidate a token's probability after truncation is 1: a server that says otherwise gives
    log-probabilities of another distribution than the one that it draws from.
    """
    engine = OpenAIEngine(client, served.name, max_length=len(_PROBE) + 4)
    try:
        answer = await client.post(PATH, engine.request(_PROBE, Sampling(top_k=1, max_new_tokens=4), 0, 4))
    except Refused as refused:
        if refused.status in (401, 403):
            raise
        return str(refused)
    try:
        _, logprobs, _ = engine.read(answer.body, _PROBE)
    except EngineError as error:
        return str(error)
    warped = sampling.temperature > 0 and (sampling.temperature, sampling.top_p, sampling.top_k) != (1.0, 1.0, 0)
    if warped and any(logprobs):
        log.warning(
            "%s: its log-probabilities are those before temperature and truncation, not those that tokens are drawn "
            "by; start it with --logprobs-mode processed_logprobs, or sample at temperature 1, top_p 1, top_k 0",
            served.name,
        )
    return ""


def _extra(served: Served, enable_thinking: bool | None) -> dict[str, Any]:
    """Parameters of a request that not every server knows."""
    known = served.owner in _VLLM
    if enable_thinking is None or not known:
        if enable_thinking is not None:
            log.warning("%s: its server is not told enable_thinking, which OpenAI's interface has not", served.name)
        return dict(_PLAIN) if known else {}
    return {**_PLAIN, "chat_template_kwargs": {"enable_thinking": enable_thinking}}


def _by_tokens(
    client: Client,
    served: Served,
    sampling: Sampling,
    tokenizer: str,
    max_length: int | None,
    window: int | None,
    enable_thinking: bool | None,
) -> ModelPolicy:
    from rollout.loading import load_tokenizer
    from rollout.rendering import renderers

    limits = [limit for limit in (max_length, served.max_length) if limit]
    if not limits:
        remedy = "Say how long the model's context is (--max-length)."
        raise ModelError("the server does not say how long its context is", where=served.name, remedy=remedy)
    engine = OpenAIEngine(client, served.name, max_length=min(limits))
    words: Any = load_tokenizer(tokenizer)

    make = renderers(words, enable_thinking)

    def renderer(talk: Protocol) -> Renderer:
        made = make(talk)
        engine.stop_ids |= made.stop_ids
        return made

    about = {"template": fingerprint(str(words.chat_template))}
    return ModelPolicy(
        engine,
        renderer,
        sampling,
        name=served.name,
        window=window,
        about=about,
        enable_thinking=enable_thinking,
    )
