"""DB-Bench as an environment."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from envs.base import Expert, Info, Outcome, TextEnv, Tool
from envs.dbbench.generator import SPLITS, generated_tasks
from envs.dbbench.grading import Rule, verdict
from envs.dbbench.loader import load_tasks
from envs.dbbench.password import password_variable
from envs.dbbench.prompts import INSTRUCTIONS
from envs.dbbench.protocols import FCProtocol, V02Protocol
from envs.dbbench.sandbox import DEADLINE, Sandbox
from envs.dbbench.task import DBTask
from envs.errors import DataError, TaskError
from envs.protocol import Protocol
from envs.protocols import make_protocol
from envs.task import TaskSet

ANSWER = "answer:"
"""An action that begins with this commits what follows; every other action is SQL."""

TOOLS = (
    Tool("execute_sql", "Executes one SQL statement on the database and returns the result.", "query", "{}"),
    Tool("commit_final_answer", "Commits the final answer and ends the task.", "answers", f"{ANSWER} {{}}", many=True),
)


class DBBenchEnv(TextEnv[DBTask]):
    """DB-Bench: answer a question about a small database, or change it as asked, by SQL.

    Observation: the question and what is said of the table; then what the database answers: the rows as a Python list
        of tuples, `[]` after a change, or the error with its number.
    Action: one SQL statement; or `answer: ["item", ...]`, a JSON list (or a single text), which ends the episode.
    Reward: 1 at the end of a solved episode, else 0. A question is solved by its answer under `rule`; a change by the
        tables, `strict` by all their rows and the others by the official hash, without a commit only under `v02`.
    End: terminated by the answer; truncated after `max_steps` actions (20).
    Source: AgentBench (Liu et al. 2023, arXiv:2308.03688), `data/dbbench`; editions in `envs.dbbench.protocols`.
    Versions: v1.

    `info` holds task, task_type, question, add_description, won (after the end), error (of the last statement, None if
    there was none), stopped (why the sandbox ended the last statement: `time`, `size`, `session`, or ""), sql (the
    statement, None after an answer) and unsupported (whether the error says that MySQL can do it and this environment
    cannot).

    Args:
        split: `train` or `valid`, generated; `standard` (300) or `dev` (60), the benchmark's own files.
        data: the folder of the benchmark's files, or one of them; `AGENTBENCH_HOME`'s `data/dbbench` where it is None.
        rule: `strict`, to train on; `fc` or `v02`, the official verdicts with their faults (an empty answer is 0, say),
            which the benchmarks ask for by name.
        backend: a SQLAlchemy URL. `sqlite://` needs nothing; the numbers to publish come from a real MySQL. `$NAME`
            in place of a password stands for an environment variable.
        dialect: what the database is to answer like: `mysql`, or `sqlite` as it is.
        deadline: seconds that one statement may run.
        generate: settings of the generator, for the generated splits.
        max_steps: actions before an episode is truncated.

    Raises:
        TaskError: on an unknown split or rule.
        DataError: if the benchmark's file is missing or has bad records.
        BackendError: if the database cannot be reached.
    """

    instructions = INSTRUCTIONS
    tools = TOOLS
    places = ("data", "backend")

    def __init__(
        self,
        split: str = "train",
        *,
        data: str | Path | None = None,
        rule: Rule = "strict",
        backend: str = "sqlite://",
        dialect: str = "mysql",
        deadline: float = DEADLINE,
        generate: Mapping[str, Any] | None = None,
        max_steps: int = 20,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(max_steps=max_steps, render_mode=render_mode)
        if rule not in get_args(Rule):
            raise TaskError(f"no scoring rule is called {rule!r}", remedy=f"Use one of {', '.join(get_args(Rule))}.")
        if not (isinstance(deadline, (int, float)) and 0 < deadline <= 3600):
            raise TaskError(f"the deadline is {deadline!r}", remedy="A statement has seconds, above 0, at most 3600.")
        self.rule: Rule = rule
        self.backend, self.dialect, self.deadline = backend, dialect, deadline
        self.in_process = backend.startswith("sqlite")
        variable = password_variable(backend)
        self.variables = (variable,) if variable else ()
        self.tasks = TaskSet(_tasks(split, data, generate or {}))
        if rule == "strict" and (task := next((t for t in self.tasks if t.is_mutation and not t.gold_sql), None)):
            remedy = "Use the rule fc or v02, which compare hashes."
            raise DataError("no gold statement, which the rule strict compares with", where=task.id, remedy=remedy)
        self._db: Sandbox | None = None
        self._answer: object = None

    def solved(self) -> bool:
        """The verdict of `rule` on the answer so far and the tables as they are."""
        if self.task is None or self._db is None:
            return False
        state = self._db.state() if self.task.is_mutation else None
        return verdict(self.task, self._answer, state, self.rule)

    def facts(self) -> dict[str, Any]:
        return {"backend": self.backend.partition("://")[0], "dialect": self.dialect, "rule": self.rule}

    def expert(self) -> Expert:
        from envs.dbbench.expert import DBExpert

        return DBExpert()

    def protocol(self, name: str) -> Protocol:
        if name == V02Protocol.name:
            return V02Protocol()
        if name == FCProtocol.name:
            return FCProtocol(self.tools)
        return make_protocol(name, self.instructions, self.tools, own=(V02Protocol.name, FCProtocol.name))

    def close(self) -> None:
        self._drop()
        super().close()

    def _begin(self, task: DBTask) -> tuple[str, Info]:
        self._drop()
        self._answer = None
        self._db = Sandbox(task, backend=self.backend, dialect=self.dialect, deadline=self.deadline)
        return f"{task.description}\n{task.add_description}", self._about(None, None)

    def _act(self, action: str) -> Outcome:
        assert self._db is not None
        if action.lstrip().startswith(ANSWER):
            self._answer = self._read_answer(action.lstrip().removeprefix(ANSWER))
            won = self.solved()
            return Outcome("", float(won), True, {**self._about(None, None), "won": won})
        reply = self._db.execute(action)
        about = {**self._about(action, reply.error), "unsupported": reply.unsupported, "stopped": reply.stopped}
        return Outcome(reply.text, 0.0, False, about)

    def _settle(self) -> float:
        return float(self.solved())

    def _about(self, sql: str | None, error: str | None) -> Info:
        assert self.task is not None
        task = self.task
        return {
            "question": task.description,
            "add_description": task.add_description,
            "sql": sql,
            "error": error,
            "unsupported": False,
            "stopped": "",
            "won": False,
        }

    def _read_answer(self, text: str) -> object:
        if self.rule == "v02":
            return text  # the official code reads the text itself, its leading blank included
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text.strip()
        return "null" if value is None else value  # None is no commit at all

    def _drop(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_db": None}


@lru_cache(maxsize=8)
def _generated(split: str, **settings: Any) -> Sequence[DBTask]:
    """Kept: a run opens its environment for each evaluation, and thousands of tasks take seconds."""
    return tuple(generated_tasks(split, **settings))


def _tasks(split: str, data: str | Path | None, generate: Mapping[str, Any]) -> Sequence[DBTask]:
    if split in SPLITS:
        count = generate.get("count", 1)
        if isinstance(count, int) and count < 1:
            raise TaskError(f"generate: count is {count}", remedy="Take a whole number, at least one.")
        try:
            return _generated(split, **generate)
        except TypeError as error:
            taken = ", ".join(name for name in inspect.signature(generated_tasks).parameters if name != "split")
            raise TaskError(
                f"the generator does not take {dict(generate)}: {error}", remedy=f"It takes {taken}."
            ) from error
    if split not in ("standard", "dev"):
        known = ", ".join((*SPLITS, "standard", "dev"))
        raise TaskError(f"dbbench has no split {split!r}", remedy=f"There are: {known}.")
    home = os.environ.get("AGENTBENCH_HOME")
    folder = Path(data) if data is not None else Path(home) / "data" / "dbbench" if home else None
    remedy = f"Pass data=FOLDER with AgentBench's data/dbbench/{split}.jsonl, or set AGENTBENCH_HOME to a checkout."
    if folder is None:
        raise DataError(f"the split {split!r} is the benchmark's own file, which is not in this package", remedy=remedy)
    file = folder if folder.is_file() else folder / f"{split}.jsonl"
    if not file.is_file():
        raise DataError("there is no such file", where=file, remedy=remedy)
    return load_tasks(file)
