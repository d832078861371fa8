"""From messages to token ids, by a model's own chat template, without ever tokenizing again what was sampled.

An episode's context is append-only: the prompt of a turn is the prompt before it, the completion as it was sampled,
and what the template puts between that completion and the next: the end of the turn, the new messages, and the start
of the next reply. That in-between is found by rendering a short conversation about a marker and cutting it there.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from envs.protocol import Message, Protocol, ToolCall
from rollout.errors import ModelError
from rollout.roles import fold_system, merge_users
from rollout.time_limit import Overdue, time_limit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

MARKER = "qzxjv"
THOUGHT = "vjxzq"
"""Texts that no template contains."""

LIMIT = 10.0
"""Seconds that the template may take for a conversation."""


class EndlessTemplate(ModelError):
    """A chat template that does not end."""


class Renderer:
    """Renders conversations by a tokenizer's chat template.

    A template without a system role gets the system text at the start of the first user message; one in which roles
    must alternate gets consecutive messages of the user as one.

    Args:
        tokenizer: with a chat template that leaves earlier turns as they were when later ones follow.
        schemas: functions offered to the model, in OpenAI's form.
        enable_thinking: handed to the template where it is not None and the template knows it, as Qwen3's does.

    Attributes:
        stop_ids: the tokens by which the template ends a turn: a completion should stop there.

    Raises:
        ModelError: if there is no template, or it rewrites history; both name the remedy.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        schemas: Sequence[Mapping[str, Any]] | None = None,
        *,
        enable_thinking: bool | None = None,
    ) -> None:
        self.name = str(tokenizer.name_or_path) or type(tokenizer).__name__
        if not tokenizer.chat_template:
            raise ModelError(
                "the tokenizer has no chat template",
                where=self.name,
                remedy="Use an instruct model, or set tokenizer.chat_template, for example to TRL's "
                "trl/chat_templates/qwen2_5_training.jinja, before training a base model.",
            )
        self._tokenizer = tokenizer
        self._options: dict[str, Any] = {"tools": list(schemas)} if schemas else {}
        if enable_thinking is not None and knows_thinking(tokenizer):
            self._options["enable_thinking"] = enable_thinking
        self._text_arguments = False
        self._folds = self._merges = False
        self._added = tokenizer.get_added_vocab()
        self._folds = not self._takes(Message("system", MARKER), _USER)
        self._merges = not self._takes(Message("user", MARKER), _USER)
        if schemas:
            self._check_tools()
        else:
            self._check_history()
        # Observations repeat ("Nothing happens."), and a template takes longer than an environment.
        self._between = lru_cache(maxsize=4096)(self._compute_between)
        self._called = lru_cache(maxsize=256)(self._compute_called)
        follow = [_USER, Message("tool", "x", tool_call_id=_CALL.id)][: 2 if schemas else 1]
        ends = {self._between((message,))[0] for message in follow}
        self.stop_ids = frozenset(ends & set(self._added.values()))
        self._ends = self.stop_ids | set(tokenizer.all_special_ids)

    def open(self, messages: Sequence[Message]) -> list[int]:
        """The ids of a conversation up to where the model's next reply starts."""
        return list(self._encode(self._render(messages, generation=True)))

    def extend(self, sampled: Sequence[int], messages: Sequence[Message]) -> list[int]:
        """The ids to append after a completion for the next turn.

        Args:
            sampled: the completion's ids. The end of the turn is among what is returned unless they end with it:
                after a completion that was cut by its length or by a stop string the template supplies it.
            messages: what follows it, of the roles user or tool.
        """
        between = self._between(tuple(messages))
        ended = bool(sampled) and sampled[-1] == between[0] and between[0] in self.stop_ids
        return list(between[1:] if ended else between)

    def decode(self, sampled: Sequence[int]) -> str:
        """What a completion says: its text without the token that ended it."""
        ended = bool(sampled) and sampled[-1] in self._ends
        return str(self._tokenizer.decode(list(sampled[:-1] if ended else sampled)))

    def _compute_between(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        if messages[0].role != "tool":
            text = self._render([_USER, Message("assistant", MARKER), *messages], generation=True)
            return self._encode(text.partition(MARKER)[2])
        calls = tuple(message.tool_call_id or _CALL.id for message in messages if message.role == "tool")
        before, length, closing = self._called(calls)
        text = self._render([*before, *messages], generation=True)
        return self._encode(closing + text[length:])

    def _compute_called(self, ids: tuple[str, ...]) -> tuple[tuple[Message, ...], int, str]:
        """A conversation that ends with calls, the length of its text, and what ends the calls' turn."""
        before = _USER, Message("assistant", "", tuple(ToolCall(id, _CALL.name, "{}") for id in ids))
        start = self._render(before, generation=False)
        return before, len(start), self._closing(start)

    def _closing(self, start: str) -> str:
        """What ends a turn that calls a function, where the template ends it before it knows of a next message."""
        usual = self._render([_USER, Message("assistant", MARKER)], generation=False).rpartition(MARKER)[2]
        if start.endswith(usual):
            return usual
        # Some templates end such turns by a token of its own (GLM's <|observation|>).
        return start[max(start.rfind(token) for token in self._added) :]

    def _check_history(self) -> None:
        """A reply must look the same when it is the last as when others follow, its thought included."""
        for content in (MARKER, f"<think>\n{THOUGHT}\n</think>\n\n{MARKER}"):
            turn = [_USER, Message("assistant", content)]
            early, late = self._render(turn, generation=False), self._render([*turn, *turn, _USER], generation=True)
            reply = early[: early.rfind(MARKER) + len(MARKER)]
            if MARKER not in early or not late.startswith(reply) or early.count(THOUGHT) != content.count(THOUGHT):
                raise self._refused("rewrites history: a reply's text or thought is changed once a message follows it")

    def _check_tools(self) -> None:
        """A function call must look the same when it is the last message as when its results follow, and show them."""
        call = [_USER, Message("assistant", "", (_CALL,))]
        results = [Message("tool", text, tool_call_id=_CALL.id) for text in (MARKER, THOUGHT)]
        try:
            early, late = self._render(call, generation=False), self._render([*call, *results], generation=True)
        except TypeError:  # a template that concatenates the arguments wants them as text
            self._text_arguments = True
            early, late = self._render(call, generation=False), self._render([*call, *results], generation=True)
        if _CALL.name not in early.partition(_FIRST)[2] or MARKER not in late or THOUGHT not in late:
            raise self._refused("leaves out function calls or their results")
        if not late.startswith(early):
            raise self._refused("rewrites history: a function call is changed once its result follows it")

    def _takes(self, *messages: Message) -> bool:
        """Whether the template renders these messages, the marker among them."""
        try:
            return MARKER in self._render(messages, generation=True)
        except EndlessTemplate:
            raise
        except ModelError:
            return False

    def _refused(self, how: str) -> ModelError:
        return ModelError(
            f"the chat template {how}, so later prompts would not hold the tokens that were sampled",
            where=self.name,
            remedy="Load the tokenizer with rollout.loading.load_model, which takes TRL's training template where "
            "there is one, set tokenizer.chat_template to one that keeps every turn, or choose another protocol.",
        )

    def _render(self, messages: Sequence[Message], *, generation: bool) -> str:
        import jinja2

        fitting = fold_system(messages) if self._folds else messages
        plain = [self._plain(message) for message in (merge_users(fitting) if self._merges else fitting)]
        try:
            with time_limit(LIMIT):
                text = self._tokenizer.apply_chat_template(
                    plain, tokenize=False, add_generation_prompt=generation, **self._options
                )
        except Overdue as error:
            what = f"the chat template has not ended within {LIMIT:g} s"
            remedy = "Set tokenizer.chat_template to another, or name another model."
            raise EndlessTemplate(what, where=self.name, remedy=remedy) from error
        except jinja2.TemplateError as error:
            roles = ", ".join(message.role for message in messages)
            raise ModelError(
                f"the chat template refuses messages of {roles}: {error}",
                where=self.name,
                remedy="Choose another protocol (plain, react or think), or set tokenizer.chat_template to one that "
                "knows these roles.",
            ) from error
        return str(text)

    def _plain(self, message: Message) -> dict[str, Any]:
        plain = message.to_dict()
        for call in () if self._text_arguments else plain.get("tool_calls", ()):
            # Most templates print arguments as JSON themselves; what the model wrote badly stays the text it was.
            try:
                arguments = json.loads(call["function"]["arguments"])
            except json.JSONDecodeError:
                continue
            if isinstance(arguments, dict):
                call["function"]["arguments"] = arguments
        return plain

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))


_FIRST = "first question"
_USER = Message("user", _FIRST)
_CALL = ToolCall("call00000", "step", '{"action": "look"}')


def knows_thinking(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the chat template has the option `enable_thinking`."""
    return "enable_thinking" in str(tokenizer.chat_template)


def renderers(
    tokenizer: PreTrainedTokenizerBase, enable_thinking: bool | None = None
) -> Callable[[Protocol], Renderer]:
    """A tokenizer's renderer for each protocol, made once: it depends on the functions that the protocol offers.

    Args:
        tokenizer: the model's.
        enable_thinking: see `Renderer`; a template that does not know it is named in the log.
    """
    if enable_thinking is not None and not knows_thinking(tokenizer):
        log.warning("%s: the chat template has no enable_thinking; it changes nothing here", tokenizer.name_or_path)

    @cache
    def renderer(talk: Protocol) -> Renderer:
        return Renderer(tokenizer, talk.schemas, enable_thinking=enable_thinking)

    return renderer
