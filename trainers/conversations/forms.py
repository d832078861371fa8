"""A row of a data set as a conversation: `messages` as OpenAI and TRL have them, or ShareGPT's `conversations`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from envs.calls import written_calls
from envs.errors import DataError
from envs.protocol import Message, ToolCall
from rollout.export import EVALUATION_SPLITS
from trainers.conversations.files import FORMS

ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "environment", "env"), "user"),
    **dict.fromkeys(("assistant", "gpt", "agent", "model", "bot", "chatgpt"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "tool_response", "ipython"), "tool"),
    **dict.fromkeys(("function_call", "tool_call"), "call"),
}
"""Roles of data sets, and ours; `call` is an assistant's message that is a function call and nothing else."""

_LISTS = ("messages", "conversations", "conversation")
_MASKS = ("loss", "weight")
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_IDS = ("item_id", "task_id", "id", "trajectory", "game_file", "gamefile", "game", "task")
_WORDS = "|".join(sorted(EVALUATION_SPLITS, key=len, reverse=True))
_SPLIT = re.compile(
    rf"(?:^|[/\\])({_WORDS})(?:$|[/\\])"  # a folder
    rf"|^(?:g\d+-)?({_WORDS})-"  # DB-Bench's ids, and those of generated tasks
    r"|(?:^|[/\\_-])(valid_seen|valid_unseen)(?:$|[/\\_-])"
)
"""Where the id of a task says its split."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A row.

    Attributes:
        where: file and line, for messages.
        messages: in order.
        learned: for each message, whether the data want it to be imitated.
        roles: the data's own names of the roles.
        tools: functions that are offered, in OpenAI's form.
        task: the row's id, or "".
        split: of the task, where row or id say one, else "".
        success: whether the task was solved, where the row says it.
    """

    where: str
    messages: tuple[Message, ...]
    learned: tuple[bool, ...]
    roles: tuple[str, ...]
    tools: tuple[dict[str, Any], ...] = ()
    task: str = ""
    split: str = ""
    success: bool | None = None


def read_conversation(row: Any, where: str) -> Conversation:
    """The conversation in a row.

    Raises:
        DataError: if it is in none of the forms; it names the key.
    """
    if not isinstance(row, Mapping):
        raise DataError(f"the row is {_type(row)}, not an object with keys", where=where, remedy=FORMS)
    key = next((key for key in _LISTS if row.get(key) is not None), None)
    if key is None:
        found = ", ".join(map(str, row)) or "none"
        raise DataError(f"no key messages or conversations; the keys are: {found}", where=where, remedy=FORMS)
    turns = row[key]
    if not isinstance(turns, Sequence) or isinstance(turns, str) or not turns:
        raise DataError(f"{key} is {_type(turns)}, not a list of messages", where=where, remedy=FORMS)
    read = [_message(turn, f"{key}[{number}]", where) for number, turn in enumerate(turns)]
    if isinstance(system := row.get("system"), str) and system and read[0][0].role != "system":
        read.insert(0, (Message("system", system), True, "system"))
    task = _task(row)
    return Conversation(
        where=where,
        messages=_with_ids([message for message, _, _ in read]),
        learned=tuple(learned for _, learned, _ in read),
        roles=tuple(role for _, _, role in read),
        tools=_tools(row.get("tools"), where),
        task=task,
        split=_split(row.get("split"), task),
        success=_success(row),
    )


def _message(turn: Any, key: str, where: str) -> tuple[Message, bool, str]:
    """A message, whether it is to be imitated, and the role as it is written."""
    if not isinstance(turn, Mapping):
        raise DataError(f"{key} is {_type(turn)}, not an object with role and content", where=where, remedy=FORMS)
    said = next((name for name in ("role", "from") if turn.get(name) is not None), None)
    if said is None:
        raise DataError(f"{key} has no key role or from; its keys are: {', '.join(map(str, turn))}", where=where)
    role = ROLES.get(str(turn[said]).strip().lower())
    if role is None:
        known = ", ".join(sorted(ROLES))
        raise DataError(f"{key}.{said} is {turn[said]!r}", where=where, remedy=f"The known roles are: {known}.")
    content = _content(turn, key, where)
    calls = _calls(turn.get("tool_calls"), f"{key}.tool_calls", where)
    if role == "call":
        role, written = "assistant", written_calls(content)
        calls, content = tuple(replace(call, id="") for call in written.calls), written.beside
        if not calls or not all(call.name for call in calls):
            raise DataError(f"{key} is no function call that can be read", where=where)
    thought = next((turn[name] for name in _THOUGHTS if isinstance(turn.get(name), str) and turn[name]), "")
    if thought and role == "assistant":
        content = f"<think>\n{thought.strip()}\n</think>\n\n{content}"
    answers = turn.get("tool_call_id")
    message = Message(role, content, calls, str(answers) if role == "tool" and answers else None)
    return message, _learned(turn, key, where), str(turn[said])


