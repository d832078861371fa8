"""How others talk ALFWorld with a model: AgentBench's two editions and verl-agent, with their rules to the letter.

The instruction texts are ours unless `AGENTBENCH_HOME` or `VERL_AGENT_HOME` names a checkout; `Protocol.source` says
which.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from envs.alfworld.prompts import AGENTBENCH_FC, AGENTBENCH_V02, VERL_FIRST, VERL_LATER
from envs.alfworld.snapping import snap
from envs.base import Info, Tool
from envs.originals import original_text
from envs.protocol import Exchange, Message, Protocol, Reading, ToolCall
from envs.protocols import ToolProtocol

_REPEATS = 3


class AgentBenchV02(Protocol):
    """The text edition (AgentBench v0.2, `src/server/tasks/alfworld/task.py`): `THOUGHT: ... ACTION: ...`.

    35 turns; what follows `ACTION:` on its line is snapped to the admissible command of the highest BLEU; a turn
    without it ends the episode, and so does the third of three equal turns in a row, from the fourth turn on. The
    edition shows one worked example of each kind of task; it comes with its checkout only.
    """

    name = "agentbench-v02"
    asks_thought = True
    max_turns = 35
    _action = re.compile("ACTION:(.*)")

    def __init__(self) -> None:
        original = original_text("AGENTBENCH_HOME", "src/server/tasks/alfworld/task.py", "get_task_instruction")
        super().__init__(original or AGENTBENCH_V02)
        self.source = "AgentBench v0.2" if original else "train-agent"

    def open(self, observation: str, info: Info) -> list[Message]:
        return [
            Message("user", self.instructions),
            Message("assistant", "OK. I'll follow your instructions and try my best to solve the task."),
            Message("user", "Here is your task. " + _room(observation) + available(info)),
        ]

    def show(
        self, answered: Message, observations: Sequence[str], info: Info, past: Sequence[Exchange] = ()
    ) -> list[Message]:
        return [Message("user", _arrived("\n".join(observations)) + available(info))]

    def read(self, message: Message, info: Info, earlier: Sequence[Message] = ()) -> Reading:
        found = self._action.search(message.content)
        if found is None:
            return Reading((), valid=False, end=True)
        said = [one.content for one in (*earlier, message)]
        action = snap(found[1], info["admissible_commands"])
        return Reading((action,), valid=True, end=_repeats(said))

    def write(self, action: str, thought: str = "") -> Message:
        return Message("assistant", f"THOUGHT: {thought}\nACTION: {action}" if thought else f"ACTION: {action}")


class AgentBenchFC(ToolProtocol):
    """The function-calling edition (AgentBench main, `src/server/tasks/alfworld/task.py`).

    20 turns; the first call's first argument is snapped to the admissible command of the highest BLEU; a turn without
    a readable call costs a turn and is told so; the third of three equal arguments in a row ends the episode, from the
    fourth action on.
    """

    name = "agentbench-fc"
    asks_thought = True
    forgiving = False
    max_turns = 20
    no_call = "No executable tool calls found. Please call a tool instead"
    bad_call = "No valid tool calls found. Please call a tool instead."

    def __init__(self, tools: Sequence[Tool]) -> None:
        original = original_text("AGENTBENCH_HOME", "src/server/tasks/alfworld/task.py", "get_task_instruction")
        super().__init__(original or AGENTBENCH_FC, tools)
        self.source = "AgentBench" if original else "train-agent"

    def open(self, observation: str, info: Info) -> list[Message]:
        opening = "Here is your task. " + _room(observation) + available(info)
        return [Message("system", self.instructions), Message("user", opening)]

    def show(
        self, answered: Message, observations: Sequence[str], info: Info, past: Sequence[Exchange] = ()
    ) -> list[Message]:
        calls = self.calls(answered)
        if not calls or self._argument(calls[0]) is None:
            return [Message("user", "\n".join(observations))]
        return [Message("tool", _arrived("\n".join(observations)) + available(info), tool_call_id=calls[0].id)]

    def read(self, message: Message, info: Info, earlier: Sequence[Message] = ()) -> Reading:
        calls = self.calls(message)
        if not calls:
            return Reading((), valid=False, feedback=self.no_call)
        argument = self._argument(calls[0])
        if argument is None:
            return Reading((), valid=False, feedback=self.bad_call)
        said = [text for one in earlier for text in self._said(one)]
        action = snap(argument, info["admissible_commands"])
        return Reading((action,), valid=True, thought=message.content, end=_repeats([*said, argument]))

    def _said(self, message: Message) -> list[str]:
        calls = self.calls(message)
        argument = self._argument(calls[0]) if calls else None
        return [] if argument is None else [argument]

    def _argument(self, call: ToolCall) -> str | None:
        try:
            arguments = json.loads(call.arguments)
        except (ValueError, RecursionError):
            return None
        value = next(iter(arguments.values()), None) if isinstance(arguments, dict) else None
        return value if isinstance(value, str) else None


class VerlAgent(Protocol):
    """verl-agent's prompt (`agent_system/environments/env_manager.py` and `env_package/alfworld/projection.py`).

    Every turn is a conversation of its own: the task, the last two observations with their actions, the current
    observation and the admissible commands. The action stands between the first `<action>` and `</action>`; without
    them the last 30 characters are played and the turn is invalid, as it is without `<think>` or with Chinese signs.
    """

    name = "verl-agent"
    asks_thought = True
    standalone = True
    _history = 2

    def __init__(self) -> None:
        file = "agent_system/environments/prompts/alfworld.py"
        first = original_text("VERL_AGENT_HOME", file, "ALFWORLD_TEMPLATE_NO_HIS")
        later = original_text("VERL_AGENT_HOME", file, "ALFWORLD_TEMPLATE")
        self._first, self._later = first or VERL_FIRST, later or VERL_LATER
        super().__init__(self._first + self._later)
        self.source = "verl-agent" if first else "train-agent"

    def open(self, observation: str, info: Info) -> list[Message]:
        text = self._first.format(current_observation=observation, admissible_actions=_quoted(info))
        return [Message("user", text)]

    def show(
        self, answered: Message, observations: Sequence[str], info: Info, past: Sequence[Exchange] = ()
    ) -> list[Message]:
        start = max(0, len(past) - self._history)
        history = "\n".join(
            f"[Observation {number}: '{one.observation}', Action {number}: '{one.action}']"
            for number, one in enumerate(past[start:], start=start + 1)
        )
        text = self._later.format(
            task_description=past[0].observation.partition("Your task is to: ")[2].strip(),
            step_count=len(past),
            history_length=len(past) - start,
            action_history=history,
            current_step=len(past) + 1,
            current_observation="\n".join(observations),
            admissible_actions=_quoted(info),
        )
        return [Message("user", text)]

    def read(self, message: Message, info: Info, earlier: Sequence[Message] = ()) -> Reading:
        text = message.content.lower()
        start, end = text.find("<action>"), text.find("</action>")
        if start < 0 or end < 0:
            return Reading((text[-30:],), valid=False)
        thinks = "<think>" in message.content and "</think>" in message.content
        chinese = re.search(r"[\u4e00-\u9fff]", message.content) is not None
        return Reading((text[start + len("<action>") : end].strip(),), valid=thinks and not chinese)

    def write(self, action: str, thought: str = "") -> Message:
        return Message("assistant", f"<think>{thought}</think><action>{action}</action>")


PROTOCOLS = (AgentBenchV02.name, AgentBenchFC.name, VerlAgent.name)


def available(info: Info) -> str:
    """The admissible commands as AgentBench lists them behind an observation."""
    return " AVAILABLE ACTIONS: " + "\n".join(info["admissible_commands"]) + "\n"


def _quoted(info: Info) -> str:
    return "\n ".join(f"'{command}'" for command in info["admissible_commands"] if command != "help")


def _room(observation: str) -> str:
    """The first observation without TextWorld's welcome."""
    return "\n".join(observation.split("\n\n")[1:])


def _arrived(observation: str) -> str:
    """An observation without "You arrive at loc 12.", which the old dialect says."""
    return observation.partition(". ")[2] if observation.startswith("You arrive at loc ") else observation


def _repeats(said: Sequence[str]) -> bool:
    return len(said) > _REPEATS and len(set(said[-_REPEATS:])) == 1
