"""AgentBench's two protocols for DB-Bench, with their rules to the letter.

The instruction texts are ours unless `AGENTBENCH_HOME` names a checkout; `Protocol.source` says which.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from envs.base import Info, Tool
from envs.dbbench.answers import final_answer, is_operation, operation_sql
from envs.dbbench.prompts import FC_INSTRUCTIONS, V02_INSTRUCTIONS
from envs.originals import original_text
from envs.protocol import Exchange, Message, Protocol, Reading, ToolCall
from envs.protocols import ToolProtocol

OBSERVATION_LIMIT = 800
"""Characters of an observation that a model is shown in both editions; the rest is cut off."""


def cut(text: str) -> str:
    """An observation as both editions show it."""
    return text if len(text) <= OBSERVATION_LIMIT else text[:OBSERVATION_LIMIT] + "[TRUNCATED]"


class V02Protocol(Protocol):
    """The text edition (AgentBench v0.2, `src/server/tasks/dbbench/__init__.py`).

    A turn whose first `Action:` is `Operation` runs the first fenced SQL; 15 of them are run. Any other turn is read
    as the answer, also a 16th operation. A turn in neither form ends the episode as a validation failure, with an
    empty answer; a mutation is judged by its tables all the same.
    """

    name = "v02"
    asks_thought = True
    max_turns = 16
    _rounds = 15

    def __init__(self) -> None:
        original = original_text("AGENTBENCH_HOME", "src/server/tasks/dbbench/__init__.py", "big_prompt")
        super().__init__(original or V02_INSTRUCTIONS)
        self.source = "AgentBench v0.2" if original else "train-agent"

    def open(self, observation: str, info: Info) -> list[Message]:
        return [Message("user", self.instructions), Message("assistant", "Ok."), Message("user", observation)]

    def show(
        self, answered: Message, observations: Sequence[str], info: Info, past: Sequence[Exchange] = ()
    ) -> list[Message]:
        return [Message("user", cut("\n".join(observations)))]

    def read(self, message: Message, info: Info, earlier: Sequence[Message] = ()) -> Reading:
        text = message.content
        if is_operation(text) and len(earlier) < self._rounds:
            sql = operation_sql(text)
            return Reading((), valid=False, end=True) if sql is None else Reading((sql,), valid=True)
        answer = final_answer(text)
        return Reading((), valid=False, end=True) if answer is None else Reading((f"answer:{answer}",), valid=True)

    def write(self, action: str, thought: str = "") -> Message:
        before = f"{thought}\n" if thought else ""
        if action.startswith("answer:"):
            return Message("assistant", f"{before}Action: Answer\nFinal Answer:{action.removeprefix('answer:')}")
        return Message("assistant", f"{before}Action: Operation\n```sql\n{action}\n```")


class FCProtocol(ToolProtocol):
    """The function-calling edition (AgentBench main, `src/server/tasks/dbbench/task.py`).

    15 rounds, of which a turn without a function call costs one too. All calls of a turn are executed in order, the
    first argument's value is used whatever its name, and a commit ends the episode.
    """

    name = "fc"
    asks_thought = True
    forgiving = False
    max_turns = 15
    no_call = "Internal error: No tool calls found despite finish reason."
    unreadable = "Error: Failed to parse tool call. Tool call format is incorrect."
    unknown = "Invalid function call. Please call a tool instead."
    no_query = "Error executing query: the function call holds no query."

    def __init__(self, tools: Sequence[Tool]) -> None:
        original = original_text("AGENTBENCH_HOME", "src/server/tasks/dbbench/task.py", "SYSTEM_PROMPT")
        super().__init__(original or FC_INSTRUCTIONS, tools)
        self.source = "AgentBench" if original else "train-agent"

    def open(self, observation: str, info: Info) -> list[Message]:
        table = info["add_description"]
        before = f"Additional table information about the question: {table}\n" if table else ""
        return [Message("system", self.instructions), Message("user", f"{before}Question: {info['question']}\n")]

    def read(self, message: Message, info: Info, earlier: Sequence[Message] = ()) -> Reading:
        calls = self.calls(message)
        if not calls:
            return Reading((), valid=False, feedback=self.no_call)
        actions: list[str] = []
        readable = True
        for call in calls:
            action, _ = self._play(call)
            readable = readable and action is not None
            if action is not None:
                actions.append(action)
            if call.name == self.tools[1].name:
                return Reading(tuple(actions), valid=readable, thought=message.content, end=True)
        return Reading(tuple(actions), valid=readable, thought=message.content)

    def show(
        self, answered: Message, observations: Sequence[str], info: Info, past: Sequence[Exchange] = ()
    ) -> list[Message]:
        answers = iter(observations)
        calls = self.calls(answered)
        if not calls:
            return [Message("user", self.no_call)]
        played = [(call, *self._play(call)) for call in calls]
        return [
            Message("tool", feedback if action is None else cut(next(answers, "")), tool_call_id=call.id)
            for call, action, feedback in played
        ]

    def _play(self, call: ToolCall) -> tuple[str | None, str]:
        """The action of a call, or None and what the model is told instead."""
        try:
            arguments = json.loads(call.arguments)
        except (ValueError, RecursionError):
            return None, self.unreadable
        execute, commit = self.tools
        if call.name not in (execute.name, commit.name):
            return None, self.unknown
        if not isinstance(arguments, dict) or not arguments:
            return None, self.unreadable if call.name == commit.name else self.no_query
        value = next(iter(arguments.values()))
        if call.name == commit.name:
            return commit.action.format(json.dumps(value)), ""
        return (value, "") if isinstance(value, str) else (None, self.no_query)