def _content(turn: Mapping[str, Any], key: str, where: str) -> str:
    name = next((name for name in ("content", "value") if name in turn), None)
    value = turn[name] if name else None
    if isinstance(value, str):
        return value
    if value is None and (turn.get("tool_calls") or (name and turn.get("role") == "assistant")):
        return ""
    if isinstance(value, list) and all(isinstance(one, Mapping) and one.get("type") == "text" for one in value):
        return "".join(str(one.get("text") or "") for one in value)
    if name is None:
        keys = ", ".join(map(str, turn))
        raise DataError(f"{key} has no key content or value; its keys are: {keys}", where=where, remedy=FORMS)
    raise DataError(f"{key}.{name} is {_type(value)}, not text", where=where, remedy=FORMS)


def _calls(value: Any, key: str, where: str) -> tuple[ToolCall, ...]:
    if not value:
        return ()
    if not isinstance(value, list):
        raise DataError(f"{key} is {_type(value)}, not a list", where=where, remedy=FORMS)
    calls = []
    for number, one in enumerate(value):
        function = one.get("function", one) if isinstance(one, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise DataError(f"{key}[{number}] has no function.name", where=where, remedy=FORMS)
        arguments = function.get("arguments", function.get("parameters", {}))
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        calls.append(ToolCall(str(one.get("id") or ""), function["name"], text))
    return tuple(calls)


def _with_ids(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages, with an id for every call, which its result names. A result without a call is the user's, and so is
    a system message that is not the first."""
    done: list[Message] = []
    count, waiting = 0, list[str]()
    for message in messages:
        if message.role == "assistant":
            waiting = [call.id or f"call{count + number:05}" for number, call in enumerate(message.tool_calls)]
            count += len(waiting)
            calls = zip(waiting, message.tool_calls, strict=True)
            named = tuple(ToolCall(id, call.name, call.arguments) for id, call in calls)
            done.append(Message("assistant", message.content, named))
        elif message.role == "tool" and waiting:
            own = message.tool_call_id if message.tool_call_id in waiting else waiting[0]
            waiting = [id for id in waiting if id != own] or waiting[-1:]
            done.append(Message("tool", message.content, tool_call_id=own))
        else:
            late = message.role == "tool" or (message.role == "system" and done)
            done.append(Message("user", message.content) if late else message)
    return tuple(done)


def _learned(turn: Mapping[str, Any], key: str, where: str) -> bool:
    for name in _MASKS:
        value = turn.get(name)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            value = value.lower() == "true"
        if value is None:
            continue
        if isinstance(value, bool) or value in (0, 1):
            return bool(value)
        raise DataError(f"{key}.{name} is {value!r}, not true, false, 0 or 1", where=where)
    return True


def _tools(value: Any, where: str) -> tuple[dict[str, Any], ...]:
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except (ValueError, RecursionError) as error:
            raise DataError(f"tools is text that is not JSON ({error})", where=where, remedy=FORMS) from error
    if not value:
        return ()
    if not isinstance(value, list) or not all(isinstance(tool, Mapping) for tool in value):
        raise DataError(f"tools is {_type(value)}, not a list of functions", where=where, remedy=FORMS)
    return tuple(dict(tool) if "function" in tool else {"type": "function", "function": dict(tool)} for tool in value)


def _task(row: Mapping[str, Any]) -> str:
    about = row.get("metadata")
    places = [row, about] if isinstance(about, Mapping) else [row]
    found = (place[name] for place in places for name in _IDS if isinstance(place.get(name), (str, int)))
    return re.sub(r"#\d+$", "", str(next(found, "")))  # without the sample's number, which our exports have


def _split(said: Any, task: str) -> str:
    """The split that row or id name, if models are scored by it."""
    if isinstance(said, str) and said in EVALUATION_SPLITS:
        return said
    found = _SPLIT.search(task)
    return found[found.lastindex or 0] if found else ""


def _success(row: Mapping[str, Any]) -> bool | None:
    for name in ("success", "solved", "is_success", "won"):
        if isinstance(row.get(name), bool):
            return bool(row[name])
    reward = row.get("reward")
    return reward > 0 if isinstance(reward, (int, float)) and not isinstance(reward, bool) else None


def _type(value: Any) -> str:
    names = {"NoneType": "null", "str": "text", "list": "a list" if value else "an empty list", "dict": "an object"}
    return names.get(type(value).__name__, f"{value!r:.40}")
